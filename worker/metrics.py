"""What is measured: one table of all metrics, and the few functions by which a process counts.

A process that serves no metrics counts nothing, and does not load the library. What is counted is counted after its
transaction has committed. No label holds a person, a text or an id that grows without end.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from threading import Lock
from typing import Any, Final

from campaigns.lifecycle import RecipientState
from campaigns.money.amounts import MILLIONTHS
from campaigns.optout.results import Meaning

PREFIX: Final = "campaigns_"

MOST_CAMPAIGNS: Final = 100
"""Campaigns with metrics of their own, the last to begin first."""

MOST_VALUES: Final[Mapping[str, int]] = {"device": 10_000, "target": 100}
"""How many values such a label has in one process; each further one is `OTHER`. A gateway could name any device."""

MOST_SERIES: Final = 10_000
"""How many values a gauge has at most."""

OTHER: Final = "other"

NO_DEVICE: Final = "unknown"
"""The device of a text that the gateway names none for."""


class MetricType(StrEnum):
    """As Prometheus calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name without `PREFIX`, in base units. `buckets`: the upper bounds of a histogram, in seconds."""

    name: str
    type: MetricType
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name that is served."""
        return PREFIX + self.name


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, MetricType.COUNTER, labels, meaning)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, MetricType.GAUGE, labels, meaning)


def _histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(name, MetricType.HISTOGRAM, labels, meaning, buckets)


_QUICK: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_FEW: Final = (5.0, 30.0, 120.0, 600.0, 3600.0, 14400.0)
_LONG: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)

# What a process does.
TEXTS = _counter(
    "texts_total",
    "Texts that reached a state: a text is first accepted, then perhaps delivered.",
    "kind",
    "device",
    "result",
)
SEGMENTS = _counter("segments_total", "SMS segments of texts that the gateway accepted.", "kind", "device")
SPEND = _counter(
    "spend_total", "Money that texts cost which the gateway accepted; no samples without prices.", "currency", "device"
)
LATENESS = _histogram("lateness_seconds", "From when a text was due until the gateway had it.", _LONG, "kind")
RECEIPT_DELAY = _histogram(
    "receipt_delay_seconds", "From when the gateway had a text until it was delivered.", _FEW, "device"
)
STOP_TO_SILENCE = _histogram(
    "stop_to_silence_seconds", "From when STOP reached the gateway until no text can go to that person.", _LONG
)
GATEWAY_REQUESTS = _histogram(
    "gateway_request_duration_seconds",
    "How long requests to the gateway took, without the wait for a slot.",
    _QUICK,
    "call",
    "outcome",
)
IN_DOUBT = _counter("in_doubt_total", "Requests whose outcome had to be looked up.")
SETTLED = _counter("settled_total", "Requests in doubt that were settled, by verdict.", "as")
LATE_ARRIVALS = _counter("late_arrivals_total", "Requests given up as lost that reached the gateway after all.")
REPLIES = _counter("replies_total", "Replies that were stored, by meaning.", "meaning")
OPT_OUTS = _counter("opt_outs_total", "Numbers added to the list of opt-outs.")
TICK_DELAY = _histogram("scheduler_tick_delay_seconds", "By how much the scheduler's ticks were late.", _QUICK)
MOMENTS_MISSED = _counter("moments_missed_total", "Moments of repeating campaigns, and texts, that were missed.")
CALLS_OUT = _counter("calls_out_total", "Notifications, by host and outcome.", "target", "outcome")
TROUBLES = _gauge("troubles", "1 while the process has this trouble with a server.", "trouble")
BUILD_INFO = _gauge("build_info", "The running version; always 1.", "version", "python")

# Facts of the database, from the process that runs the clock.
RECIPIENTS = _gauge("recipients", "Recipients of campaigns that have begun and are not over.", "campaign", "state")
OLDEST = _gauge("oldest_seconds", "How long the oldest text in this state has been waiting.", "state")
RATE_USED = _gauge("rate_used_ratio", "The share of a rate used in its last window.", "limit")
BUDGET_LEFT = _gauge("budget_left_ratio", "The share of a budget left in its period.", "limit", "period")
MONEY_LEFT = _gauge("money_left_ratio", "The share of a budget of money left in its period.", "limit", "period")
PRICES_UNUSABLE = _gauge("prices_unusable", "1 while the file of prices cannot be used.")
DEVICE_WAITING = _gauge("device_waiting", "Texts that a phone has not sent yet.", "device")
DEVICE_OLDEST = _gauge("device_oldest_seconds", "How long the oldest of them has been waiting.", "device")
DEVICE_STUCK = _gauge("device_stuck", "1 while a phone has texts waiting and sends none.", "device")
DEVICE_PEOPLE = _gauge(
    "device_people_ratio", "The share of its people of this month that a phone has texted, by any name.", "device"
)
ACCOUNT_PAUSED = _gauge("account_paused", "1 while nothing is sent through the gateway's account.")
CREDITS = _gauge("credits", "Credits left in the gateway's account, if it has a limit.")
LEASE_AGE = _gauge("lease_age_seconds", "How long ago the right to run the clock was last renewed.")
REPLICA_LAG = _gauge("replica_lag_seconds", "How far the database's replica is behind; 0: it has everything.")
QUEUE_MESSAGES = _gauge("queue_messages", "Requests in the queue, or taken from it and not finished.")
VIOLATIONS = _counter("ledger_invariant_violations_total", "Runs whose counts did not add up when they were checked.")

AT_ONCE: Final[Mapping[str, tuple[str, ...]]] = {
    SETTLED.name: ("accepted", "missed", "held", "failed"),
    REPLIES.name: tuple(meaning.value for meaning in Meaning),
    CALLS_OUT.name: ("delivered", "failed", "given_up"),
}
"""Values of a counter's last label that are served from the start, at 0: `increase` does not see a series that begins
with 1. The outcomes of a target begin with its first call."""

