"""One line per event that an operator would act on: JSON for services, readable on a terminal."""

import io
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO, cast

from campaigns.printable import one_line, printable, without_numbers

if TYPE_CHECKING:
    import structlog  # with rich: 40 ms that a command which logs nothing does not need


def configure_logs(form: str = "auto", *, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send structlog's events to `stream` (standard error). `form`: `json`, `text` or `auto` (text on a terminal)."""
    import structlog

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
            show_errors,
            hide_control_characters,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard module. httpx writes whole URLs at INFO, and APScheduler a line per tick.
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Printable())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # A tick that takes longer than its interval is called once less: normal under load, and not worth a line.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    threading.excepthook = _thread_ended


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


OURS: Final = ("campaigns", "worker", "scheduler")
"""Packages whose errors speak in sentences of ours. The message of any other error may quote a text or a number: the
value that a database refused, the key that a dictionary does not have, the line that a parser did not understand."""

CODES: Final = ("sqlstate", "sqlite_errorname", "strerror")
"""What else is shown of errors that are not ours."""


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error and of its causes, without values of variables and without others' messages."""
    return "".join(_traceback(error, set())).removesuffix("\n")


def _traceback(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen:
        yield from _traceback(cause, seen)
        yield "\nThen:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{problem_of(error)}\n"
    for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if id(part) not in seen:
            yield "\nOne of them:\n\n"
            yield from _traceback(part, seen)


def problem_of(error: BaseException) -> str:
    """Return what a log may say of an error: its class, and its message if it is ours; otherwise its code."""
    kind = type(error)
    if kind.__module__.partition(".")[0] in OURS:
        says = without_numbers(str(error))
    else:
        says = next((str(code) for name in CODES if (code := getattr(error, name, None))), "")
    named = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{named}: {says}" if says else named


def show_errors(
    _logger: "structlog.typing.WrappedLogger", _name: str, event: "structlog.typing.EventDict"
) -> "structlog.typing.EventDict":
    """Replace `exc_info` by a traceback that may be logged."""
    given = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = given[1]
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        event["exception"] = traceback_of(error)
    return event


def _thread_ended(of: threading.ExceptHookArgs) -> None:
    """Log what ended a thread. Python would print it with its message."""
    if of.exc_value is not None and of.exc_type is not SystemExit:
        name = of.thread.name if of.thread is not None else ""
        get_logger().error("thread.failed", thread=name, exc_info=of.exc_value)


class _Printable(logging.Formatter):
    """Does the same as `show_errors` and `hide_control_characters`, for libraries."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        said = f"{record.levelname} {record.name}: {record.getMessage()}"
        if error is not None:  # asyncio quotes the error with its message in the lines below the first
            said = f"{said.partition(chr(10))[0]}\n{traceback_of(error)}"
        return printable(without_numbers(said))


def hide_control_characters(
    _logger: "structlog.typing.WrappedLogger", _name: str, event: "structlog.typing.EventDict"
) -> "structlog.typing.EventDict":
    """Escape control characters in file names and in servers' words, so that they do nothing on a reader's screen."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value) if key == "exception" else one_line(value)
    return event


def get_logger() -> "structlog.stdlib.BoundLogger":
    """Return a logger; bind `campaign`, `batch` and `attempt` to it."""
    import structlog

    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
