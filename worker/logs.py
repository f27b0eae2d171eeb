"""One line an event that an operator would act on: JSON for services, readable on a terminal."""

import logging
import re
import sys
from typing import TextIO

import structlog


def configure_logs(form: str = "auto", *, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send structlog's events to `stream` (standard error). `form`: `json`, `text` or `auto` (text on a terminal)."""
    out = stream or sys.stderr
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
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard module. httpx writes whole URLs at INFO and APScheduler a line per tick.
    logging.basicConfig(stream=out, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", force=True)
    # A tick that takes longer than its interval is called once less: normal under load, and no news for anybody.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


_LONG_NUMBER = re.compile(r"\+?\d{7,}")


def mask_numbers(
    _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Take phone numbers out of a traceback: a database quotes the values that broke a constraint."""
    if "exception" in event:
        event["exception"] = _LONG_NUMBER.sub("[number]", str(event["exception"]))
    return event


def get_logger() -> structlog.stdlib.BoundLogger:
    """A logger; bind `campaign`, `batch` and `attempt` to it."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
