"""Traces: spans of plans, requests, reads and ticks, by OpenTelemetry.

Without an address to send them to (`OTEL_EXPORTER_OTLP_ENDPOINT`), or without the extra `[otel]`, nothing is imported,
and a span is one shared object that does nothing. A span holds the names and ids of campaign, run and batch, and
counts: never a number, a text or a key, and of an error only its class.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from worker.logs import get_logger

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

WORDS: Final = frozenset({"campaign", "tick", "call", "outcome"})
"""The only facts that are words; all others are numbers. A text that is passed by mistake is left out."""


class Note(Protocol):
    """Adds facts to a span: words of `WORDS`, and counts and ids."""

    def __call__(self, **facts: int | str) -> None: ...


def _ignore(**_facts: int | str) -> None:
    pass


_NOTHING: Final[AbstractContextManager[Note]] = nullcontext(_ignore)
_tracer: "Tracer | None" = None


def begin() -> None:
    """Send traces from now on, if the environment says where to."""
    if _tracer is None and any(os.environ.get(name) for name in ENDPOINTS):
        try:
            use(_exporting())
        except ImportError:
            advice = "install the extra: pip install 'sms-campaign-worker[otel]'"
            get_logger().warning("traces.not_sent", problem="OpenTelemetry is not installed", advice=advice)


def use(provider: "TracerProvider | None") -> None:
    """Make spans with this provider; None: make none."""
    global _tracer
    _tracer = None if provider is None else provider.get_tracer("campaigns")


def span(name: str, **facts: int | str) -> AbstractContextManager[Note]:
    """Make a span of the block, which may note more facts."""
    return _NOTHING if _tracer is None else _recorded(_tracer, name, facts)


@contextmanager
def _recorded(tracer: "Tracer", name: str, facts: Mapping[str, int | str]) -> Iterator[Note]:
    # Not recorded by the library: the message of an error may hold what no trace may.
    with tracer.start_as_current_span(
        name, attributes=_named(facts), record_exception=False, set_status_on_exception=False
    ) as made:

        def note(**more: int | str) -> None:
            made.set_attributes(_named(more))

        try:
            yield note
        except Exception as error:
            made.set_attribute("error.type", type(error).__name__)
            raise


def _named(facts: Mapping[str, int | str]) -> dict[str, int | str]:
    return {f"campaigns.{name}": value for name, value in facts.items() if name in WORDS or not isinstance(value, str)}


def _exporting() -> "TracerProvider":
    """Return a provider that sends spans as the variables of OpenTelemetry say. Raises `ImportError`."""
    otlp: Any = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    sdk: Any = import_module("opentelemetry.sdk.trace")
    export: Any = import_module("opentelemetry.sdk.trace.export")
    resources: Any = import_module("opentelemetry.sdk.resources")
    name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "campaigns"}
    provider: TracerProvider = sdk.TracerProvider(resource=resources.Resource.create(name))
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))  # type: ignore[attr-defined]  # of the SDK
    return provider
