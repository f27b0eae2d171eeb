"""The registry: every metric of the table, bounded labels, nothing where nothing is served."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from campaigns.lifecycle import RecipientState
from tests.support.scraping import counted, counting
from worker import metrics
from worker.metrics import METRICS, MOST_SERIES, MOST_VALUES, OTHER, MetricType


@pytest.fixture(autouse=True)
def serving() -> Iterator[None]:
    with counting():
        yield


def test_a_page_has_every_metric_from_the_start() -> None:
    assert {each.full_name: each.type for each in METRICS} == counted().types
    assert len({each.name for each in METRICS}) == len(METRICS)


def test_names_are_in_base_units() -> None:
    assert {
        each.name for each in METRICS if each.type is MetricType.COUNTER and not each.name.endswith("_total")
    } == set()
    assert {
        each.name for each in METRICS if each.type is MetricType.HISTOGRAM and not each.name.endswith("_seconds")
    } == set()
    assert all(each.buckets == tuple(sorted(each.buckets)) for each in METRICS)


def test_a_gateway_cannot_make_labels_without_end() -> None:
    for device in range(MOST_VALUES["device"] + 50):
        metrics.count_texts("marketing", RecipientState.SENT, device, 1)

    devices = counted().labels("texts_total", "device")
    assert len(devices) == MOST_VALUES["device"] + 1
    assert counted().total("texts_total", device=OTHER) == 50
    metrics.set_gauge(metrics.DEVICE_STUCK, {(str(device),): 0 for device in range(MOST_SERIES + 50)})
    assert len(counted().labels("device_stuck", "device")) == MOST_SERIES


def test_facts_go_with_the_lead_and_counts_stay() -> None:
    metrics.set_gauge(metrics.ACCOUNT_PAUSED, {(): 1})
    metrics.count(metrics.IN_DOUBT)
    metrics.forget_facts()

    seen = counted()
    assert (seen.total("account_paused"), seen.total("in_doubt_total"), seen.total("build_info")) == (0, 1, 1)
    assert seen.labels("build_info", "version")


def test_a_process_that_serves_none_does_not_load_the_library() -> None:
    code = (
        "import sys, scheduler.processes.services.clock; print([m for m in sys.modules if m.startswith('prometheus')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
