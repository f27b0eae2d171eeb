"""Traces: plans, requests, reads and ticks, with ids and counts, and never a person."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from scheduler.loop import Clockwork
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import Answers, Send, Stores
from worker import tracing


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Where all spans of this process end up."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


def test_spans_tell_what_was_done_and_to_whom_in_no_case(bench: Installation, spans: InMemorySpanExporter) -> None:
    bench.gateway.script.append(Send(Answers.BAD_FORMAT, Stores.NONE))
    run_id = bench.campaign(4, text="Marked-text {{ first_name }}")
    bench.finish(run_id)
    clockwork = Clockwork(bench.runtime, [tick for tick in bench.ticks.all if tick.is_first], bench.ticks.rush)
    clockwork.start()
    clockwork.stop()

    made = spans.get_finished_spans()
    told = {span.name: dict(span.attributes or {}) for span in made if span.name != "request"}
    requests = [dict(span.attributes or {}) for span in made if span.name == "request"]
    assert {span.name for span in made} == {"plan", "request", "read", "tick"}
    assert told["plan"] == {"campaigns.campaign": "sale", "campaigns.run": run_id, "campaigns.recipients": 4}
    assert told["tick"]["campaigns.tick"] == "replies"
    assert told["read"]["campaigns.call"] == "read"
    assert requests[0] == {
        "campaigns.campaign": "sale",
        "campaigns.run": run_id,
        "campaigns.batch": bench.batches(run_id)[0].id,
        "campaigns.recipients": 4,
        "campaigns.outcome": "in_doubt",
    }
    whole = " ".join(span.to_json() for span in made)
    assert [word for word in ("+39333", "Marked-text", "N0", "sms.example", '"k"') if word in whole] == []


def test_an_error_leaves_its_class_and_not_what_it_says(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError), tracing.span("read", call="read", said="+393331234567"):
        raise ValueError("+393331234567")
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {"campaigns.call": "read", "error.type": "ValueError"}
    assert "+39333" not in span.to_json()


def test_without_an_address_nothing_is_imported_and_without_the_extra_it_is_said() -> None:
    code = (
        "import sys; from worker import tracing; tracing.begin(); s = tracing.span('tick', tick='a');"
        "print(s is tracing.span('read'), [m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    for more in ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}):
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**plain, **more}
        )
        assert "True " in ended.stdout
        assert ("[otel]" in ended.stdout) is bool(more)
        assert more or ended.stdout == "True []\n"
