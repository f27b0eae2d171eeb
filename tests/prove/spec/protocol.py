"""The send protocol as one table: what may be committed, when, and what becomes of everybody in the request.

Two read it: `explore` walks through every state of small worlds (`world`), and `replay` checks what a real run has
committed (`book`). It shares no code with the product, only the names of states. A rule is a condition with a name; a
mutant is the table without some of them.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

# The states of a person's row. The last group is of those to whom nothing was sent.
PENDING, IN_DOUBT, HELD, FAILED, ACCEPTED = "pending", "in_doubt", "held", "failed", "accepted"
SENT, DELIVERED, EXPIRED, CANCELLED = "sent", "delivered", "expired", "cancelled"
SUPPRESSED, EXCLUDED, CAPPED, SKIPPED = "suppressed", "excluded", "capped", "skipped"

# The states of a batch. A request is under way in two of them.
PLANNED, QUEUED, SENDING, UNKNOWN, REFUSED = "planned", "queued", "sending", "unknown", "refused"

# The states of an attempt, which is one request, and how a request ends for the process that makes it.
NONE, OPEN, CLOSED = "none", "open", "closed"
UNWRITTEN, REPLIED, REFUSAL, FAILURE, LOST = "unwritten", "replied", "refusal", "failure", "lost"

LOOKS: Final = 2
"""This many whole looks past the settling time prove that a request was not stored."""


class Person(NamedTuple):
    """A row of a batch, and what the database knows of its number."""

    state: str
    elsewhere: bool = False  # in doubt in another request
    left: bool = False  # an opt-out, or the answer that a step excludes, is stored
    before: bool = False  # `recover` found their text, which a lost database had sent


class Look(NamedTuple):
    """A look at the gateway. `control`: it showed a message that the gateway certainly has."""

    whole: bool
    settled: bool
    control: bool


class Facts(NamedTuple):
    """What is so right before a step: the batch, its attempt, its people, and everything that a rule asks for."""

    batch: str = PLANNED
    attempt: str = NONE
    people: Mapping[int, Person] = {}
    ending: str = LOST
    looks: tuple[Look, ...] = ()
    shown: Collection[int] = ()  # the people whose message the gateway has
    is_late: bool = False  # `send_by` is over
    is_stopped: bool = False  # the run or the account does not send
    is_restored: bool = False  # the database is older than what was sent from it, and nobody has recovered
    is_alone: bool = True  # the transaction does nothing else with the attempt
    leads: bool = True  # whoever commits holds the lease
    is_expired: bool = True  # nobody holds it
    granted: int = 0  # segments in the window of the limit, with this request's
    limit: int = 1
    recorded: int = 0  # the same by the attempts that the database has


Ends = Mapping[int, str]
"""What becomes of the people whom a step moves."""


class Rule(NamedTuple):
    """A condition of a step."""

    name: str
    holds: Callable[[Facts, Ends], bool]


class Step(NamedTuple):
    """One kind of transaction (or of request): from where to where, and under which rules.

    `moves`: the states that a person may have, and get. No states of the batch or attempt: it has none, or any.
    """

    batch: Collection[str]
    attempt: Collection[str]
    moves: Mapping[str, Collection[str]]
    rules: tuple[Rule, ...] = ()


def _nobody(end: str, is_so: Callable[[Facts, int], bool]) -> Callable[[Facts, Ends], bool]:
    """Nobody for whom this is so ends there."""
    return lambda facts, ends: not any(to == end and is_so(facts, id_) for id_, to in ends.items())


def _is_unseen(facts: Facts, id_: int) -> bool:
    return id_ not in facts.shown


def _sent_again(ends: Ends) -> bool:
    return any(to in {PENDING, FAILED} for to in ends.values())


def _proven(facts: Facts, ends: Ends, looks: int) -> bool:
    """Nobody is sent to again without so many looks. A refusal is one answer more: one whole look is enough."""
    return not _sent_again(ends) or facts.ending == REFUSAL or looks >= LOOKS


def _has_settled_looks(facts: Facts, ends: Ends) -> bool:
    return _proven(facts, ends, sum(look.whole and look.settled for look in facts.looks))


def _has_controls(facts: Facts, ends: Ends) -> bool:
    late = [look for look in facts.looks if look.settled] or facts.looks
    return _proven(facts, ends, sum(look.whole and look.control for look in late))


def _is_looked_up(facts: Facts, ends: Ends) -> bool:
    return not _sent_again(ends) or any(look.whole for look in facts.looks)


FAILURES: Final = "a failure proves nothing"
SETTLE: Final = "absence is believed after it has settled"
_ONCE: Final = Rule("an attempt is closed once", lambda facts, _: facts.attempt in {OPEN, UNKNOWN})
_SENDS: Final = Rule("a stopped run sends nothing", lambda facts, _: not facts.is_stopped)
_LEADS: Final = Rule("only the holder of the lease decides", lambda facts, _: facts.leads)
_IN_PHONES: Final = frozenset({ACCEPTED, SENT, DELIVERED, FAILED, CANCELLED})
_UNSENT: Final = frozenset({SUPPRESSED, EXCLUDED, CAPPED, CANCELLED, SKIPPED, HELD, ACCEPTED})
_WAITING: Final = frozenset({PLANNED, QUEUED})
_ENDED: Final = frozenset({ACCEPTED, REFUSED, HELD, CANCELLED})

STEPS: Final[Mapping[str, Step]] = {
    # The throttle's grant, right before the intent.
    "grant": Step((), (), {}, (Rule("a limit is kept", lambda facts, _: facts.granted <= facts.limit),)),
    # A throttle that has lost its memory.
    "rebuild": Step(
        (), (), {}, (Rule("limits are rebuilt from the attempts", lambda facts, _: facts.granted == facts.recorded),)
    ),
    # A worker promises a request, and everybody in it, before it makes it.
    "intent": Step(
        _WAITING,
        {NONE, CLOSED},
        {PENDING: {IN_DOUBT, SUPPRESSED, EXCLUDED, ACCEPTED, CANCELLED}},
        (
            Rule("an intent is committed first", lambda facts, _: facts.is_alone),
            Rule("a restored database sends nothing", lambda facts, _: not facts.is_restored),
            Rule("a number is in doubt once", _nobody(IN_DOUBT, lambda facts, id_: facts.people[id_].elsewhere)),
            Rule("who has left is read in the intent", _nobody(IN_DOUBT, lambda facts, id_: facts.people[id_].left)),
            Rule("what was found is kept", _nobody(IN_DOUBT, lambda facts, id_: facts.people[id_].before)),
            _SENDS,
        ),
    ),
    # The first byte leaves, after a last look.
    "write": Step(
        (),
        (),
        {},
        (
            Rule("no request is late", lambda facts, _: not facts.is_late and facts.attempt == OPEN),
            _SENDS,
        ),
    ),
    # The gateway stores a message: of somebody in doubt, whose request is not concluded as missed.
    "store": Step(
        (),
        (),
        {},
        (
            Rule("no request is late", lambda facts, _: facts.attempt != CLOSED),
            Rule("an intent is committed first", lambda facts, _: facts.attempt != NONE),
        ),
    ),
    # The reply names its messages; whoever is left out has failed.
    "reply": Step(
        {SENDING, UNKNOWN},
        (),
        {IN_DOUBT: {ACCEPTED, FAILED}},
        (_ONCE, Rule("accepted is what the gateway has", _nobody(ACCEPTED, _is_unseen))),
    ),
    # Proven not sent, because not one byte has left.
    "unsent": Step(
        {SENDING, UNKNOWN},
        (),
        {IN_DOUBT: {PENDING}},
        (
            _ONCE,
            Rule("a lost reply proves nothing", lambda facts, _: facts.ending != LOST),
            Rule(FAILURES, lambda facts, _: facts.ending != FAILURE),
            Rule("a refusal is looked up", lambda facts, _: facts.ending != REFUSAL),
        ),
    ),
    # No proof: it is looked up from now on.
    "doubt": Step({SENDING}, {OPEN}, {}),
    # Its process has not stored an outcome in time.
    "abandon": Step(
        {SENDING}, {OPEN}, {}, (_LEADS, Rule("only a late request is abandoned", lambda facts, _: facts.is_late))
    ),
    # What follows from the looks.
    "verdict": Step(
        {SENDING, UNKNOWN},
        (),
        {IN_DOUBT: {ACCEPTED, PENDING, FAILED, HELD}},
        (
            _ONCE,
            _LEADS,
            Rule("accepted is what the gateway has", _nobody(ACCEPTED, _is_unseen)),
            Rule("absence is looked for", _is_looked_up),
            Rule(SETTLE, _has_settled_looks),
            Rule("absence is believed of reads with a control", _has_controls),
        ),
    ),
    "take": Step((), (), {}, (Rule("a lease is taken when it has expired", lambda facts, _: facts.is_expired),)),
    # What else happens to rows: none of it puts anybody in doubt, and none but `recover` takes anybody out of it.
    "leave": Step(
        (), (), {PENDING: _UNSENT}, (Rule("accepted is what the gateway has", _nobody(ACCEPTED, _is_unseen)),)
    ),
    "receipt": Step(
        (),
        (),
        {
            ACCEPTED: {*_IN_PHONES, EXPIRED},
            SENT: _IN_PHONES,
            FAILED: {*_IN_PHONES, PENDING},
            EXPIRED: _IN_PHONES,
            CANCELLED: _IN_PHONES,
        },
    ),
    # `recover` finds their message, whatever their request will be found to be.
    "recover": Step(
        (), (), {IN_DOUBT: {ACCEPTED}}, (Rule("accepted is what the gateway has", _nobody(ACCEPTED, _is_unseen)),)
    ),
    "resolve": Step((), (), {HELD: {ACCEPTED, PENDING, FAILED, CANCELLED}}),
    # A batch without a request under way, in place of a person.
    "wait": Step(
        (),
        (),
        {
            NONE: {PLANNED},
            PLANNED: {QUEUED, *_ENDED},
            QUEUED: {PLANNED, *_ENDED},
            HELD: {PLANNED, *_ENDED},
            ACCEPTED: {PLANNED},
        },
    ),
}
"""Every step. Its key is its name in traces and reports."""

RULES: Final = frozenset(rule.name for step in STEPS.values() for rule in step.rules)
NO_RULE: Final[frozenset[str]] = frozenset()


def broken(name: str, facts: Facts, ends: Ends, without: frozenset[str] = NO_RULE) -> list[str]:
    """Return what forbids the step: moves that it does not have, and names of broken rules. Empty: it is allowed."""
    step = STEPS[name]
    found = [f"a batch that is {facts.batch}"] if step.batch and facts.batch not in step.batch else []
    if step.attempt and facts.attempt not in step.attempt:
        found.append(f"an attempt that is {facts.attempt}")
    for id_, to in ends.items():
        was = facts.people[id_].state
        if to not in step.moves.get(was, ()):
            found.append(f"{was} to {to}")
    found += [rule.name for rule in step.rules if rule.name not in without and not rule.holds(facts, ends)]
    return found


def concluded(states: Collection[str]) -> str:
    """Return the state of a batch after its request has ended, from those of its people."""
    for state, batch in ((PENDING, PLANNED), (IN_DOUBT, UNKNOWN), (HELD, HELD), (ACCEPTED, ACCEPTED)):
        if state in states:
            return batch
    return REFUSED
