"""Which of the messages that a gateway shows belong to a request whose reply was lost: pure, so that it can be tested hard.

The gateway has no idempotency key. What tells its messages apart from others: their ID lies above every ID seen before
the request (the floor), they carry a number and a text of the request, nobody else claims them, and the messages of one
request share a group. A group counts only as a whole: when all its numbers were in the request.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    """What was found: recipient id -> message; and messages that match a recipient a second time."""

    found: Mapping[int, Candidate]
    doubled: tuple[Candidate, ...]


def digits(number: str) -> str:
    """A number without what gateways add or drop in front: the plus sign."""
    return number.lstrip("+")


def is_similar(stored: str, sent: str) -> bool:
    """Whether a stored text can be what was sent: a server may add a footer, trim or fold white space."""
    stored_words, sent_words = stored.split(), sent.split()
    return stored_words == sent_words or " ".join(sent_words) in " ".join(stored_words)


def match(sought: Sought, candidates: Iterable[Candidate], *, attributed: Collection[int]) -> Match:
    """Find the request's messages among `candidates`; `attributed` are gateway IDs that belong to somebody already."""
    wanted = {digits(number): entry for number, entry in sought.recipients.items()}
    groups: dict[str, dict[int, Candidate]] = defaultdict(dict)
    for candidate in candidates:
        if candidate.gateway_id > sought.id_floor and candidate.gateway_id not in attributed:
            # A message without a group is a group of its own.
            groups[candidate.group_id or f"#{candidate.gateway_id}"][candidate.gateway_id] = candidate
    found: dict[int, Candidate] = {}
    doubled: list[Candidate] = []
    for _, group in sorted(groups.items(), key=lambda item: min(item[1])):
        members: Sequence[Candidate] = sorted(group.values(), key=lambda c: c.gateway_id)
        if not all(digits(c.number) in wanted for c in members):
            continue  # somebody else's request
        if not any(is_similar(c.text, wanted[digits(c.number)][1]) for c in members):
            continue  # the same people, another text
        for member in members:
            recipient_id = wanted[digits(member.number)][0]
            if recipient_id in found:
                doubled.append(member)
            else:
                found[recipient_id] = member
    return Match(found, tuple(doubled))


