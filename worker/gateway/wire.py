"""The gateway's JSON, in every form seen: ids as text or integers, several spellings of dates, nulls, garbage.

Unknown fields are ignored. Nothing here raises, whatever the bytes: anything unreadable is None.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, cast

from worker.gateway.results import Message
from worker.gateway.statuses import status_of

_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")
_LARGEST: Final = 2**63 - 1  # the most that a BIGINT column holds
_LARGEST_CODE: Final = 2**31 - 1  # the most that an INTEGER column holds: devices, slots and codes, but no ids
_LONGEST_GROUP: Final = 255  # known ones have up to 64 characters; an index of PostgreSQL takes about 2,700 bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outer object of every reply. `code` and `text` come from its `error`."""

    success: bool
    data: Mapping[str, object] = field(repr=False)
    code: int | None
    text: str = field(repr=False)


def parse_json(body: bytes | str) -> object:
    """Return the JSON value of `body`; None for anything else, NaN, and nesting deeper than Python follows."""
    with suppress(ValueError, RecursionError):
        return cast(object, json.loads(body, parse_constant=refuse_constant))
    return None


def envelope_of(members: Mapping[str, object]) -> Envelope | None:
    """Return the outer object of a reply from its members, or None if it is not one."""
    success, data, error = members.get("success"), members.get("data"), members.get("error")
    if not isinstance(success, bool):
        return None
    if not isinstance(error, dict):
        error = {}
    return Envelope(
        success=success,
        data=data if isinstance(data, dict) else {},
        code=whole_number(error.get("code")),
        text=clean_text(error.get("message")),
    )


def parse_messages(rows: object) -> tuple[Message, ...] | None:
    """Return the messages of a list of message objects; None unless it is a list in which every row has an id.

    An unidentifiable row is not dropped silently: from a read that shows less than there is, a caller would conclude
    that a text was never stored, and send it again.
    """
    if not isinstance(rows, list):
        return None
    messages = [parse_message(row) for row in rows]
    return None if None in messages else tuple(cast(list[Message], messages))


def parse_message(row: object) -> Message | None:
    """Read one message object; None if it has no id."""
    if not isinstance(row, dict):
        return None
    get = row.get
    id = whole_number(get("ID"))
    if id is None or id < 1:
        return None
    raw_status = clean_text(get("status"))
    group_id = clean_text(get("groupID"))
    result, error, retries = get("resultCode"), get("errorCode"), get("retries")
    # By place, and without a call for what is mostly null: there is one for each text and each receipt.
    return Message(
        id,
        clean_text(get("number")),
        clean_text(get("message")),
        whole_number(get("deviceID"), _LARGEST_CODE),
        whole_number(get("simSlot"), _LARGEST_CODE),
        status_of(raw_status),
        raw_status,
        moment(get("sentDate")),
        moment(get("deliveredDate")),
        group_id if 0 < len(group_id) <= _LONGEST_GROUP else None,
        None if result is None else whole_number(result, _LARGEST_CODE),
        None if error is None else whole_number(error, _LARGEST_CODE),
        0 if retries is None else whole_number(retries) or 0,
    )


def whole_number(value: object, largest: int = _LARGEST) -> int | None:
    """Return an integer written as a JSON number or as text, if a database column can hold it."""
    if value is None:  # as in most fields of a fresh message
        return None
    # The plain case first: this runs for most fields of every message.
    if isinstance(value, str) and (
        (value.isdigit() and value.isascii() and len(value) < 19) or _WHOLE_NUMBER.fullmatch(value)
    ):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -largest <= value <= largest:
        return value
    return None


def moment(value: object) -> datetime | None:
    """Return an instant in UTC: `2018-10-20T00:00:00+02:00`, `+0200` without the colon, or unix seconds.

    A time without a zone is None: nobody knows the server's zone, and a time that is hours off is worse than an unknown
    one. So is a time in another century (0001-01-01, 9999-12-31): it means "none", and computing with it would leave
    the calendar.
    """
    if not value:  # most dates of a fresh message are null
        return None
    try:
        if (seconds := whole_number(value)) is not None:
            return _of_these_centuries(datetime.fromtimestamp(seconds, UTC)) if seconds > 0 else None
        if isinstance(value, str):
            return _iso_moment(value)
    except (ValueError, OverflowError, OSError):
        return None
    return None


@lru_cache(maxsize=4096)  # the messages of a reply share few dates: this halves the cost of reading one
def _iso_moment(text: str) -> datetime | None:
    at = datetime.fromisoformat(text)
    return _of_these_centuries(at.astimezone(UTC)) if at.tzinfo else None


def _of_these_centuries(at: datetime) -> datetime | None:
    return at if 1900 <= at.year < 2200 else None


def clean_text(value: object) -> str:
    """Return text for any database and encoding: NUL (PostgreSQL) and half surrogate pairs (UTF-8) become U+FFFD."""
    if not isinstance(value, str):
        whole = None if value is None else whole_number(value)
        return "" if whole is None else str(whole)  # a phone number without quotes
    if not value.isascii():
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value.replace("\0", "\ufffd") if "\0" in value else value


def refuse_constant(name: str) -> object:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(name)
