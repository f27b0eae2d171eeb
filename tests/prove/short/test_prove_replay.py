"""The replay: it takes a sound book as it is, and finds each change that is no step of the model."""

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest

from tests.prove.spec.book import Commit, Entry
from tests.prove.spec.lives import replay
from tests.prove.world.evidence import Stored

SETTLE_SECONDS: Final = 3.0
SEND_BY: Final = "1970-01-01 00:00:12"
"""The moment 12; requests are promised at 10."""

ANNA, BERT = "+391", "+392"
LATE: Final = {"at": "1970-01-01T00:00:16+00:00", "complete": True, "found": 0, "control": True}
EARLY: Final = {**LATE, "at": "1970-01-01T00:00:13+00:00"}
BLIND: Final = {**LATE, "control": False}
LOST: Final = {"failure": "reply_lost"}


def text(id_: int, was: str, becomes: str, detail: str = "0", of: int = 1) -> Entry:
    return Entry(0, "text", id_, of, was, becomes, detail)


def batch(was: str, becomes: str, id_: int = 1) -> Entry:
    return Entry(0, "batch", id_, 7, was, becomes, "")


def attempt(was: str, becomes: str, outcome: str = "", evidence: Any = None, *, id_: int = 1, of: int = 1) -> Entry:
    return Entry(0, "attempt", id_, of, was, becomes, f"{outcome}|{SEND_BY}||1|{json.dumps(evidence or {})}")


def at(moment: float, *entries: Entry, by: str = "") -> Commit:
    return Commit(moment, by, entries)


def stored(number: str = ANNA, moment: float = 10.5, id_: int = 100) -> Stored:
    return Stored(id_, number, "Hello", moment, 1)


PLAN: Final = at(1, batch("", "planned"), text(1, "", "pending", f"{ANNA}|Hello"))
QUEUE: Final = at(2, batch("planned", "queued"))
INTENT: Final = at(10, batch("queued", "sending"), text(1, "pending", "in_doubt"), attempt("", "open"))
REPLY: Final = at(
    11, attempt("open", "closed", "accepted"), text(1, "in_doubt", "accepted", "100"), batch("sending", "accepted")
)
UNKNOWN: Final = at(11, attempt("open", "unknown", "unknown", LOST), batch("sending", "unknown"))
TAKEN: Final = at(5, Entry(0, "lease", 1, 0, "clock", "process 12 on host", ""))


def verdict(*looks: dict[str, Any], to: str = "pending", outcome: str = "missed") -> Commit:
    found = {"verdict": outcome, "looks": looks, **LOST}
    ends = batch("unknown", "planned" if to == "pending" else to)
    return at(20, attempt("unknown", "closed", outcome, found), text(1, "in_doubt", to), ends, by="12")


AGAIN: Final = at(30, *INTENT.entries[1:2], batch("planned", "sending"), attempt("", "open", id_=2))

SOUND: Final = {
    "accepted": ([PLAN, QUEUE, INTENT, REPLY], [stored()], 10),
    "missed": ([PLAN, INTENT, UNKNOWN, verdict(LATE, LATE)], [], 10),
    "held": ([PLAN, INTENT, UNKNOWN, verdict(BLIND, BLIND, to="held", outcome="hold")], [], 10),
    "sent to again": ([PLAN, INTENT, UNKNOWN, verdict(LATE, LATE), AGAIN], [], 13),
    "decided by the holder of the lease": ([TAKEN, PLAN, INTENT, UNKNOWN, verdict(LATE, LATE)], [], 11),
}  # fmt: skip


@pytest.mark.parametrize(("commits", "ledger", "validated"), SOUND.values(), ids=SOUND)
def test_a_sound_book_is_a_run_of_the_model(commits: list[Commit], ledger: list[Stored], validated: int) -> None:
    # given / when
    found = replay([commits], ledger, settle_seconds=SETTLE_SECONDS)
    # then
    assert found.problems == []
    assert (found.validated, found.outside) == (validated, 0)


TWICE: Final = at(12, *(entry._replace(id=2, of=2) for entry in INTENT.entries[1:2]), batch("planned", "sending", 2),
                  attempt("", "open", id_=2, of=2))  # fmt: skip
SECOND: Final = at(1, batch("", "planned", 2), text(2, "", "pending", f"{ANNA}|Hello", of=2))
BOTH: Final = at(1, *PLAN.entries, text(2, "", "pending", f"{BERT}|Hello"))

