"""Who wrote: the person written to last whose number is the same phone, however the gateway spells it."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session

from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser, region_of, same_phone
from campaigns.protocol.matching import same_number
from worker.store.people.stored_replies import Person, people_at

_INTERNATIONAL: Final = re.compile(r"(?:\+|00)[1-9][0-9 .()/-]{7,24}")
"""Eight digits and more, perhaps parted: shorter ones are a shop's or a carrier's."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")

LONGEST: Final = 32
"""Characters of a sender that are kept: a shop's name has eleven at most."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote a reply. `number`: where we write to them (E.164), if `is_known`; else `own`.

    `own`: the number that they wrote from, as E.164; of whom nothing is known, what the gateway shows where that may be
    the number of nobody. `texts` are the last ones they were sent.
    """

    number: str
    own: str
    is_known: bool = False
    texts: Sequence[str] = ()


def find_senders(session: Session, account_id: int, raw: Collection[str], region: str | None) -> dict[str, Sender]:
    """By what the gateway shows of each sender: who it is.

    First the number as it stands is looked for, whole or of the settings' `region`; then as one of the countries where
    others of these senders were found; then of any country, which takes 17 ms.
    """
    first = {each: tuple(_as_it_stands(each, region)) for each in raw}
    people = people_at(session, account_id, {number for numbers in first.values() for number in numbers})
    found: dict[str, Sender] = {}
    regions: dict[str, None] = {}
    for each, numbers in first.items():
        person = _last(people, numbers)
        for where in (*regions, None) if person is None and each.strip()[:1] not in {"+", ""} else ():
            numbers = same_phone(each, where)
            if person := _last(people_at(session, account_id, numbers), numbers):
                break
        if person is None:
            own = _alone(each, region)
            found[each] = Sender(own, own)
        else:
            found[each] = Sender(person.number, _valid(each) or person.number, is_known=True, texts=person.texts)
            if home := region_of(person.number):
                regions[home] = None
    return found


def _as_it_stands(raw: str, region: str | None) -> Iterator[str]:
    bare = raw.strip()
    yield from same_phone(bare if bare[:1] == "+" or bare[:2] == "00" else f"+{bare}", None)
    if region:
        yield from same_phone(bare, region)
    if (digits := same_number(bare)).isdecimal():
        yield f"+{digits}"  # what was sent to, though no country is known to have it


def _last(people: Mapping[str, Person], numbers: Iterable[str]) -> Person | None:
    found = (people[number] for number in numbers if number in people)
    return max(found, key=lambda person: person.rank, default=None)


def _valid(raw: str, region: str | None = None) -> str:
    """A number as E.164; empty for what is none. Without plus or region it is read as none."""
    try:
        return Normaliser(region).normalise(raw)
    except InvalidNumber:
        return ""


def _alone(raw: str, region: str | None) -> str:
    """The number of somebody of whom nothing is known: E.164, or as it came where that may be the number of nobody.

    What stands behind a plus is kept as a number although no country is known to have it: somebody wrote from it.
    """
    number = _valid(raw, region) or _valid(f"+{raw}")
    return number or (f"+{same_number(raw)}" if _INTERNATIONAL.fullmatch(raw.strip()) else raw[:LONGEST])


def spellings(*numbers: str) -> list[str]:
    """Every valid number under which the phones of these may stand in a table; what is no number is left out."""
    found: dict[str, None] = {}
    for number in numbers:
        if _E164.fullmatch(number):
            found |= dict.fromkeys([number, *filter(None, map(_valid, same_phone(number, None)))])
    return list(found)
