"""One line per event that an operator would act on: JSON for services, readable on a terminal."""

import io
import logging
import os
import re
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

from campaigns.printable import one_line, printable


def configure_logs(form: str = "auto", *, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send structlog's events to `stream` (standard error). `form`: `json`, `text` or `auto` (text on a terminal)."""
    out = cast("TextIO", Steady(stream or sys.stderr))
    readable = form == "text" or (form == "auto" and out.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # format_exc_info prints a traceback without the values of local variables: they hold numbers and texts.
            structlog.processors.format_exc_info,
            mask_numbers,
            hide_control_characters,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard module. httpx writes whole URLs at INFO, and APScheduler a line per tick.
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Printable("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # A tick that takes longer than its interval is called once less: normal under load, and not worth a line.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


class Steady(io.TextIOBase):
    """A stream that drops what it cannot write: a log that is full, or that nobody reads any more, must stop nothing.

    `stream`: None if the process was started without one.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if self._stream is not None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def _lose(self, error: Exception) -> None:
        if self._stream is None or not isinstance(error, BrokenPipeError):
            return
        # Python would try to write the rest of its buffer again when it ends, and exit with 120.
        with suppress(OSError, ValueError):
            nobody = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nobody, self._stream.fileno())
            os.close(nobody)


_LONG_NUMBER = re.compile(r"\+?\d{7,}")


def mask_numbers(
    _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Remove phone numbers from a traceback: a database quotes the values that broke a constraint."""
    if "exception" in event:
        event["exception"] = _LONG_NUMBER.sub("[number]", str(event["exception"]))
    return event


class _Printable(logging.Formatter):
    """Does the same as `hide_control_characters`, for libraries."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def hide_control_characters(
    _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape control characters in file names and in servers' words, so that they do nothing on a reader's screen."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value) if key == "exception" else one_line(value)
    return event


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return a logger; bind `campaign`, `batch` and `attempt` to it."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
