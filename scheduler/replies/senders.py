"""Who wrote: of the people whose phone it is, the one last written to, however the gateway spells the number."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session

from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser, region_of, same_phone
from campaigns.protocol.matching import same_number
from worker.store.people.stored_replies import Person, people_at

_INTERNATIONAL: Final = re.compile(r"(?:\+|00)[1-9][0-9 .()/-]{7,24}")
"""At least eight digits, perhaps separated: shorter numbers belong to shops or carriers."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")

LONGEST: Final = 32
"""How many characters of a sender are kept: a shop's name has eleven at most."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote a reply. `number`: where we write to them (E.164), if `is_known`; else `own`.

    `own`: the number that they wrote from, in E.164; for an unknown sender, as the gateway shows it if it may not be a
    real number. `texts` are the last ones they were sent.
    """

    number: str
    own: str
    is_known: bool = False
    texts: Sequence[str] = ()


def find_senders(session: Session, account_id: int, raw: Collection[str], region: str | None) -> dict[str, Sender]:
    """Return who each sender is, by what the gateway shows.

    The number is first looked for as it stands, in full or in the `region` of the settings; then in the countries of
    other senders found here; then in any country, which takes 17 ms.
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
        yield f"+{digits}"  # a number that was sent to, though no known country has it


def _last(people: Mapping[str, Person], numbers: Iterable[str]) -> Person | None:
    found = (people[number] for number in numbers if number in people)
    return max(found, key=lambda person: person.rank, default=None)


def _valid(raw: str, region: str | None = None) -> str:
    """Return a number in E.164; empty for an invalid one. Without plus or region, it counts as invalid."""
    try:
        return Normaliser(region).normalise(raw)
    except InvalidNumber:
        return ""


def _alone(raw: str, region: str | None) -> str:
    """Return the number of an unknown sender: in E.164, or as it came if it may not be a real number.

    Digits after a plus are kept as a number even if no known country has it: somebody wrote from it.
    """
    number = _valid(raw, region) or _valid(f"+{raw}")
    return number or (f"+{same_number(raw)}" if _INTERNATIONAL.fullmatch(raw.strip()) else raw[:LONGEST])


def spellings(*numbers: str) -> list[str]:
    """Return every valid spelling under which these phones may be in a table; invalid numbers are left out."""
    found: dict[str, None] = {}
    for number in numbers:
        if _E164.fullmatch(number):
            found |= dict.fromkeys([number, *filter(None, map(_valid, same_phone(number, None)))])
    return list(found)