UNSOUND: Final = {
    "in doubt twice": ([PLAN, SECOND, INTENT, TWICE], "a number is in doubt once"),
    "promised after an opt-out": (
        [PLAN, at(5, Entry(0, "left", 1, 0, "", "left", ANNA)), INTENT], "who has left is read in the intent",
    ),
    "promised although it was found": (
        [PLAN, at(5, Entry(0, "before", 9, 0, "", "kept", f"{ANNA}|Hello and a footer")), INTENT],
        "what was found is kept",
    ),
    "intent and outcome at once": ([PLAN, at(10, *INTENT.entries, *REPLY.entries)], "an intent is committed first"),
    "passed over": ([BOTH, INTENT], "somebody who waits is left out"),
    "a run that is paused": (
        [PLAN, at(3, Entry(0, "run", 7, 0, "running", "paused", "")), INTENT], "a stopped run sends nothing",
    ),
    "a failure as proof": (
        [PLAN, INTENT, at(11, attempt("open", "closed", "not_sent", {"failure": "failure_unknown"}),
                          text(1, "in_doubt", "pending"), batch("sending", "planned"))],
        "a failure proves nothing",
    ),
    "a lost reply as proof": (
        [PLAN, INTENT, at(11, attempt("open", "closed", "not_sent", LOST), text(1, "in_doubt", "pending"),
                          batch("sending", "planned"))],
        "a lost reply proves nothing",
    ),
    "believed too early": ([PLAN, INTENT, UNKNOWN, verdict(EARLY, EARLY)], "absence is believed after it has settled"),
    "believed once": ([PLAN, INTENT, UNKNOWN, verdict(LATE)], "absence is believed after it has settled"),
    "believed without a control": ([PLAN, INTENT, UNKNOWN, verdict(BLIND, BLIND)], "reads with a control"),
    "closed twice": (
        [PLAN, INTENT, REPLY, at(15, attempt("closed", "closed", "accepted"))], "an attempt is closed once",
    ),
    "decided by another": (
        [at(5, Entry(0, "lease", 2, 0, "clock", "process 13 on host", "")), PLAN, INTENT, UNKNOWN, verdict(LATE, LATE)],
        "only the holder of the lease decides",
    ),
    "accepted without a message": ([PLAN, QUEUE, INTENT, REPLY], "accepted is what the gateway has"),
    "a move that there is not": ([PLAN, at(3, text(1, "pending", "delivered"))], "pending to delivered"),
    "a batch that is forgotten": ([PLAN, INTENT, at(11, *REPLY.entries[:1])], "a batch that becomes sending"),
}  # fmt: skip


@pytest.mark.parametrize(("commits", "problem"), UNSOUND.values(), ids=UNSOUND)
def test_what_is_no_step_of_the_model_is_found(commits: list[Commit], problem: str) -> None:
    # given / when
    found = replay([commits], [], settle_seconds=SETTLE_SECONDS)
    # then
    assert any(problem in each for each in found.problems), found.problems
    assert found.outside > 0


@pytest.mark.parametrize(
    ("commits", "moment", "problem"),
    [
        ([PLAN], 10.5, "an intent is committed first"),
        ([PLAN, INTENT], 9.0, "an intent is committed first"),
        ([PLAN, INTENT, UNKNOWN, verdict(LATE, LATE)], 21.0, "no request is late"),
        ([PLAN, INTENT, UNKNOWN], 21.0, ""),
    ],
    ids=["never promised", "before its intent", "after it was concluded", "while it is in doubt"],
)
def test_a_message_belongs_to_a_request_that_is_not_concluded(
    commits: Sequence[Commit], moment: float, problem: str
) -> None:
    # given / when
    found = replay([commits], [stored(moment=moment)], settle_seconds=SETTLE_SECONDS)
    # then
    assert [problem in each for each in found.problems] == [True] * bool(problem)


def test_more_than_the_limit_in_its_window_is_found() -> None:
    # given
    granted = attempt("", "open")._replace(detail=f"|{SEND_BY}|1970-01-01 00:00:10|8|{{}}")
    second = granted._replace(id=2, of=2, detail=granted.detail.replace("00:10|", "00:39|"))
    other = at(1, batch("", "planned", 2), text(2, "", "pending", f"{BERT}|Hello", of=2))
    intents = [at(10, *INTENT.entries[:2], granted), at(39, *TWICE.entries[:2], second)]
    # when
    found = replay([[PLAN, other, *intents]], [], settle_seconds=SETTLE_SECONDS, limit=(10, 30.0))
    fits = replay([[PLAN, other, *intents]], [], settle_seconds=SETTLE_SECONDS, limit=(10, 29.0))
    # then
    assert [each.rpartition(": ")[2] for each in found.problems] == ["a limit is kept"]
    assert fits.problems == []


def test_a_restored_database_sends_nothing_before_it_is_recovered() -> None:
    # given
    recovered = [
        at(30, Entry(0, "account", 1, 0, "nobody", "quarantine", "")),
        at(31, Entry(0, "account", 1, 0, "quarantine", "nobody", "")),
    ]
    again = INTENT._replace(at=40)
    lives = [[PLAN, QUEUE, INTENT], [PLAN, QUEUE, again]]
    # when
    at_once = replay(lives, [], settle_seconds=SETTLE_SECONDS)
    afterwards = replay([lives[0], [PLAN, QUEUE, *recovered, again]], [], settle_seconds=SETTLE_SECONDS)
    # then
    assert ["a restored database sends nothing" in each for each in at_once.problems] == [True]
    assert afterwards.problems == []
