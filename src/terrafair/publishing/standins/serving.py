"""An ASGI application served from a thread of this process, for as long as a block lasts."""

import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

from terrafair.errors import Unreachable


class Serving:
    """Listens on the loopback interface; `url` is where."""

    def __init__(self, application: Any, port: int = 0) -> None:
        import uvicorn

        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError as fault:
            self._socket.close()
            raise Unreachable(f"Nothing can listen on port {port}: {fault.strerror}.") from None
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        # A page elsewhere whose name was made to lead here must not pass for one of ours.
        guarded = TrustedHostMiddleware(application, allowed_hosts=["127.0.0.1", "localhost"])
        settings = uvicorn.Config(
            guarded, log_level="critical", lifespan="off", timeout_graceful_shutdown=2, access_log=False
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._run, name="standin", daemon=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def start(self) -> Self:
        """Serve; returns once it answers."""
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """End and free the port."""
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
