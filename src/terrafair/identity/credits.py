"""Credits and prices: integer milli-credits, and what a resource costs of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import NewType

from terrafair.errors import InvalidInput

MilliCredits = NewType("MilliCredits", int)
"""A thousandth of a credit; always whole, so that a ledger adds up to the last digit."""
MONTH_SECONDS = 30 * 86_400
GIGABYTE = 10**9


@dataclass(frozen=True, slots=True)
class Resources:
    """What was used, or will be."""

    cpu_seconds: float = 0.0
    memory_gb_seconds: float = 0.0
    """Gigabytes (10^9 bytes) of peak memory, times seconds."""
    storage_gb_months: float = 0.0
    egress_gb: float = 0.0

    def plus(self, other: "Resources") -> "Resources":
        """Both together."""
        return Resources(
            self.cpu_seconds + other.cpu_seconds,
            self.memory_gb_seconds + other.memory_gb_seconds,
            self.storage_gb_months + other.storage_gb_months,
            self.egress_gb + other.egress_gb,
        )

    @classmethod
    def of_job(cls, cpu_seconds: float, wall_seconds: float, peak_memory: int) -> "Resources":
        """From a job's measured usage; memory is in bytes."""
        return cls(cpu_seconds=cpu_seconds, memory_gb_seconds=peak_memory / GIGABYTE * wall_seconds)

    @classmethod
    def stored(cls, size: int, seconds: float) -> "Resources":
        """Bytes kept for some time."""
        return cls(storage_gb_months=size / GIGABYTE * seconds / MONTH_SECONDS)


@dataclass(frozen=True, slots=True)
class Prices:
    """Milli-credits per unit; the price list that operators set."""

    cpu_second: float = 0.02
    memory_gb_second: float = 0.005
    storage_gb_month: float = 20.0
    egress_gb: float = 50.0
    job: float = 1.0
    """For each job, whatever it does."""

    def __post_init__(self) -> None:
        """Refuse prices that would give credits away."""
        for name in ("cpu_second", "memory_gb_second", "storage_gb_month", "egress_gb", "job"):
            price = getattr(self, name)
            if not 0 <= price < 1e12:
                raise InvalidInput(f"The price {name} is {price}.", "A price is not negative.", "Mend the price list.")

    @classmethod
    def read(cls, settings: Mapping[str, object]) -> "Prices":
        """From a mapping of names to numbers; raises `InvalidInput` for an unknown name."""
        known = set(cls.__dataclass_fields__)
        for name, value in settings.items():
            if name not in known:
                raise InvalidInput(f"There is no price {name!r}.", remedy=f"Known: {', '.join(sorted(known))}.")
            if isinstance(value, bool) or not _number(value):
                raise InvalidInput(f"The price {name} is {value!r}.", "It takes a number.")
        return cls(**{name: float(str(value)) for name, value in settings.items()})

    def cost(self, used: Resources, *, jobs: int = 0) -> MilliCredits:
        """What it costs, rounded up to a whole milli-credit once, at the end."""
        # Exact: a sum of rounded floats would make two ways to the same bill differ by one.
        exact = (
            _exact(used.cpu_seconds) * _exact(self.cpu_second)
            + _exact(used.memory_gb_seconds) * _exact(self.memory_gb_second)
            + _exact(used.storage_gb_months) * _exact(self.storage_gb_month)
            + _exact(used.egress_gb) * _exact(self.egress_gb)
            + jobs * _exact(self.job)
        )
        return MilliCredits(ceil(exact))


def shown(amount: int) -> str:
    """An amount as people read it, in credits."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 1000)
    return f"{sign}{whole}.{rest:03d}".rstrip("0").rstrip(".") if rest else f"{sign}{whole}"


def _exact(value: float) -> Fraction:
    """As it is written: the float 0.1 is a little more than a tenth, and would cost a milli-credit more."""
    return Fraction(str(value))


def _number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True
