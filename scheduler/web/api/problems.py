"""Errors as RFC 9457 problems: the sentence that the command line prints, and a code for programs."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from campaigns.problems import CampaignFileError, Problem
from scheduler.actions.refusals import Refusal, Refused
from scheduler.inbox.foreign import OfAnotherInstallation
from scheduler.inbox.uploads import UploadsAway
from scheduler.intake.outcome import EditRefused
from scheduler.web.access import CrossSite
from worker.gateway.errors import GatewayError
from worker.logs import get_logger
from worker.settings.settings import SettingsError
from worker.store.errors import STORE_FAILS, StoreError

MEDIA_TYPE: Final = "application/problem+json"

RETRY_SECONDS: Final = 5
"""When to ask again a server that could not reach its database."""


class Fault(StrEnum):
    """What is wrong with a call itself. What an action refuses has the codes of `Refusal`."""

    NOT_SIGNED_IN = "not_signed_in"
    NOT_ALLOWED = "not_allowed"
    CROSS_SITE = "cross_site"  # made by a browser on behalf of another site
    MISDIRECTED = "misdirected"  # called under a name that is not ours
    TOO_MANY = "too_many"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    NO_CONDITION = "no_condition"  # the header If-Match is missing
    GATEWAY_FAILED = "gateway_failed"
    UNAVAILABLE = "unavailable"
    INTERNAL_ERROR = "internal_error"


STATUSES: Final[Mapping[str, int]] = {
    Refusal.NOTHING_YET: 404,
    Refusal.UNKNOWN_CAMPAIGN: 404,
    Refusal.UNKNOWN_RUN: 404,
    Refusal.UNKNOWN_REPLY: 404,
    Refusal.UNKNOWN_CALL: 404,
    Refusal.UNKNOWN_USER: 404,
    Refusal.UNKNOWN_TOKEN: 404,
    Refusal.UNKNOWN_ACCOUNT: 404,
    Refusal.UNKNOWN_MESSAGE: 404,
    Refusal.KEY_REUSED: 422,
    Refusal.FORBIDDEN: 403,
    Refusal.QUOTA_SPENT: 429,
    Refusal.WRONG_STATE: 409,
    Refusal.OTHER_PLAN: 412,
    Refusal.ACCOUNT_STOPPED: 409,
    Refusal.OPTED_OUT: 409,
    Refusal.ANSWERED: 409,
    Refusal.FOUR_EYES: 403,
    Refusal.INVALID: 422,
    Refusal.UNDER_WAY: 409,
    Fault.NOT_SIGNED_IN: 401,
    Fault.NOT_ALLOWED: 403,
    Fault.CROSS_SITE: 403,
    Fault.MISDIRECTED: 421,
    Fault.TOO_MANY: 429,
    Fault.NOT_FOUND: 404,
    Fault.METHOD_NOT_ALLOWED: 405,
    Fault.NOT_ACCEPTABLE: 406,
    Fault.TOO_SLOW: 408,
    Fault.TOO_LARGE: 413,
    Fault.UNSUPPORTED_MEDIA_TYPE: 415,
    Fault.NO_CONDITION: 428,
    Fault.GATEWAY_FAILED: 502,
    Fault.UNAVAILABLE: 503,
    Fault.INTERNAL_ERROR: 500,
}
"""The status of each code."""

_OF_STATUS: Final = {STATUSES[code]: code for code in reversed(Fault)}

_SENTENCES: Final[Mapping[str, str]] = {
    Fault.NOT_FOUND: "there is nothing at this address; /v1/openapi.json lists all addresses",
    Fault.METHOD_NOT_ALLOWED: "this address does not support this method; the header Allow lists those that it does",
    Fault.TOO_LARGE: "the body is too large for this address",
    Fault.UNSUPPORTED_MEDIA_TYPE: "this address does not accept a body of this type",
}

SCHEMA: Final = {
    "type": "object",
    "description": "RFC 9457. `detail` is the sentence that the command line prints; `code` is for programs.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": sorted({code.value for code in (*Refusal, *Fault)})},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string"},
                    "file": {"type": "string"},
                    "line": {"type": "integer"},
                    "column": {"type": "integer"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problems that a route may answer with, for its `responses`."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def answered(shape: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return what a route answers with, for its `responses`: that is, for the document alone.

    As the type of what the route returns, FastAPI would check and copy each answer.
    """
    return {status: {"model": shape}}


ALWAYS: Final = (401, 403, 413, 415, 421, 422, 429, 500, 503)
"""The problems that any call may be answered with."""

MOST_ERRORS: Final = 100
"""How many of the mistakes in one call are told."""


class CallProblem(Exception):
    """A call that is answered with a problem. `errors`: one object for each mistake, with its place."""

    def __init__(
        self,
        code: Refusal | Fault,
        sentence: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.errors = errors
        self.headers = headers


EXPECTED: Final = (CallProblem, Refused, CampaignFileError, EditRefused, OfAnotherInstallation, UploadsAway)
"""What is wrong with what somebody asks for: they can mend it, and ask again."""


def answer(problem: CallProblem) -> JSONResponse:
    """Return the problem as an answer."""
    status = STATUSES[problem.code]
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": str(problem),
        "code": problem.code.value,
    }
    if problem.errors:
        body["errors"] = list(problem.errors[:MOST_ERRORS])
    return JSONResponse(body, status, headers=dict(problem.headers or {}), media_type=MEDIA_TYPE)


