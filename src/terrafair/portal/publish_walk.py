"""Publications on their way while nobody waits for them: each walks in a thread of its own until somebody is asked."""

import contextvars
import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from terrafair.errors import TerrafairError
from terrafair.publishing.publication import Publication, State, Step

CHECK_SECONDS = 120.0
"""How long the testing repository's check is waited for before the person has to look again."""
PAUSE_SECONDS = 0.5


class Advancing(Protocol):
    """What takes a publication one step further; `publishing.publisher.Publisher` does."""

    def advance(self, id: str, say: Callable[[str], None] = ...) -> Publication:  # noqa: A002
        """Do the next step."""
        ...


class Walks:
    """All of them; a platform that ends leaves each where its last finished step brought it."""

    def __init__(self, publisher: Advancing, patience: float = CHECK_SECONDS, pause: float = PAUSE_SECONDS) -> None:
        self._publisher = publisher
        self._patience = patience
        self._pause = pause
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}

    def begin(self, id: str) -> None:  # noqa: A002
        """Let one walk, with the rights of whoever asks now; a second call changes nothing."""
        with self._lock:
            if id in self._said:
                return
            self._said[id] = ""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._walk, id), name=f"publish-{id}", daemon=True).start()

    def moving(self, id: str) -> bool:  # noqa: A002
        """Whether it walks."""
        return id in self._said

    def said(self, id: str) -> str:  # noqa: A002
        """What it does now."""
        return self._said.get(id, "")

    def _walk(self, id: str) -> None:  # noqa: A002
        try:
            self._steps(id)
        except TerrafairError:
            # Somebody else walks it already, or it has gone: its page says how it stands.
            pass
        except Exception as fault:
            structlog.get_logger().exception("publication.broken", publication=id, exc_info=fault)
        finally:
            with self._lock:
                self._said.pop(id, None)

    def _steps(self, id: str) -> None:  # noqa: A002
        deadline, before = time.monotonic() + self._patience, None
        while True:
            found = self._publisher.advance(id, lambda text: self._said.__setitem__(id, text))
            if found.problems or found.next is Step.NONE:
                return
            if found.state is before and (found.state is not State.TESTING or time.monotonic() > deadline):
                return
            if found.state is before:
                time.sleep(self._pause)
            if found.state in {State.PROPOSED, State.MERGED}:
                return
            before = found.state
