"""Finds the gateway's messages that belong to a request whose reply was lost. Pure, so that it can be tested hard.

The gateway has no idempotency key. A request's messages are recognised by these signs: their ID is above every ID seen
before the request (the floor), they have a number and a text of the request, nobody else claims them, and the messages
of one request share a group. A group counts only as a whole, if all its numbers were in the request. A group that fits
in part proves neither that the request arrived nor that it did not, so nobody in it may be sent to again unless a
person decides.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Sought:
    """The content of a request in doubt: number -> (recipient id, text), and the floor that its IDs are above."""

    id_floor: int
    recipients: Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that the gateway returned."""

    gateway_id: int
    number: str
    text: str
    group_id: str | None


@dataclass(frozen=True, slots=True)
class Match:
    """What was found: recipient id -> message, messages that match a recipient a second time, and unclear recipients.

    `unclear` are recipients with a message that may be theirs: their text in a group with strangers, or their number
    with another text in a group of only the request's numbers (a server may rewrite texts).
    """

    found: Mapping[int, Candidate]
    doubled: tuple[Candidate, ...] = ()
    unclear: frozenset[int] = frozenset()


FEWEST_TO_KNOW_BY_NUMBERS = 3
"""A group of exactly the request's numbers, at least this many, is the request, whatever its texts say."""


_NOT_A_DIGIT = re.compile(r"[^0-9]+")


@lru_cache(maxsize=4096)  # a reply's numbers are compared with those of its request five times
def same_number(number: str) -> str:
    """Return a form that is the same for all spellings of an E.164 number: gateways drop the plus, or write 00."""
    bare = number[1:] if number[:1] == "+" else number
    if not (bare.isascii() and bare.isdigit()):
        bare = _NOT_A_DIGIT.sub("", number)
    return bare.lstrip("0") or number.casefold()


_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
"""Thai, kana, Han: spaces do not separate words there, so each character counts as a word."""

_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")


def is_similar(stored: str, sent: str) -> bool:
    """Return whether a stored text can be the one that was sent: a server may add a footer, trim or fold white space.

    Whole words are compared: "Yes" is not in "Yesterday", but it is in "Yes--sent with Acme".
    """
    return f" {as_words(sent)} " in f" {as_words(stored)} "


def as_words(text: str) -> str:
    """Return a text as its words, which are compared; white space does not count."""
    return " ".join(_WORD.findall(text))


def match(
    sought: Sought, candidates: Iterable[Candidate], *, attributed: Collection[int], is_whole: bool = True
) -> Match:
    """Find the request's messages among `candidates`. `attributed` are gateway IDs that belong to somebody already.

    `is_whole`: every read of candidates succeeded. If a look was cut short, just the part of a stranger's group that
    equals the request's numbers may be visible, so numbers alone prove nothing.
    """
    wanted = {same_number(number): entry for number, entry in sought.recipients.items()}
    groups: dict[str, dict[int, Candidate]] = defaultdict(dict)
    for candidate in candidates:
        if candidate.gateway_id > sought.id_floor and candidate.gateway_id not in attributed:
            # A message without a group is a group of its own.
            groups[candidate.group_id or f"#{candidate.gateway_id}"][candidate.gateway_id] = candidate
    found: dict[int, Candidate] = {}
    doubled: list[Candidate] = []
    unclear: set[int] = set()
    for _, group in sorted(groups.items(), key=lambda item: min(item[1])):
        members = sorted(group.values(), key=lambda c: c.gateway_id)
        ours = [c for c in members if same_number(c.number) in wanted]
        alike = [c for c in ours if is_similar(c.text, wanted[same_number(c.number)][1])]
        is_ours_alone = len(ours) == len(members)
        has_everybody = len(wanted) >= FEWEST_TO_KNOW_BY_NUMBERS and _has_everybody(ours, wanted.keys())
        is_found = alike if is_ours_alone else _has_everybody(alike, wanted.keys())  # strangers: added rows
        if not (is_found or (is_whole and is_ours_alone and has_everybody)):
            # Only our numbers but none of our texts: rewritten, or another text to the same people. Strangers with one
            # of our texts: rows added to our request, or the same text from elsewhere. Everybody with other texts, and
            # strangers: both at once, or another tool's texts to more people. Otherwise it is somebody else's.
            unclear.update(
                wanted[same_number(c.number)][0] for c in (ours if is_ours_alone or has_everybody else alike)
            )
            continue
        for member in ours:
            recipient_id = wanted[same_number(member.number)][0]
            if recipient_id in found:
                doubled.append(member)
            else:
                found[recipient_id] = member
    return Match(found, tuple(doubled), frozenset(unclear - found.keys()))


def _has_everybody(messages: Collection[Candidate], wanted: Collection[str]) -> bool:
    return {same_number(c.number) for c in messages} >= set(wanted)
