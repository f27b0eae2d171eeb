"""Faults for a real process (`victim --patch`): errors that have numbers in their words, and more around them."""

import sys
from typing import Any, Final, NoReturn

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from scheduler.ticks import table
from scheduler.web.api.routes import installation
from worker import tracing

NUMBER: Final = "+393331000777"
TEXT: Final = "Markedtext in a frame"


class PlantedError(Exception):
    """What no code of ours expects."""


def _fails(*_: Any, **__: Any) -> NoReturn:
    text = TEXT
    raise PlantedError(f"the row of {NUMBER} is broken ({len(text)} characters)")


def break_things() -> None:
    """Make a tick and a route fail, and print every trace to standard output."""
    table.probe = _fails  # type: ignore[attr-defined]  # a fault in a whole process is what is asked for
    installation.read_all_held = _fails  # type: ignore[attr-defined]  # as above
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stdout)))
    tracing.use(provider)
