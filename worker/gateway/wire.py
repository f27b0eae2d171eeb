"""The gateway's JSON, in every form seen: ids as text or integers, several spellings of dates, nulls, garbage.

Unknown fields are ignored. Nothing here raises, whatever the bytes: what cannot be read is None.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, cast

from worker.gateway.results import Message
from worker.gateway.statuses import status_of

_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")
_LARGEST: Final = 2**63 - 1  # what a BIGINT column holds


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outer object of every reply. `code` and `text` are those of its `error`."""

    success: bool
    data: Mapping[str, object] = field(repr=False)
    code: int | None
    text: str = field(repr=False)


def parse_json(body: bytes | str) -> object:
    """The value that `body` holds in JSON, or None: for anything else, NaN, and nesting deeper than Python follows."""
    with suppress(ValueError, RecursionError):
        return cast(object, json.loads(body, parse_constant=_refuse_constant))
    return None


def parse_envelope(body: bytes) -> Envelope | None:
    """The outer object of a reply, or None where the body is none."""
    reply = parse_json(body)
    if not isinstance(reply, dict) or not isinstance(reply.get("success"), bool):
        return None
    data, error = reply.get("data"), reply.get("error")
    if not isinstance(error, dict):
        error = {}
    return Envelope(
        success=reply["success"],
        data=data if isinstance(data, dict) else {},
        code=whole_number(error.get("code")),
        text=clean_text(error.get("message")),
    )


def parse_messages(rows: object) -> tuple[Message, ...] | None:
    """The messages of a list of message objects; None unless it is a list in which every row has an id.

    A row that cannot be told apart is not left out silently: from a read that shows less than there is, somebody
    would conclude that a text was never stored, and send it again.
    """
    if not isinstance(rows, list):
        return None
    messages = tuple(message for row in rows if (message := _message(row)) is not None)
    return messages if len(messages) == len(rows) else None


def _message(row: object) -> Message | None:
    if not isinstance(row, dict):
        return None
    id = whole_number(row.get("ID"))
    if id is None or id < 1:
        return None
    raw_status = clean_text(row.get("status"))
    return Message(
        id=id,
        number=clean_text(row.get("number")),
        text=clean_text(row.get("message")),
        device=whole_number(row.get("deviceID")),
        sim=whole_number(row.get("simSlot")),
        status=status_of(raw_status),
        raw_status=raw_status,
        sent_at=moment(row.get("sentDate")),
        delivered_at=moment(row.get("deliveredDate")),
        group_id=clean_text(row.get("groupID")) or None,
        result_code=whole_number(row.get("resultCode")),
        error_code=whole_number(row.get("errorCode")),
        retries=whole_number(row.get("retries")) or 0,
    )


def whole_number(value: object) -> int | None:
    """An integer written as JSON number or as text, if a database can hold it."""
    if value is None:  # most fields of a fresh message
        return None
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST:
        return value
    return None


def moment(value: object) -> datetime | None:
    """An instant in UTC: `2018-10-20T00:00:00+02:00`, `+0200` without the colon, or unix seconds.

    A time without a zone is None: nobody knows the server's zone, and hours off is worse than unknown.
    """
    if not value:  # most dates of a fresh message are null
        return None
    try:
        if (seconds := whole_number(value)) is not None:
            return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError, OSError):
        return None
    return None


def clean_text(value: object) -> str:
    """Text that any database and encoding takes: NUL (PostgreSQL) and half surrogate pairs (UTF-8) become U+FFFD."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if -_LARGEST <= value <= _LARGEST else ""  # a phone number without quotes
    if not isinstance(value, str):
        return ""
    if not value.isascii():
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value.replace("\0", "\ufffd")


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