OWN: Final = (BUILD_INFO.name, TROUBLES.name)
"""The gauges that are of the process, and no facts of the database."""

METRICS: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Metric))
"""Every metric that is served. deploy/METRICS.md describes them, and a test compares the two."""


Labels = tuple[str, ...]


class _Registry:
    """The metrics of one process."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
        from prometheus_client import Counter as CounterMetric

        disable_created_metrics()  # type: ignore[no-untyped-call]  # twice as many series, which nobody asks for
        self.registry = CollectorRegistry(auto_describe=False)
        self.counted: dict[str, Any] = {}
        self.gauges: dict[str, Mapping[Labels, float]] = {}
        self.seen: dict[str, set[str]] = {label: set() for label in MOST_VALUES}
        for each in METRICS:
            if each.type is MetricType.COUNTER:
                made: Any = CounterMetric(each.full_name, each.meaning, each.labels, registry=self.registry)
            elif each.type is MetricType.HISTOGRAM:
                made = Histogram(
                    each.full_name, each.meaning, each.labels, registry=self.registry, buckets=each.buckets
                )
            else:
                continue
            self.counted[each.name] = made
            if len(each.labels) == 1:
                self._begin(each, ())
        self.registry.register(self)  # for the gauges, which are replaced as a whole

    def collect(self) -> Iterator[Any]:
        """Yield the gauges, as Prometheus's library asks for them."""
        from prometheus_client.core import GaugeMetricFamily

        for each in METRICS:
            if each.type is MetricType.GAUGE:
                family = GaugeMetricFamily(each.full_name, each.meaning, labels=each.labels)
                for labels, value in self.gauges.get(each.name, {}).items():
                    family.add_metric(labels, value)
                yield family

    def child(self, metric: Metric, labels: Sequence[str]) -> Any:
        counted = self.counted[metric.name]
        if not metric.labels:
            return counted
        bounded = [self._bounded(*each) for each in zip(metric.labels, labels, strict=True)]
        self._begin(metric, bounded[:-1])
        return counted.labels(*bounded)

    def _begin(self, metric: Metric, labels: Sequence[str]) -> None:
        for value in AT_ONCE.get(metric.name, ()):
            self.counted[metric.name].labels(*labels, value)

    def _bounded(self, label: str, value: str) -> str:
        seen = self.seen.get(label)
        if seen is None or value in seen:
            return value
        if len(seen) >= MOST_VALUES[label]:
            return OTHER
        seen.add(value)
        return value


_on: _Registry | None = None
_lock: Final = Lock()


def begin() -> None:
    """Count from now on: this process serves its metrics. Harmless if it does so already."""
    global _on
    from importlib.metadata import version
    from platform import python_version

    with _lock:
        if _on is None:
            _on = _Registry()
            set_gauge(BUILD_INFO, {(version("sms-campaign-worker"), python_version()): 1})


def end() -> None:
    """Forget what was counted, and count no more."""
    global _on
    _on = None


def is_on() -> bool:
    """Return whether anything is counted."""
    return _on is not None


def page() -> tuple[bytes, str]:
    """Return everything in Prometheus's text format, and its media type."""
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

    if _on is None:
        return b"", CONTENT_TYPE_PLAIN_0_0_4
    return generate_latest(_on.registry), CONTENT_TYPE_PLAIN_0_0_4


def count(metric: Metric, *labels: str, amount: float = 1) -> None:
    """Add to a counter."""
    if _on is not None and amount > 0:
        _on.child(metric, labels).inc(amount)


def observe(metric: Metric, seconds: float, *labels: str) -> None:
    """Add a duration to a histogram; a negative one, of a clock that was set, counts as none."""
    if _on is not None:
        _on.child(metric, labels).observe(max(0.0, seconds))


def set_gauge(metric: Metric, values: Mapping[Labels, float]) -> None:
    """Replace all values of a gauge, by their labels."""
    if _on is not None:
        _on.gauges[metric.name] = dict(islice(values.items(), MOST_SERIES))


def values(metric: Metric) -> Mapping[Labels, float]:
    """Return the values of a gauge, by their labels."""
    return _on.gauges.get(metric.name, {}) if _on is not None else {}


def forget_facts() -> None:
    """Serve no facts of the database any more: another process runs the clock, and serves them."""
    if _on is not None:
        _on.gauges = {name: values for name, values in _on.gauges.items() if name in OWN}


def device_label(device: int | None) -> str:
    """Return a device as a label."""
    return NO_DEVICE if device is None else str(device)


def count_texts(kind: str, state: RecipientState, device: int | None, texts: int) -> None:
    """Count texts of one device that came to a state; None: nobody knows the device."""
    count(TEXTS, kind, device_label(device), state.value, amount=texts)


def count_spent(currency: str, costs: Iterable[tuple[int | None, int]]) -> None:
    """Count what texts cost that the gateway has, each as (device, millionths)."""
    for device, millionths in costs:
        count(SPEND, currency, device_label(device), amount=millionths / MILLIONTHS)


def count_accepted(kind: str, texts: Iterable[tuple[int | None, int]]) -> None:
    """Count texts that the gateway has, each as (device, segments)."""
    if _on is None:
        return
    by_device: dict[int | None, list[int]] = defaultdict(list)
    for device, segments in texts:
        by_device[device].append(segments)
    for device, lengths in by_device.items():
        count_texts(kind, RecipientState.ACCEPTED, device, len(lengths))
        count(SEGMENTS, kind, device_label(device), amount=sum(lengths))
