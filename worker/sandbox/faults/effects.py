"""Faults in what a request does: late, in part, changed, or shown wrongly."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from worker.sandbox.envelope import success
from worker.sandbox.exchange import Reply, Text
from worker.sandbox.faults.case import Case

FOOTER: Final = "\nSent with a free account"
TEMPLATE: Final = "There is news for you: https://example.com/n"
FOREIGN_NUMBER: Final = "+12025550199"  # from the North American range that is kept for fiction
FAR_ID: Final = 1_000_000

Row = dict[str, Any]
Answer = Callable[[Case], Reply]


def before(answer: Answer) -> Answer:
    """The request is answered so, and has no effect."""
    return answer


def after(answer: Answer) -> Answer:
    """The request takes effect, and is answered so."""

    def act(case: Case) -> Reply:
        case.perform()
        return answer(case)

    return act


def partly(answer: Answer) -> Answer:
    """The first texts of the request are stored, the rest never, and it is answered so."""

    def act(case: Case) -> Reply:
        case.perform(texts=case.first_of)
        return answer(case)

    return act


def late(answer: Answer) -> Answer:
    """The request is answered so, and takes effect some time later."""

    def act(case: Case) -> Reply:
        case.later(case, case.random.uniform(case.times.late_min_seconds, case.times.late_max_seconds))
        return answer(case)

    return act


def then(effect: Answer, answer: Answer) -> Answer:
    """The effect of one, the answer of the other."""

    def act(case: Case) -> Reply:
        effect(case)
        return answer(case)

    return act


def with_footer(case: Case) -> Reply:
    return case.perform(texts=lambda texts: [(number, text + FOOTER) for number, text in texts])


def with_template(case: Case) -> Reply:
    return case.perform(texts=lambda texts: [(number, TEMPLATE) for number, _ in texts])


def rows_skipped(case: Case) -> Reply:
    """Some texts are never stored, and the reply has no rows for them."""
    return case.perform(texts=case.some_of)


def groups_split(case: Case) -> Reply:
    """Two groups for one request; one text alone has only one."""
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
    """Everything is stored, and some rows are missing from the reply."""
    return _edited(case.perform(), case.some_of)


def rows_shuffled(case: Case) -> Reply:
    return _edited(case.perform(), lambda rows: case.random.sample(rows, len(rows)))


def row_twice(case: Case) -> Reply:
    """One row stands in the reply two times, with the same ID."""
    return _edited(case.perform(), lambda rows: [*rows, case.random.choice(rows)])


def extra_rows(case: Case) -> Reply:
    """The reply has a row for a message that nobody stored: to a number of the request, or to a foreign one."""

    def invented(rows: list[Row]) -> list[Row]:
        row = dict(case.random.choice(rows))
        row["ID"] = type(row["ID"])(int(row["ID"]) + FAR_ID)
        row["number"] = case.random.choice((row["number"], FOREIGN_NUMBER))
        return [*rows, row]

    return _edited(case.perform(), invented)


def lies_empty(case: Case) -> Reply:
    """The read finds nothing, as if there were nothing."""
    return case.perform(shown=lambda _: [])


def lag(case: Case) -> Reply:
    """The read does not find the newest messages yet."""
    newest = case.draw.at - case.times.lag_seconds
    return case.perform(shown=lambda found: [message for message in found if message.accepted_at <= newest])


def rows_missing(case: Case) -> Reply:
    """The read finds some messages, and leaves out others."""
    return case.perform(shown=case.some_of)


def _rows(reply: Reply) -> list[Row]:
    """The rows of an honest reply; none when it is a refusal."""
    data = json.loads(reply.body)["data"]
    rows: list[Row] = data["messages"] if data else []
    return rows


def _edited(reply: Reply, change: Callable[[list[Row]], list[Row]]) -> Reply:
    rows = _rows(reply)
    return replace(reply, body=success({"messages": change(rows)})) if rows else reply
