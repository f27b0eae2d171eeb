"""Messages and contacts as live servers write them, in both profiles."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from worker.sandbox.contacts import Contact
from worker.sandbox.messages import StoredMessage
from worker.sandbox.phones.life import ERROR_NETWORK_OUT_OF_ORDER, RESULT_OK, Outcome, status_at
from worker.sandbox.running.options import Profile

STRINGS_ZONE: Final = timezone(timedelta(hours=2))
INTS_ZONE: Final = timezone(timedelta(hours=6))
USER_ID: Final = 1

Row = dict[str, object]


def message_rows(messages: Iterable[StoredMessage], profile: Profile, now: float) -> list[Row]:
    """Return the objects under `data.messages`, as they are at `now` (unix seconds)."""
    row = _strings_row if profile is Profile.STRINGS else _ints_row
    return [row(message, now) for message in messages]


def _strings_row(message: StoredMessage, now: float) -> Row:
    return {
        "ID": str(message.id),
        "number": message.number,
        "message": message.text,
        "deviceID": str(message.device),
        # The documentation's sample names slot 0 for a message to a device's default SIM.
        "simSlot": str(message.sim or 0),
        "userID": str(USER_ID),
        "status": status_at(message.life, now),
        "sentDate": _date_with_colon(int(message.life.sent_at)) if message.life.sent_at <= now else None,
        "deliveredDate": _date_with_colon(int(message.life.done_at)) if _has_arrived(message, now) else None,
        "groupID": message.group,
    }


def _ints_row(message: StoredMessage, now: float) -> Row:
    is_sent = message.life.sent_at <= now
    has_failed = is_sent and message.life.outcome is Outcome.FAILED
    result = message.life.result_code if has_failed else RESULT_OK
    return {
        "ID": message.id,
        "number": message.number,
        "message": message.text,
        "deviceID": message.device,
        "simSlot": message.sim,
        "schedule": None if message.schedule is None else _date_without_colon(message.schedule),
        "userID": USER_ID,
        "groupID": message.group,
        "status": status_at(message.life, now),
        "resultCode": result if is_sent and message.life.outcome is not Outcome.RECEIVED else None,
        "errorCode": ERROR_NETWORK_OUT_OF_ORDER if has_failed else None,
        "type": "sms",
        "attachments": None,
        "prioritize": False,
        "retries": 0,
        "sentDate": _date_without_colon(int(message.life.sent_at)) if is_sent else None,
        "deliveredDate": _date_without_colon(int(message.life.done_at)) if _has_arrived(message, now) else None,
        "expiryDate": None,
    }


def _has_arrived(message: StoredMessage, now: float) -> bool:
    return message.life.done_at <= now and message.life.outcome is not Outcome.FAILED


# Cached by the second: a read of 500 messages needs the same few dates again and again.
@lru_cache(maxsize=4096)
def _date_with_colon(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(STRINGS_ZONE).isoformat()


@lru_cache(maxsize=4096)
def _date_without_colon(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(INTS_ZONE).strftime("%Y-%m-%dT%H:%M:%S%z")


def contact_row(contact: Contact, profile: Profile) -> Row:
    """Return the object under `data.contact`."""
    has_text_ids = profile is Profile.STRINGS
    return {
        "ID": str(contact.id) if has_text_ids else contact.id,
        "number": contact.number,
        "name": contact.name or None,
        "subscribed": contact.subscribed,
        "contactsListID": str(contact.list_id) if has_text_ids else contact.list_id,
    }
