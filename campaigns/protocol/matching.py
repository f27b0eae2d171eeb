"""Which of the messages that a gateway shows belong to a request whose reply was lost: pure, to be tested hard.

The gateway has no idempotency key. What tells its messages apart from others: their ID lies above every ID seen before
the request (the floor), they carry a number and a text of the request, nobody else claims them, and the messages of one
request share a group. A group counts only as a whole: when all its numbers were in the request. One that fits in part
proves neither that the request arrived nor that it did not, so nobody in it may be sent again without a person.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sought:
    """What a request in doubt carried: number -> (recipient id, text), and the floor that its IDs lie above."""

    id_floor: int
    recipients: Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that the gateway showed."""

    gateway_id: int
    number: str
    text: str
    group_id: str | None


@dataclass(frozen=True, slots=True)
class Match:
    """What was found: recipient id -> message; messages that match a recipient a second time; and who is unclear.

    `unclear` are recipients with a message that may be theirs: their text in a group with strangers, or their number
    with another text in a group of the request's numbers alone (a server may rewrite texts).
    """

    found: Mapping[int, Candidate]
    doubled: tuple[Candidate, ...] = ()
    unclear: frozenset[int] = frozenset()


FEWEST_TO_KNOW_BY_NUMBERS = 3
"""A group of exactly the request's numbers is the request whatever its texts say, if there are at least so many."""


_NOT_A_DIGIT = re.compile(r"[^0-9]+")


def same_number(number: str) -> str:
    """What two spellings of one E.164 number have in common: gateways drop the plus, or write 00 for it."""
    bare = number[1:] if number[:1] == "+" else number
    if not (bare.isascii() and bare.isdigit()):
        bare = _NOT_A_DIGIT.sub("", number)
    return bare.lstrip("0") or number.casefold()


_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
"""Thai, kana, Han: spaces do not part words there, so each character is one."""

_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")


def is_similar(stored: str, sent: str) -> bool:
    """Whether a stored text can be what was sent: a server may add a footer, trim or fold white space.

    Whole words are compared: "Yes" is not in "Yesterday", but it is in "Yes--sent with Acme".
    """
    return f" {_words(sent)} " in f" {_words(stored)} "


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text))


def match(
    sought: Sought, candidates: Iterable[Candidate], *, attributed: Collection[int], is_whole: bool = True
) -> Match:
    """Find the request's messages among `candidates`; `attributed` are gateway IDs that belong to somebody already.

    `is_whole`: every read behind the candidates succeeded. Of a look cut short a stranger's group may show the part
    that equals the request's numbers: then numbers alone prove nothing.
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
        is_found = alike if is_ours_alone else _has_everybody(alike, wanted.keys())  # strangers: rows that were added
        if not (is_found or (is_whole and is_ours_alone and has_everybody)):
            # All ours without a text of ours: rewritten, or another text to the same people. Strangers with a text of
            # ours: rows that were added to our request, or the same text from elsewhere. Everybody with other texts
            # and strangers: both at once, or what another tool sent to more people. Else it is somebody else's.
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
