"""Whether the addresses that an entry names still answer; asked for by people, remembered for an hour."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field

from terrafair.errors import TerrafairError

KEPT_SECONDS = 3600.0
MOST_AT_ONCE = 8
MOST = 40
"""Links of one entry that are checked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one address."""

    works: bool
    says: str


@dataclass(slots=True)
class LinkCheck:
    """Checks addresses with the platform's own client, which reaches no private address."""

    get: Callable[[str], object]
    """Fetches a beginning of a document; raises a `TerrafairError` where there is none."""
    now: Callable[[], float] = time.monotonic
    _kept: dict[str, tuple[float, Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, addresses: Iterable[str]) -> dict[str, Answer]:
        """The answer of each."""
        todo = list(dict.fromkeys(addresses))[:MOST]
        with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
            return dict(
                zip(
                    todo,
                    pool.map(
                        lambda entry: entry[0].run(self._one, entry[1]), [(copy_context(), each) for each in todo]
                    ),
                    strict=True,
                )
            )

    def known(self, addresses: Iterable[str]) -> dict[str, Answer]:
        """What is remembered of them."""
        with self._lock:
            return {each: self._kept[each][1] for each in addresses if self._fresh(each)}

    def _fresh(self, address: str) -> bool:
        return address in self._kept and self.now() - self._kept[address][0] < KEPT_SECONDS

    def _one(self, address: str) -> Answer:
        with self._lock:
            if self._fresh(address):
                return self._kept[address][1]
        answer = self._ask(address)
        with self._lock:
            if len(self._kept) > 10_000:
                self._kept.clear()
            self._kept[address] = (self.now(), answer)
        return answer

    def _ask(self, address: str) -> Answer:
        try:
            self.get(address)
        except TerrafairError as error:
            if error.problem.code == "document-too-large":
                return Answer(True, "answers, with more than was read")
            return Answer(False, error.problem.what)
        return Answer(True, "answers")
