"""What the send protocol assumes about the gateway, as far as reads alone can show it; no text is sent."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from campaigns.protocol.matching import same_number
from scheduler.doctor.findings import Area, Finding, ok, problem, unknown
from scheduler.ticks.lookups.reads import LIFE_ORDER
from scheduler.ticks.lookups.windows import LONG_AGO, WindowReads
from worker.gateway import FailureUnknown, GatewayClient, GatewayError, Message, MessageStatus, ReplyTooLong
from worker.store.following.clock_offsets import MARGIN
from worker.store.health import KnownMessage

PROTOCOL: Final = Area.PROTOCOL

LOOK_BACK: Final = timedelta(hours=24)
"""Messages older than this prove little about the gateway of today."""

MOST_KNOWN: Final = 500
"""How many of our own messages are compared at most."""

SPAN: Final = timedelta(minutes=10)
"""Reads by time window must show every message from the newest stretch of this length."""

TELLING: Final = timedelta(minutes=2)
"""How far apart acceptance and sending of a message must be to show which of them a window compares."""

NARROW: Final = timedelta(seconds=45)


def check_protocol(gateway: GatewayClient, known: Sequence[KnownMessage] | None, now: datetime) -> Iterator[Finding]:
    """Look at our own `known` messages (newest first) through every kind of read. A read that fails is a problem.

    None: there is no database that would know them.
    """
    checks: list[Callable[[], Finding]] = [lambda: _empty_window(gateway)]
    if known:
        checks += [
            lambda: _by_id(gateway, known[0]),
            lambda: _by_group(gateway, known),
            lambda: _by_window(gateway, known, now),
            lambda: _window_date(gateway, known),
        ]
    for check in checks:
        try:
            yield check()
        except GatewayError as error:
            yield problem(PROTOCOL, f"a read failed: {error}", "requests in doubt cannot be looked up while reads fail")
    if known:
        yield _ids_grow(known)
    elif known is None:
        yield unknown(
            PROTOCOL,
            "without its database it is not known what was sent in the last 24 hours and what reads should show",
            "check again when the database can be used",
        )
    else:
        yield unknown(
            PROTOCOL,
            "nothing was sent in the last 24 hours, so it is not known what reads should show",
            "check again after a text was sent",
        )


def _empty_window(gateway: GatewayClient) -> Finding:
    try:
        shown = gateway.read_status(MessageStatus.SENT, LONG_AGO, LONG_AGO + timedelta(days=1))
    except ReplyTooLong:
        return _heeds_no_time(f"more than {gateway.max_messages:,}")
    except FailureUnknown as error:
        said, fingerprint = error.evidence["error_text"], error.evidence["error_fingerprint"]
        return problem(
            PROTOCOL,
            f"asked for a day of 2001, before any message, the gateway answers \u201c{said}\u201d (code {error.code})",
            f"if it answers this when it finds nothing, set CAMPAIGNS_ERROR_TEXTS={fingerprint}=nothing; until then "
            "neither requests in doubt nor replies can be looked up",
        )
    if shown:
        return _heeds_no_time(f"{len(shown):,}")
    return ok(PROTOCOL, "a read that finds nothing is understood")


def _heeds_no_time(how_many: str) -> Finding:
    return problem(
        PROTOCOL,
        f"asked for a day of 2001, the gateway shows {how_many} messages: it ignores the time window",
        "while it has few messages look-ups work, though each of them reads everything; when they are too many for one"
        " reply, requests in doubt wait for a person: ask the gateway's operator",
    )


def _by_id(gateway: GatewayClient, newest: KnownMessage) -> Finding:
    shown = gateway.read_message(newest.gateway_id)
    if shown is None:
        return problem(
            PROTOCOL,
            f"the gateway does not show message {newest.gateway_id} by its ID, although it accepted it",
            "check whether messages were deleted there; receipts of such texts never arrive",
        )
    if same_number(shown.number) != same_number(newest.number):
        return problem(
            PROTOCOL,
            f"message {newest.gateway_id} is to somebody else: this is another gateway, or a restored one",
            "send nothing until that is clear: IDs of requests in doubt would be mistaken for others",
        )
    return ok(PROTOCOL, "a message is found by its ID")


def _by_group(gateway: GatewayClient, known: Sequence[KnownMessage]) -> Finding:
    group_id = known[0].group_id
    if group_id is None:
        return unknown(PROTOCOL, "the gateway gave the newest message no group", "its messages are followed one by one")
    # The oldest known messages may be cut off from the rest of their group; the group must contain them all the same.
    ours = {message.gateway_id for message in known if message.group_id == group_id}
    missing = ours - {message.id for message in gateway.read_group(group_id)}
    if missing:
        return problem(
            PROTOCOL,
            f"of {len(ours):,} messages of a group, a read of the group does not show {len(missing):,}",
            "they are looked up one by one; following takes more reads",
        )
    return ok(PROTOCOL, f"a read by group shows all {len(ours):,} messages of it")


def _by_window(gateway: GatewayClient, known: Sequence[KnownMessage], now: datetime) -> Finding:
    latest = known[0].accepted_at
    ours = [message for message in known if abs(latest - message.accepted_at) <= SPAN]
    seen: set[int] = set()
    start = min(message.accepted_at for message in ours) - MARGIN
    for status in LIFE_ORDER:
        # The same window as a look-up's: up to now, because the date it compares may be a later one.
        for messages in WindowReads(gateway).read(status, start, now + MARGIN):
            seen.update(message.id for message in messages)
    missing = [message for message in ours if message.gateway_id not in seen]
    if missing:
        return problem(
            PROTOCOL,
            f"of {len(ours):,} messages the reads by status and time do not show {len(missing):,}",
            "requests in doubt would be held for a person instead of being sent again; ask the gateway's operator",
        )
    return ok(PROTOCOL, f"reads by status and time show all {len(ours):,} messages of the last minutes of sending")


def _window_date(gateway: GatewayClient, known: Sequence[KnownMessage]) -> Finding:
    telling = _telling(gateway, known)
    if telling is None:
        return unknown(PROTOCOL, "no message shows which date a time window compares; look-ups allow for all of them")
    ours, shown, sent_at = telling

    def is_in(moment: datetime) -> bool:
        windows = WindowReads(gateway).read(shown.status, moment - NARROW, moment + NARROW)
        return any(message.id == ours.gateway_id for messages in windows for message in messages)

    if is_in(sent_at):
        return ok(PROTOCOL, "a time window compares the date at which the phone sent")
    if is_in(ours.accepted_at):
        return ok(PROTOCOL, "a time window compares the date at which the gateway accepted")
    return unknown(PROTOCOL, "a time window compares neither the date of acceptance nor that of sending")


def _telling(gateway: GatewayClient, known: Sequence[KnownMessage]) -> tuple[KnownMessage, Message, datetime] | None:
    """Return the newest or the oldest message that was sent long after it was accepted."""
    for ours in {known[0].gateway_id: known[0], known[-1].gateway_id: known[-1]}.values():
        shown = gateway.read_message(ours.gateway_id)
        if shown is None or shown.sent_at is None or shown.status not in LIFE_ORDER:
            continue
        if abs(shown.sent_at - ours.accepted_at) >= TELLING:
            return ours, shown, shown.sent_at
    return None


def _ids_grow(known: Sequence[KnownMessage]) -> Finding:
    below = [m for m in known if m.id_floor is not None and m.gateway_id <= m.id_floor]
    if below:
        return problem(
            PROTOCOL,
            f"{len(below):,} messages have IDs below those seen before their requests: IDs do not always grow here",
            "requests in doubt cannot be distinguished from older ones; send no campaign through this gateway, and "
            "report this",
        )
    return ok(PROTOCOL, f"IDs grow: {len(known):,} messages have IDs above every ID seen before their requests")
