"""What a process serves at `/metrics`, as a scrape of Prometheus reads it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from worker import metrics


@dataclass(frozen=True)
class Scrape:
    """The families by their names, and the samples by name and labels."""

    text: str
    types: Mapping[str, str]
    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def total(self, name: str, **labels: str) -> float:
        """The sum over all samples of this name (without the prefix) that have these labels."""
        wanted = frozenset(labels.items())
        return sum(
            value for (found, has), value in self.samples.items() if found == metrics.PREFIX + name and wanted <= has
        )

    def labels(self, name: str, label: str) -> set[str]:
        """The values that a label has."""
        full = metrics.PREFIX + name
        return {value for found, has in self.samples if found == full for key, value in has if key == label}


def read(text: str) -> Scrape:
    """Read a page."""
    families: list[Any] = list(text_string_to_metric_families(text))
    types = {each.name + ("_total" if each.type == "counter" else ""): each.type for each in families}
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value for each in families for sample in each.samples
    }
    return Scrape(text, types, samples)


@contextmanager
def counting() -> Iterator[None]:
    """Count from nothing in this process, whatever door an earlier test opened, and count no more afterwards."""
    metrics.end()
    metrics.begin()
    try:
        yield
    finally:
        metrics.end()


def counted() -> Scrape:
    """What this process would serve."""
    return read(metrics.page()[0].decode())


def scrape(url: str) -> Scrape:
    """Ask a process."""
    with urlopen(f"{url}/metrics", timeout=10) as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return read(reply.read().decode())
