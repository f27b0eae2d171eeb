"""What was measured, and what the figures are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from statistics import median
from typing import Final

MEBIBYTE: Final = 2**20


class BenchError(Exception):
    """A measurement did not measure what it should: its figures would be wrong."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One plan, from the file to the database. `peak_bytes` is the peak resident memory of its process.

    `cpu_seconds` are those of its process alone: they stay comparable when the machine has other work.
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
class Timed:
    """A plan over several zones: when it expected its first and last text, and when the last one got its slot."""

    planned: Planned
    zones: int
    first_send_at: datetime
    forecast_last_at: datetime
    simulated_last_at: datetime

    @property
    def deviation(self) -> float:
        """How far the forecast is off, as a share of the time that sending takes."""
        took = self.simulated_last_at - self.first_send_at
        return abs(self.forecast_last_at - self.simulated_last_at) / took

    def to_json(self) -> Mapping[str, object]:
        return {
            **self.planned.to_json(), "zones": self.zones, "first_send_at": self.first_send_at.isoformat(),
            "forecast_last_at": self.forecast_last_at.isoformat(),
            "simulated_last_at": self.simulated_last_at.isoformat(), "deviation": round(self.deviation, 6),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exported:
    """One export as CSV, and a bare loop over the same rows. `peak_bytes` is the peak memory of its process.

    `cpu_seconds` are those of its process alone: they stay comparable when the machine has other work.
    """

    database: str
    recipients: int
    seconds: float
    cpu_seconds: float
    bare_seconds: float
    bare_cpu_seconds: float
    peak_bytes: int

    @property
    def per_second(self) -> float:
        return self.recipients / self.seconds

    @property
    def ratio(self) -> float:
        """The product's speed as a multiple of the bare loop's, by CPU time."""
        return self.bare_cpu_seconds / self.cpu_seconds

    def to_json(self) -> Mapping[str, object]:
        return {
            "database": self.database, "recipients": self.recipients, "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3), "recipients_per_second": round(self.per_second),
            "bare_seconds": round(self.bare_seconds, 3), "bare_cpu_seconds": round(self.bare_cpu_seconds, 3),
            "ratio": round(self.ratio, 3), "peak_mib": round(self.peak_bytes / MEBIBYTE, 1),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """Repetitions of one campaign, sent alternately by the product and by a bare loop; in seconds."""

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
        """The product's speed as a multiple of the bare loop's, from the medians of both."""
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


@dataclass(frozen=True, slots=True)
class Lived:
    """A campaign from its file to the end of every text, in one `campaigns run`, and an export of it.

    `reads` of the gateway. Peaks are of resident memory. `database_bytes`: the database's pages at the end, unpacked.
    """

    people: int
    reads: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    export_peak_bytes: int
    database_bytes: int

    @property
    def microseconds_a_person(self) -> float:
        """Of processor time."""
        return self.cpu_seconds / self.people * 1e6

    @property
    def bytes_a_text(self) -> float:
        """Of the database, with everything that it keeps: rows, indexes, groups, requests."""
        return self.database_bytes / self.people

    def to_json(self) -> Mapping[str, object]:
        return {
            "people": self.people, "reads": self.reads, "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1), "cpu_us_a_person": round(self.microseconds_a_person, 1),
            "peak_mib": round(self.peak_bytes / MEBIBYTE, 1),
            "export_peak_mib": round(self.export_peak_bytes / MEBIBYTE, 1),
            "bytes_a_text": round(self.bytes_a_text, 1),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Paced:
    """How a limit was kept. `attained` is the share of it that was used.

    The fullest windows of 1, 10 and 60 s, in segments: `allowed` (None: no limit of that length), `granted` by the
    throttle's own timestamps (empty if there are none) and `arrived` by the gateway's ledger.
    """

    what: str
    attained: float
    allowed: tuple[int | None, ...]
    granted: tuple[int, ...]
    arrived: tuple[int, ...]
    spread_seconds: float | None = None  # how much requests' times from slot to gateway differed

    @property
    def is_exact(self) -> bool:
        """Return whether the throttle's timestamps never exceed the limit."""
        return all(most is None or got <= most for most, got in zip(self.allowed, self.granted, strict=True))

    def to_json(self) -> Mapping[str, object]:
        return {
            "what": self.what, "attained": round(self.attained, 4), "windows_seconds": [1, 10, 60],
            "allowed": self.allowed, "granted": self.granted, "arrived": self.arrived,
            "spread_seconds": self.spread_seconds and round(self.spread_seconds, 4),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scaled:
    """One way to send the same campaign; in seconds from its start to the last recorded acceptance."""

    what: str
    recipients: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.recipients / self.seconds

    def to_json(self) -> Mapping[str, object]:
        return {"what": self.what, "recipients": self.recipients, "recipients_per_second": round(self.per_second)}


@dataclass(frozen=True, slots=True)
class Started:
    """One command: the least processor time of its process, as a multiple of `import sqlalchemy` in the same rounds."""

    what: str
    cpu_seconds: float
    ratio: float
    target_seconds: float | None = None

    def to_json(self) -> Mapping[str, object]:
        return {"what": self.what, "cpu_seconds": round(self.cpu_seconds, 3), "ratio": round(self.ratio, 2)}


@dataclass(frozen=True, slots=True)
class Idled:
    """A service without any work. `most_share`: of a core, its target."""

    what: str
    seconds: float
    cpu_seconds: float
    most_share: float | None = None

    @property
    def share(self) -> float:
        """The share of one core."""
        return self.cpu_seconds / self.seconds

    def to_json(self) -> Mapping[str, object]:
        return {"what": self.what, "idle_share_of_a_core": round(self.share, 4)}


@dataclass(frozen=True, slots=True)
class Waited:
    """Campaigns that waited for the same moment: what the waiting cost, and how late the first text of each was."""

    what: str
    campaigns: int
    idle_seconds: float
    idle_cpu_seconds: float
    delays_seconds: tuple[float, ...]

    @property
    def idle_share(self) -> float:
        """The share of one core."""
        return self.idle_cpu_seconds / self.idle_seconds

    def delay_seconds(self, share: float) -> float:
        """The time within which this share of the campaigns had begun."""
        return sorted(self.delays_seconds)[ceil(share * len(self.delays_seconds)) - 1]

    def to_json(self) -> Mapping[str, object]:
        return {
            "what": self.what, "campaigns": self.campaigns, "idle_share_of_a_core": round(self.idle_share, 4),
            "first_request_p50_seconds": round(self.delay_seconds(0.5), 3),
            "first_request_p99_seconds": round(self.delay_seconds(0.99), 3),
        }  # fmt: skip
