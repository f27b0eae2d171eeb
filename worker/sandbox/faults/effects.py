"""Faults in a request's effect: late, in part, changed, or shown wrongly."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from worker.sandbox.envelope import success
from worker.sandbox.exchange import Reply, Text
from worker.sandbox.faults.case import Case

FOOTER: Final = "\nSent with a free account"
TEMPLATE: Final = "There is news for you: https://example.com/n"
FOREIGN_NUMBER: Final = "+12025550199"  # from the North American range reserved for fiction
FAR_ID: Final = 1_000_000

Row = dict[str, Any]
Answer = Callable[[Case], Reply]


def before(answer: Answer) -> Answer:
    """Answer the request like this, without carrying it out."""
    return answer


def after(answer: Answer) -> Answer:
    """Carry the request out, then answer it like this."""

    def act(case: Case) -> Reply:
        case.perform()
        return answer(case)

    return act


def partly(answer: Answer) -> Answer:
    """Store the first texts of the request and never the rest, then answer it like this."""

    def act(case: Case) -> Reply:
        case.perform(texts=case.first_of)
        return answer(case)

    return act


def late(answer: Answer) -> Answer:
    """Answer the request like this, and carry it out some time later."""

    def act(case: Case) -> Reply:
        case.later(case, case.random.uniform(case.times.late_min_seconds, case.times.late_max_seconds))
        return answer(case)

    return act


def then(effect: Answer, answer: Answer) -> Answer:
    """Combine the effect of one with the answer of the other."""

    def act(case: Case) -> Reply:
        effect(case)
        return answer(case)

    return act


def with_footer(case: Case) -> Reply:
    return case.perform(texts=lambda texts: [(number, text + FOOTER) for number, text in texts])


def with_template(case: Case) -> Reply:
    return case.perform(texts=lambda texts: [(number, TEMPLATE) for number, _ in texts])


def rows_skipped(case: Case) -> Reply:
    """Never store some of the texts, and leave their rows out of the reply."""
    return case.perform(texts=case.some_of)


def groups_split(case: Case) -> Reply:
    """Make two groups for one request; a single text has only one."""
    parts: list[list[Text]] = []

    def first_half(texts: list[Text]) -> list[Text]:
        half = (len(texts) + 1) // 2
        parts.append(texts[half:])
        return texts[:half]

    first = case.perform(texts=first_half)
    if not (parts and parts[0]):
        return first
    second = case.perform(texts=lambda _: parts[0])
    return _edited(first, lambda rows: rows + _rows(second))


def rows_hidden(case: Case) -> Reply:
    """Store everything, and leave some rows out of the reply."""
    return _edited(case.perform(), case.some_of)


def rows_shuffled(case: Case) -> Reply:
    return _edited(case.perform(), lambda rows: case.random.sample(rows, len(rows)))


def row_twice(case: Case) -> Reply:
    """Put one row into the reply twice, with the same ID."""
    return _edited(case.perform(), lambda rows: [*rows, case.random.choice(rows)])


def extra_rows(case: Case) -> Reply:
    """Add a row for a message that nobody stored, to a number of the request or to a foreign one."""

    def invented(rows: list[Row]) -> list[Row]:
        row = dict(case.random.choice(rows))
        row["ID"] = type(row["ID"])(int(row["ID"]) + FAR_ID)
        row["number"] = case.random.choice((row["number"], FOREIGN_NUMBER))
        return [*rows, row]

    return _edited(case.perform(), invented)


def lies_empty(case: Case) -> Reply:
    """Find nothing in a read, as if there were nothing."""
    return case.perform(shown=lambda _: [])


def lag(case: Case) -> Reply:
    """Leave the newest messages out of a read."""
    newest = case.draw.at - case.times.lag_seconds
    return case.perform(shown=lambda found: [message for message in found if message.accepted_at <= newest])


def rows_missing(case: Case) -> Reply:
    """Find some messages in a read, and leave out others."""
    return case.perform(shown=case.some_of)


def _rows(reply: Reply) -> list[Row]:
    """Return the rows of an honest reply; none if it is a refusal."""
    data = json.loads(reply.body)["data"]
    rows: list[Row] = data["messages"] if data else []
    return rows


def _edited(reply: Reply, change: Callable[[list[Row]], list[Row]]) -> Reply:
    rows = _rows(reply)
    return replace(reply, body=success({"messages": change(rows)})) if rows else reply
