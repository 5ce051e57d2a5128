"""A TCP proxy that breaks a connection after so many bytes have gone up."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class BreakingProxy:
    """Forwards to a port; `budget` bytes from clients pass, then every connection is reset until it is raised."""

    def __init__(self, port: int, budget: int) -> None:
        self._port = port
        self.budget = budget
        self.passed = 0
        self._closing = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._closing = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:

            def up() -> None:
                self._pump(client, server, self._spend)

            def down() -> None:
                self._pump(server, client, lambda _: True)

            threads = [threading.Thread(target=way, daemon=True) for way in (up, down)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _spend(self, count: int) -> bool:
        self.passed += count
        return self.passed <= self.budget

    def _pump(self, source: socket.socket, target: socket.socket, allowed: Callable[[int], bool]) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not allowed(len(data)):
                    break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
