"""The judge is judged: each way to break a promise is planted in sound evidence, and it must find it."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import redis

from tests.prove.checker import Findings, check
from tests.prove.leaks import dump_redis
from tests.prove.world.evidence import Cancel, Ceiling, Evidence, Sending, Stored, Told, read_export, read_ledger

KEY = "a-key-of-nobody"
NUMBERS = tuple(f"+39333000000{n}" for n in range(6))


def text(number: str, campaign: str = "spring") -> str:
    return f"Ciao {number[-1]}, this is {campaign}"


def told(index: int, state: str = "delivered", **changes: object) -> Told:
    number = NUMBERS[index]
    gateway_id = index + 1 if state in {"delivered", "sent", "accepted", "expired"} else None
    row = Told(number, state, "" if state == "delivered" else "because", text(number), 1, gateway_id)
    return replace(row, **changes)  # type: ignore[arg-type]  # the tests name the fields


def stored(index: int, **changes: object) -> Stored:
    row = Stored(index + 1, NUMBERS[index], text(NUMBERS[index]), 100.0 + index, index // 2 + 1)
    return replace(row, **changes)  # type: ignore[arg-type]  # the tests name the fields


def summary(rows: tuple[Told, ...], state: str = "completed") -> dict[str, object]:
    return {"state": state, "recipients": {"audience": len(rows), **Counter(row.state for row in rows)}}


def sending(*rows: Told, campaign: str = "spring") -> Sending:
    """A campaign whose audience is the rows of the export."""
    return Sending(campaign, len(rows), frozenset(NUMBERS[: len(rows)]), rows, summary(rows))


def evidence(*sendings: Sending, ledger: tuple[Stored, ...] = (), **outputs: str) -> Evidence:
    return Evidence(sendings, ledger, outputs, KEY)


ALL_TOLD = tuple(told(n) for n in range(6))
ALL_STORED = tuple(stored(n) for n in range(6))
HONEST = evidence(sending(*ALL_TOLD), ledger=ALL_STORED, stderr="spring goes on")


def with_told(index: int, row: Told, *ledger: Stored) -> Evidence:
    """Everybody delivered except one, about whom this is reported; the ledger has the others and these rows."""
    rows = (*ALL_TOLD[:index], row, *ALL_TOLD[index + 1 :])
    others = tuple(entry for entry in ALL_STORED if entry.number != NUMBERS[index])
    return evidence(sending(*rows), ledger=(*others, *ledger))


def only_violation(found: Findings) -> str:
    assert len(found.violations) == 1, found.violations
    return found.violations[0]


def test_honest_evidence_has_no_violation() -> None:
    # given / when
    found = check(HONEST)
    # then
    assert (found.violations, found.recipients, found.stored) == ((), 6, 6)
    assert (found.doubled, found.lost, found.unsettled, found.held) == (0, 0, 0, 0)


def test_a_text_that_the_gateway_has_twice_is_a_double() -> None:
    # given
    doctored = replace(HONEST, stored=(*ALL_STORED, stored(2, id=77)))
    # when
    found = check(doctored)
    # then
    assert found.doubled == 1
    assert only_violation(found) == "spring: …00002 is at the gateway 2 times: IDs 3, 77"


def test_a_held_recipient_whom_the_gateway_has_twice_is_a_double() -> None:
    # given
    doctored = with_told(2, told(2, "held"), stored(2), stored(2, id=77))
    # when
    found = check(doctored)
    # then
    assert (found.doubled, found.held, found.held_but_stored) == (1, 1, 1)


@pytest.mark.parametrize("state", ["sent", "delivered", "expired"])
def test_a_recipient_told_as_sent_whom_the_gateway_does_not_have_is_lost(state: str) -> None:
    # given
    doctored = with_told(4, told(4, state, gateway_id=None))
    # when
    found = check(doctored)
    # then
    assert found.lost == 1
    assert only_violation(found) == f"spring: …00004 is told as {state}, and the gateway does not have it"


def test_a_recipient_in_no_book_is_lost() -> None:
    # given
    doctored = evidence(replace(sending(*ALL_TOLD[:5]), rows=6, eligible=frozenset(NUMBERS)), ledger=ALL_STORED[:5])
    # when
    found = check(doctored)
    # then
    assert found.lost == 1
    assert "spring: …00005 is in no book at all" in found.violations


@pytest.mark.parametrize("state", ["duplicate", "invalid", "excluded"])
def test_a_row_that_stands_for_nobody_does_not_excuse_a_loss(state: str) -> None:
    # given / when
    found = check(with_told(1, told(1, state)))
    # then
    assert found.lost == 1


@pytest.mark.parametrize("state", ["held", "failed", "cancelled", "suppressed", "skipped", "capped"])
def test_whoever_was_not_sent_and_is_told_so_is_not_lost(state: str) -> None:
    # given / when
    found = check(with_told(1, told(1, state)))
    # then
    assert (found.lost, found.violations) == (0, ())


@pytest.mark.parametrize("state", ["held", "failed", "cancelled", "suppressed", "skipped", "capped"])
def test_whoever_was_not_sent_needs_a_reason(state: str) -> None:
    # given / when
    found = check(with_told(1, told(1, state, reason="")))
    # then
    assert only_violation(found) == f"spring: …00001 is {state} without a reason"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (told(1, "failed"), "is told as failed (because), and the gateway has message 2"),
        (told(1, "cancelled"), "is told as cancelled, and the gateway has message 2"),
        (told(1, "suppressed"), "is told as suppressed, and was sent message 2"),
        (told(1, "sent", reason="", gateway_id=None), "is told as sent, and message 2 is not known as its own"),
    ],
    ids=["failed", "cancelled", "suppressed", "sent"],
)
def test_what_is_told_of_a_stored_text_must_be_true(row: Told, problem: str) -> None:
    # given / when
    found = check(with_told(1, row, stored(1)))
    # then
    assert only_violation(found) == f"spring: …00001 {problem}"


def test_a_text_hidden_by_the_gateway_may_be_told_as_failed_in_such_a_world() -> None:
    # given
    world = replace(with_told(1, told(1, "failed"), stored(1)), rows_may_be_hidden=True)
    # when / then
    assert check(world).violations == ()


def test_a_phone_that_failed_is_told_with_its_message() -> None:
    # given / when / then
    assert check(with_told(1, told(1, "failed", gateway_id=2), stored(1))).violations == ()


@pytest.mark.parametrize(
    ("gateway_id", "problem"),
    [
        (99, "is told to be message 99, which the gateway does not have"),
        (4, "is told to be message 4, which went to …00003"),
    ],
)
def test_an_id_that_is_not_the_recipients_own_is_found(gateway_id: int, problem: str) -> None:
    # given / when
    found = check(with_told(1, told(1, gateway_id=gateway_id), stored(1)))
    # then
    assert f"spring: …00001 {problem}" in found.violations


def test_one_message_cannot_be_that_of_two_people() -> None:
    # given the same number twice in the export, with one message
    doctored = evidence(
        replace(sending(*ALL_TOLD, told(5)), eligible=frozenset(NUMBERS)),
        ledger=ALL_STORED,
    )
    # when
    found = check(doctored)
    # then
    assert "spring: …00005 is told to be message 6, as is somebody else" in found.violations


def test_a_text_to_a_stranger_is_found() -> None:
    # given
    doctored = replace(HONEST, stored=(*ALL_STORED, stored(0, id=8, number="+393339999999")))
    # when / then
    assert only_violation(check(doctored)) == "the gateway has message 8 to …99999, whom no campaign was to send to"


def test_a_text_to_a_row_that_was_refused_is_found() -> None:
    # given a number that is reported as excluded, and was sent to
    found = check(with_told(1, told(1, "excluded"), stored(1)))
    # then
    assert "the gateway has message 2 to …00001, whom no campaign was to send to" in found.violations


def test_another_text_than_the_told_one_is_found_unless_the_gateway_rewrites() -> None:
    # given
    doctored = with_told(1, told(1), stored(1, text="Ciao to somebody else"))
    # when / then
    assert only_violation(check(doctored)) == "spring: …00001 was sent another text than it is told"
    assert check(replace(doctored, texts_may_change=True)).violations == ()


def test_a_number_in_two_campaigns_gets_a_text_of_each() -> None:
    # given
    autumn = tuple(replace(row, gateway_id=row.gateway_id + 10, text=text(row.number, "autumn"))  # type: ignore[operator]  # delivered ones have an ID
                   for row in ALL_TOLD[:2])  # fmt: skip
    ledger = (*ALL_STORED, *(stored(n, id=n + 11, text=text(NUMBERS[n], "autumn")) for n in range(2)))
    both = evidence(sending(*ALL_TOLD), sending(*autumn, campaign="autumn"), ledger=ledger)
    # when / then
    assert check(both).violations == ()


def test_a_held_recipient_of_one_campaign_is_not_credited_with_the_text_of_another() -> None:
    # given number 0 held in autumn, and its spring text at the gateway twice
    autumn = sending(told(0, "held", text=text(NUMBERS[0], "autumn")), campaign="autumn")
    doctored = evidence(sending(*ALL_TOLD), autumn, ledger=(*ALL_STORED, stored(0, id=50)))
    # when / then
    assert only_violation(check(doctored)) == "spring: …00000 is at the gateway 2 times: IDs 1, 50"


@pytest.mark.parametrize("state", ["pending", "in_doubt", "accepted"])
def test_nobody_may_be_left_unsettled(state: str) -> None:
    # given
    at_gateway = (stored(3),) if state == "accepted" else ()
    # when
    found = check(with_told(3, told(3, state), *at_gateway))
    # then
    assert found.unsettled == 1
    assert only_violation(found) == "spring: 1 recipients are not settled"


def _short(of: Sending) -> Sending:
    return replace(of, rows=7)


def _miscounted(of: Sending) -> Sending:
    return replace(of, summary={"state": "completed", "recipients": {"audience": 6, "delivered": 5}})


def _told_otherwise(of: Sending) -> Sending:
    return replace(of, summary={"state": "completed", "recipients": {"audience": 6, "delivered": 5, "sent": 1}})


def _running(of: Sending) -> Sending:
    return replace(of, summary=summary(of.told, "running"))


def _endless(of: Sending) -> Sending:
    return replace(of, summary=None)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_short, "spring: the audience has 7 rows, the export 6"),
        (_miscounted, "spring: its summary counts 5 recipients of 6; there are 6"),
        (_told_otherwise, "spring: its summary and its export count differently"),
        (_running, "spring: it is running in the end"),
        (_endless, "spring: it never ended"),
    ],
)
def test_books_that_do_not_add_up_are_found(change: Callable[[Sending], Sending], problem: str) -> None:
    # given / when
    found = check(evidence(change(sending(*ALL_TOLD)), ledger=ALL_STORED))
    # then
    assert problem in found.violations


@pytest.mark.parametrize(("in_flight", "is_kept"), [(1, False), (2, True)])
def test_only_requests_on_their_way_may_come_after_a_cancel(in_flight: int, is_kept: bool) -> None:
    # given texts 3 to 5 stored after the cancel, by requests 2 and 3
    cancelled = replace(sending(*ALL_TOLD), cancel=Cancel(102.5, in_flight), summary=summary(ALL_TOLD, "cancelled"))
    # when
    found = check(evidence(cancelled, ledger=ALL_STORED))
    # then
    expected = "spring: 2 requests with 3 texts came after the cancel; 1 were on their way"
    assert found.violations == (() if is_kept else (expected,))


@pytest.mark.parametrize(("segments", "slack", "is_kept"), [(3, 0, True), (2, 1, True), (2, 0, False)])
def test_more_than_the_ceiling_in_any_window_is_found(segments: int, slack: int, is_kept: bool) -> None:
    # given one text a second, and a ceiling for each 3 s, of the campaign and of the account
    ceiling = Ceiling(segments, timedelta(seconds=3), slack)
    limited = evidence(replace(sending(*ALL_TOLD), ceiling=ceiling), ledger=ALL_STORED)
    # when
    found = check(replace(limited, ceiling=ceiling))
    # then
    expected = tuple(
        f"{name}: 3 segments in 3 s; at most 2 (and 0 for requests on their way)" for name in ("spring", "account")
    )
    assert found.violations == (() if is_kept else expected)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"POST key={KEY}", "the API key stands in it"),
        (f"sending to {NUMBERS[2]}", "1 full phone numbers stand in it"),
        (f"calling 00{NUMBERS[2][1:]}9", "1 full phone numbers stand in it"),
        (f"body: {text(NUMBERS[1])}", "1 beginnings of texts stand in it"),
        (f"form: message={quote_plus(text(NUMBERS[1]))}", "1 beginnings of texts stand in it"),
    ],
    ids=["key", "number", "number in digits", "text", "form"],
)
def test_a_secret_in_an_output_is_found_and_not_repeated(line: str, problem: str) -> None:
    # given / when
    found = check(replace(HONEST, outputs={"stdout": "spring goes on", "stderr": f"one line\n{line}\n"}))
    # then
    assert only_violation(found) == f"stderr: {problem}"


def test_a_count_that_is_not_that_of_the_rows_is_found() -> None:
    assert (
        only_violation(check(replace(HONEST, miscounted=("run 1 keeps one too many",)))) == "run 1 keeps one too many"
    )


def test_shortened_numbers_and_times_are_no_secrets() -> None:
    # given
    line = '{"batch": 3, "recipient": "…00001", "timestamp": "2026-12-01T09:00:00.123456Z", "id": 39333000000}'
    # when / then
    assert check(replace(HONEST, outputs={"log": line})).violations == ()


def test_a_secret_in_redis_is_found_whatever_holds_it(redis_url: str) -> None:
    # given
    with redis.Redis.from_url(redis_url) as client:
        client.set("plain", KEY)
        client.rpush("list", "x" * 100 + NUMBERS[0] + "x" * 100)
        client.hset("hash", "field", NUMBERS[1])
        client.sadd("set", NUMBERS[2])
        client.zadd("sorted", {NUMBERS[3]: 1})
        client.xadd("stream", {"text": text(NUMBERS[4])})
    # when
    found = check(replace(HONEST, outputs={"redis": dump_redis(redis_url)}))
    # then
    assert found.violations == (
        "redis: the API key stands in it",
        "redis: 4 full phone numbers stand in it",
        "redis: 1 beginnings of texts stand in it",
    )


def test_a_ledger_is_read_without_what_came_in_and_without_a_cut_line(tmp_path: Path) -> None:
    # given
    entry = {"ID": 7, "number": NUMBERS[0], "message": "Ciao", "accepted_at": 100.5, "request": 3, "outcome": "sent"}
    lines = [json.dumps(entry), json.dumps({**entry, "ID": 8, "outcome": "received"}), json.dumps(entry)[:20]]
    path = tmp_path / "ledger.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    # when / then
    assert read_ledger(path) == (Stored(7, NUMBERS[0], "Ciao", 100.5, 3),)
    assert read_ledger(tmp_path / "none.jsonl") == ()


def test_an_export_is_read_with_its_texts_as_they_are() -> None:
    # given
    export = (
        "number,state,reason,variant,text,segments,gateway_id,group_id,step\n"
        f'{NUMBERS[0]},delivered,,,"Ciao,\r\n""Anna""",1,12,g,\n'
        f"{NUMBERS[0]},delivered,,,Did you see this?,1,13,g,nudge\n"
        "+39 12,invalid,no number,,,,,,\n"
    )
    # when / then
    assert read_export(export) == (
        Told(NUMBERS[0], "delivered", "", 'Ciao,\r\n"Anna"', 1, 12),
        Told("+39 12", "invalid", "no number", "", 0, None),
    )
