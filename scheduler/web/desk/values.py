"""Values of an address: a page of a list, a run, filters. What cannot be read is refused with a sentence."""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from scheduler.actions.reading.recipients import NONE
from scheduler.actions.refusals import Refusal
from scheduler.web.api.parameters import MOST_ID, MOST_ROW
from scheduler.web.api.problems import PLAIN, CallProblem, Fault

if TYPE_CHECKING:
    from scheduler.web.desk.pages import Visit

LONGEST: Final = 1_000

NUMBERS: Final = frozenset({"device", "batch_id", "result_code"})
"""Filters whose values are numbers, or `NONE`."""

W = TypeVar("W", bound=StrEnum)


def number_of(asked: "Visit", name: str, *, most: int = MOST_ID) -> int | None:
    """Return a whole number of the address; None: it has none. Raises `CallProblem`."""
    written = asked.query.get(name, "")
    if not written:
        return None
    if not re.fullmatch("[0-9]{1,19}", written) or int(written) > most:
        raise CallProblem(Refusal.INVALID, f"{name} in the address is not a number; open the page again")
    return int(written)


def path_number(asked: "Visit", name: str) -> int:
    """Return the id that is part of the address. Raises `CallProblem`."""
    written = str(asked.path[name])
    if not re.fullmatch("[0-9]{1,19}", written) or int(written) > MOST_ID:
        raise CallProblem(Fault.NOT_FOUND, "there is nothing at this address")
    return int(written)


def form_number(asked: "Visit", name: str) -> int:
    """Return a whole number of the form. Raises `CallProblem`."""
    written = asked.value(name)
    if not re.fullmatch("[0-9]{1,9}", written):
        raise CallProblem(Refusal.INVALID, f"{name} in the form is not a number; open the page again")
    return int(written)


def one_of(asked: "Visit", name: str, words: type[W]) -> W | None:
    """Return a word of the address that is one of these; None: it has none. Raises `CallProblem`."""
    written = asked.query.get(name, "")
    if not written:
        return None
    if written not in set(words):
        raise CallProblem(Refusal.INVALID, f"{name} in the address is unknown; open the page again")
    return words(written)


def after_of(asked: "Visit") -> int:
    """Return the row after which a page of a list begins."""
    return number_of(asked, "after", most=MOST_ROW) or 0


def filters_of(asked: "Visit", names: Collection[str]) -> dict[str, Any]:
    """Return the filters of a list of recipients that are set, as values of its columns."""
    filters: dict[str, Any] = {}
    for name in names:
        written = asked.query.get(name, "")
        if not written:
            continue
        if len(written) > LONGEST or not re.fullmatch(PLAIN, written):
            raise CallProblem(Refusal.INVALID, f"{name} in the address cannot be read; open the page again")
        filters[name] = number_of(asked, name) if name in NUMBERS and written != NONE else written
    return filters
