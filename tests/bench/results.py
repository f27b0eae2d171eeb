"""What was measured, and how the figures are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

MEBIBYTE: Final = 2**20


class BenchError(Exception):
    """A measurement that measured something else than it should: its figures would be wrong."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One plan, from the file to the database. `peak_bytes`: the most memory that its process had resident.

    `cpu_seconds` are those of its process alone: what stays comparable when the machine has other work.
    """

    database: str
    recipients: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int

    @property
    def per_second(self) -> float:
        return self.recipients / self.seconds

    def to_json(self) -> Mapping[str, object]:
        return {
            "database": self.database, "recipients": self.recipients, "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3), "recipients_per_second": round(self.per_second),
            "peak_mib": round(self.peak_bytes / MEBIBYTE, 1),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """Repetitions of one campaign, sent by the product and by a bare loop in turns; in seconds."""

    batch_size: int
    recipients: int
    product_seconds: tuple[float, ...]
    bare_seconds: tuple[float, ...]

    @property
    def product_per_second(self) -> float:
        return self.recipients / median(self.product_seconds)

    @property
    def bare_per_second(self) -> float:
        return self.recipients / median(self.bare_seconds)

    @property
    def ratio(self) -> float:
        """The product's speed in units of the bare loop's, from the medians of both."""
        return self.product_per_second / self.bare_per_second

    @property
    def ratios(self) -> tuple[float, ...]:
        """The same for each repetition."""
        pairs = zip(self.bare_seconds, self.product_seconds, strict=True)
        return tuple(bare / product for bare, product in pairs)

    def to_json(self) -> Mapping[str, object]:
        return {
            "batch_size": self.batch_size, "recipients": self.recipients,
            "product_recipients_per_second": round(self.product_per_second),
            "bare_recipients_per_second": round(self.bare_per_second),
            "ratio": round(self.ratio, 3), "ratios": [round(ratio, 3) for ratio in self.ratios],
        }  # fmt: skip
