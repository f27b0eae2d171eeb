"""The judge: derives every broken promise from the gateway's ledger and from what the product reports about itself.

It knows nothing of the product's internals. A violation is one sentence; numbers in it show only their last digits.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.prove.leaks import leaks
from tests.prove.world.evidence import Ceiling, Evidence, Sending, Stored, Told

AT_THE_GATEWAY: Final = frozenset({"accepted", "sent", "delivered", "expired"})
"""States that say that the gateway has this text."""

NEVER_SENT: Final = frozenset({"invalid", "duplicate", "suppressed", "excluded", "capped", "holdout", "skipped"})

NO_SUBSTITUTE: Final = frozenset({"invalid", "duplicate", "excluded"})
"""States of rows that do not stand for a person who should get the text."""

WITH_REASON: Final = frozenset({"held", "failed", "cancelled", "skipped", "suppressed", "invalid", "capped"})

UNSETTLED: Final = frozenset({"pending", "in_doubt", "accepted"})
"""States in which nobody may be left once a run is over."""

ENDED: Final = frozenset({"completed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Findings:
    """Every broken promise, and the figures: recipients are people to be sent to, `stored` is rows of the ledger.

    `doubled`: people whom the gateway has more than once. `lost`: people who neither got it nor are reported as such.
    `held_but_stored`: held people whom the gateway has; nobody could know, and nobody was sent to twice.
    `against`: texts of steps that were promised against their condition.
    """

    violations: tuple[str, ...]
    recipients: int
    stored: int
    doubled: int
    lost: int
    unsettled: int
    held: int
    held_but_stored: int
    failed: int
    cancelled: int
    against: int = 0


@dataclass(slots=True)
class _Person:
    """One row of an export that may be sent to, and its rows of the ledger."""

    sending: Sending
    told: Told
    rows: list[Stored] = field(default_factory=list)
    is_known: bool = False  # the product knows the message by its ID

    @property
    def name(self) -> str:
        return f"{self.sending.campaign}: {who(self.told.number)}"


def check(evidence: Evidence) -> Findings:
    """Judge what is left after every campaign of the evidence has ended."""
    violations: list[str] = []
    people = [
        _Person(sending, told)
        for sending in evidence.sendings
        for told in sending.told
        if told.state not in NO_SUBSTITUTE
    ]
    violations += _attribute(people, evidence)
    doubled = lost = 0
    for person in people:
        if len(person.rows) > 1:
            doubled += 1
            ids = ", ".join(str(row.id) for row in person.rows)
            violations.append(f"{person.name} is at the gateway {len(person.rows)} times: IDs {ids}")
        if person.told.state in AT_THE_GATEWAY and not person.rows:
            lost += 1
            violations.append(f"{person.name} is told as {person.told.state}, and the gateway does not have it")
        violations += _contradictions(person, evidence)
    for sending in evidence.sendings:
        missing = sending.eligible - {told.number for told in sending.told if told.state not in NO_SUBSTITUTE}
        lost += len(missing)
        violations += [f"{sending.campaign}: {who(number)} is in no book at all" for number in sorted(missing)]
        violations += _books(sending)
        violations += _cancelled(sending, people)
        if sending.ceiling is not None:
            own = [(row, p.told.segments) for p in people if p.sending is sending for row in p.rows]
            violations += _over(sending.campaign, sending.ceiling, own)
    if evidence.ceiling is not None:
        violations += _over("account", evidence.ceiling, [(row, p.told.segments) for p in people for row in p.rows])
    violations += evidence.miscounted
    violations += leaks(
        evidence.outputs,
        key=evidence.key,
        numbers={row.number for row in evidence.stored} | {n for s in evidence.sendings for n in s.eligible},
        texts={row.text for row in evidence.stored} | {p.told.text for p in people},
    )
    states = Counter(person.told.state for person in people)
    return Findings(
        violations=tuple(violations),
        recipients=sum(len(sending.eligible) for sending in evidence.sendings),
        stored=len(evidence.stored),
        doubled=doubled,
        lost=lost,
        unsettled=sum(states[state] for state in UNSETTLED),
        held=states["held"],
        held_but_stored=sum(1 for p in people if p.told.state == "held" and p.rows),
        failed=states["failed"],
        cancelled=states["cancelled"],
    )


def who(number: str) -> str:
    """A number shortened to its last digits, as violations name it."""
    return f"…{number[-5:]}"


def _attribute(people: Sequence[_Person], evidence: Evidence) -> Iterator[str]:
    """Assign each row of the ledger to one person: by the ID that the product knows, or by number and text."""
    by_id = {row.id: row for row in evidence.stored}
    taken: set[int] = set()
    for person in people:
        gateway_id = person.told.gateway_id
        if gateway_id is None:
            continue
        row = by_id.get(gateway_id)
        if row is None:
            yield f"{person.name} is told to be message {gateway_id}, which the gateway does not have"
        elif gateway_id in taken:
            yield f"{person.name} is told to be message {gateway_id}, as is somebody else"
        elif row.number != person.told.number:
            yield f"{person.name} is told to be message {gateway_id}, which went to {who(row.number)}"
        else:
            taken.add(gateway_id)
            person.rows.append(row)
            person.is_known = True
    by_number = defaultdict(list)
    for person in people:
        by_number[person.told.number].append(person)
    for row in evidence.stored:
        if row.id in taken:
            continue
        candidates = by_number[row.number]
        alike = [person for person in candidates if person.told.text == row.text] or candidates
        if not alike:
            yield f"the gateway has message {row.id} to {who(row.number)}, whom no campaign was to send to"
            continue
        owner = min(alike, key=lambda person: len(person.rows))
        owner.rows.append(row)


def _contradictions(person: _Person, evidence: Evidence) -> Iterator[str]:
    """Contradictions between what the product reports about one person and what the gateway has."""
    told, rows = person.told, person.rows
    if told.state in WITH_REASON and not told.reason:
        yield f"{person.name} is {told.state} without a reason"
    if told.state in NEVER_SENT and rows:
        yield f"{person.name} is told as {told.state}, and was sent message {rows[0].id}"
    elif told.state in AT_THE_GATEWAY and rows and not person.is_known:
        yield f"{person.name} is told as {told.state}, and message {rows[0].id} is not known as its own"
    elif told.state == "cancelled" and rows and not person.is_known:
        yield f"{person.name} is told as cancelled, and the gateway has message {rows[0].id}"
    elif told.state == "failed" and rows and not person.is_known and not evidence.rows_may_be_hidden:
        yield f"{person.name} is told as failed ({told.reason}), and the gateway has message {rows[0].id}"
    if not evidence.texts_may_change and any(row.text != told.text for row in rows):
        yield f"{person.name} was sent another text than it is told"


def _books(sending: Sending) -> Iterator[str]:
    """Check that the counts add up to the audience, in the export and the summary, and that the run has ended."""
    name, states = sending.campaign, Counter(told.state for told in sending.told)
    if len(sending.told) != sending.rows:
        yield f"{name}: the audience has {sending.rows} rows, the export {len(sending.told)}"
    left = sum(states[state] for state in UNSETTLED)
    if left:
        yield f"{name}: {left} recipients are not settled"
    if sending.summary is None:
        yield f"{name}: it never ended"
        return
    counted = dict(sending.summary["recipients"])
    audience = counted.pop("audience")
    if sum(counted.values()) != audience or audience != sending.rows:
        yield f"{name}: its summary counts {sum(counted.values())} recipients of {audience}; there are {sending.rows}"
    if {state: n for state, n in counted.items() if n} != states:
        yield f"{name}: its summary and its export count differently"
    if sending.summary["state"] not in ENDED:
        yield f"{name}: it is {sending.summary['state']} in the end"


def _cancelled(sending: Sending, people: Sequence[_Person]) -> Iterator[str]:
    """Check that whatever was stored after a cancel comes from requests that were on their way then."""
    if (cancel := sending.cancel) is None:
        return
    after = [row for p in people if p.sending is sending for row in p.rows if row.accepted_at > cancel.at]
    requests = {row.request for row in after}
    if len(requests) > cancel.in_flight_requests:
        yield (
            f"{sending.campaign}: {len(requests)} requests with {len(after)} texts came after the cancel; "
            f"{cancel.in_flight_requests} were on their way"
        )


def _over(name: str, ceiling: Ceiling, rows: Sequence[tuple[Stored, int]]) -> Iterator[str]:
    """The fullest window of the ceiling's length, if it exceeds the ceiling."""
    ordered = sorted(rows, key=lambda pair: pair[0].accepted_at)
    start = inside = most = 0
    for row, segments in ordered:
        inside += segments
        while row.accepted_at - ordered[start][0].accepted_at >= ceiling.per.total_seconds():
            inside -= ordered[start][1]
            start += 1
        most = max(most, inside)
    if most > ceiling.segments + ceiling.slack_segments:
        yield (
            f"{name}: {most} segments in {ceiling.per.total_seconds():g} s; "
            f"at most {ceiling.segments} (and {ceiling.slack_segments} for requests on their way)"
        )
