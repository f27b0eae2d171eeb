"""Replies that are wrong, whatever happened to the request."""

import json
from email.utils import formatdate
from typing import Final

from worker.sandbox.envelope import failure, success
from worker.sandbox.errors import ApiError
from worker.sandbox.exchange import PATHS, Reply, RequestKind
from worker.sandbox.faults.case import Case

HTML: Final = "text/html; charset=UTF-8"
PAGE: Final = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"

CLIENT_ERRORS: Final = {400: "Bad Request", 408: "Request Timeout", 409: "Conflict", 422: "Unprocessable Content"}
SERVER_ERRORS: Final = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
UNKNOWN_TEXTS: Final = (
    "Something went wrong. Please try again.",
    "Die Nachricht konnte nicht verarbeitet werden.",
    "Si è verificato un errore imprevisto.",
    "Une erreur est survenue, veuillez réessayer.",
    "No se pudo completar la operación.",
    "Произошла ошибка базы данных.",
    "データベースに接続できません。",
    "حدث خطأ ما",
    "SQLSTATE[HY000]: General error: 2006 MySQL server has gone away",
    "",
)
OTHER_JSON: Final[tuple[object, ...]] = (
    None,
    [],
    "ok",
    42,
    {"status": "ok"},
    {"message": "Server Error"},
    {"success": "maybe", "data": {}, "error": None},
    {"data": {"messages": []}, "error": None},
)
NO_MESSAGES: Final[tuple[dict[str, object], ...]] = ({"messages": []}, {"messages": None}, {})


def page(status: int, title: str) -> Reply:
    """Return a web server's own page."""
    return Reply(PAGE.format(f"{status} {title}").encode(), status, HTML)


def refusal(code: int, text: str) -> Reply:
    """Return `success: false`, HTTP 200."""
    return Reply(failure(ApiError(code, text)))


def client_error(case: Case) -> Reply:
    status = case.random.choice(list(CLIENT_ERRORS))
    return page(status, CLIENT_ERRORS[status])


def server_error(case: Case) -> Reply:
    status = case.random.choice(list(SERVER_ERRORS))
    return page(status, SERVER_ERRORS[status])


def failure_unknown(case: Case) -> Reply:
    return refusal(500, case.random.choice(UNKNOWN_TEXTS))


def html(case: Case) -> Reply:  # noqa: ARG001 - every reply is made alike
    return Reply(PAGE.format("Down for maintenance").encode(), content_type=HTML)


def empty(case: Case) -> Reply:  # noqa: ARG001 - every reply is made alike
    return Reply(b"", content_type=HTML)


def other_json(case: Case) -> Reply:
    return Reply(json.dumps(case.random.choice(OTHER_JSON)).encode())


def no_messages(case: Case) -> Reply:
    return Reply(success(case.random.choice(NO_MESSAGES)))


def only_credits(case: Case) -> Reply:
    return Reply(success({"credits": case.random.choice((None, 0, 250, "999.5"))}))


def dropped(case: Case) -> Reply:  # noqa: ARG001 - every reply is made alike
    return Reply(b"", is_dropped=True)


def credits_gone(case: Case) -> Reply:  # noqa: ARG001 - every reply is made alike
    return refusal(500, "You have insufficient credits to send these messages.")


def throttled(case: Case, form: str) -> Reply:
    """Return a 429 with a `Retry-After` in seconds, as an HTTP date, as garbage, or without one."""
    seconds = case.times.retry_after_seconds
    values = {
        "seconds": str(seconds),
        "date": formatdate(case.draw.at + seconds, usegmt=True),
        "garbage": case.random.choice(("soon", "-5", "1e9999", "Sun, 32 Foo 2026 99:99:99 GMT", "２")),
    }
    headers = (("retry-after", values[form]),) if form in values else ()
    refused = page(429, "Too Many Requests")
    return Reply(refused.body, refused.status, refused.content_type, headers)


def redirect(case: Case, status: int) -> Reply:
    """Return a redirect to the same service: a client that follows a 307 posts twice."""
    wanted = RequestKind.SEND if case.request.kind is RequestKind.BALANCE else case.request.kind
    path = next(path for path, kind in PATHS.items() if kind is wanted)
    moved = page(status, "Moved")
    return Reply(moved.body, moved.status, moved.content_type, (("location", path),))