def as_problem(error: Exception) -> CallProblem:
    """Return what to answer for anything that a route raised. What nobody expected is logged, by its kind alone."""
    match error:
        case CallProblem():
            return error
        case Refused():
            places = [{"pointer": error.field, "detail": str(error)}] if error.field else []
            again = {"Retry-After": str(RETRY_SECONDS)} if error.code is Refusal.UNDER_WAY else {}
            return CallProblem(error.code, str(error), errors=places, headers=again)
        case CampaignFileError():
            return CallProblem(Refusal.INVALID, str(error), errors=[told_in_file(each) for each in error.problems])
        case EditRefused() | OfAnotherInstallation():
            return CallProblem(Refusal.WRONG_STATE, str(error))
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _of_http(error)
        case CrossSite():
            return CallProblem(Fault.CROSS_SITE, str(error))
        case ClientDisconnect():  # nobody reads this
            return CallProblem(Fault.TOO_SLOW, "the caller hung up before the whole call had arrived")
        case UploadsAway():
            return CallProblem(Fault.UNAVAILABLE, str(error), headers={"Retry-After": str(RETRY_SECONDS)})
        case GatewayError():
            return CallProblem(Fault.GATEWAY_FAILED, str(error))
        case StoreError() | SettingsError():
            return CallProblem(Fault.UNAVAILABLE, str(error), headers={"Retry-After": str(RETRY_SECONDS)})
        case _ if isinstance(error, STORE_FAILS):
            get_logger().warning("api.database_failed", problem=type(error).__name__)
            sentence = "the database did not answer; try again"
            return CallProblem(Fault.UNAVAILABLE, sentence, headers={"Retry-After": str(RETRY_SECONDS)})
    # Its message, or a traceback with it, may contain a number or a text.
    get_logger().error("api.failed", problem=type(error).__name__)
    return CallProblem(Fault.INTERNAL_ERROR, f"internal error ({type(error).__name__}); see the log of the service")


async def answer_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer an error raised outside a route: an unknown address, a wrong method."""
    return answer(as_problem(error))


def told_in_file(problem: Problem) -> dict[str, Any]:
    """Return a mistake in a file, with its place."""
    what = f"{problem.path}: {problem.problem}" if problem.path else problem.problem
    detail = f"{what} ({problem.hint})" if problem.hint else what
    place = {"pointer": problem.path} if problem.path else {}
    return place | {"file": problem.file, "line": problem.line, "column": problem.column, "detail": detail}


def _invalid(error: RequestValidationError) -> CallProblem:
    """Return the mistakes by place, without the values: they may be numbers."""
    places = [_mistake(each, error.body) for each in error.errors()]
    first = places[0] if places else {"pointer": "the call", "detail": "cannot be read"}
    more = f"; and {len(places) - 1} more" if len(places) > 1 else ""
    return CallProblem(Refusal.INVALID, f"{first['pointer']} {first['detail']}{more}", errors=places)


def _mistake(found: Mapping[str, Any], body: Any) -> dict[str, Any]:
    kind, place, about = str(found["type"]), list(found["loc"]), dict(found.get("ctx") or {})
    if kind == "json_invalid":
        before = body[: place[-1]] if isinstance(body, str) else ""
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        detail = f"is not JSON, at line {line}, column {column}"
        return {"pointer": "body", "line": line, "column": column, "detail": detail}
    if kind == "string_pattern_mismatch":
        detail = _PATTERNS.get(str(about.get("pattern")), "is not written as it must be")
    else:
        detail = next((said for begins, said in _MISTAKES.items() if kind.startswith(begins)), "cannot be used")
    return {"pointer": "/".join(map(str, place)), "detail": detail.format_map(about)}


_MISTAKES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "model_": "must be a JSON object",
    "dict_": "must be a JSON object",
    "list_": "must be a list",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_": "must be text",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "int_": "must be a whole number",
    "bool_": "must be true or false",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""What is said of a mistake, by how the name of its kind begins in pydantic. None of them says the value."""

PLAIN: Final = r"^[^\x00-\x1f\x7f]+$"
"""No control characters: PostgreSQL stores no NUL, and no name or number has any of them."""

PLAIN_OR_EMPTY: Final = r"^[^\x00-\x1f\x7f]*$"
VISIBLE: Final = r"^[\x21-\x7e]{1,255}$"
COUNTRY: Final = "^[A-Za-z]{2}$"
SLUG: Final = "^[a-z0-9][a-z0-9-]{0,63}$"

_PATTERNS: Final[Mapping[str, str]] = {
    PLAIN: "must have no control characters, and not be empty",
    PLAIN_OR_EMPTY: "must have no control characters",
    VISIBLE: "must be 1 to 255 visible characters of ASCII",
    COUNTRY: "must be a country of two letters, such as US",
    SLUG: "must be a name in lower-case letters, digits and hyphens, of at most 64 characters",
}


def _of_http(error: HTTPException) -> CallProblem:
    code = _OF_STATUS.get(error.status_code, Refusal.INVALID if error.status_code < 500 else Fault.INTERNAL_ERROR)
    return CallProblem(code, _SENTENCES.get(code, "the call cannot be read"), headers=error.headers)
