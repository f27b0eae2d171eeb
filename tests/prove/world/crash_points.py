"""Where the process is killed, in which world, and all other variations: the matrix of the crash proof."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Final

from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule

FAULTY_REQUESTS: Final = 3
"""This many first sends of a faulty world fail: all that may be in doubt at once, so that later ones wait."""


class Database(StrEnum):
    """Where the truth is kept."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class Policy(StrEnum):
    """`follow.on_unknown`. `resend` is left out: as documented, it doubles what was stored without an answer."""

    RECONCILE = "reconcile"
    HOLD = "hold"


class Kind(StrEnum):
    """What the campaign is like."""

    PEOPLE = "people"
    CONTACT_LIST = "contact_list"
    STEPS = "steps"  # with a step that is for nobody, so that everybody still has one text
    BROKEN = "broken"  # a text that costs more than its daily budget: planning fails


@dataclass(frozen=True, slots=True)
class World:
    """The circumstances of a crash. `first_crash` ends an earlier process, so that there is something to come back to.

    `fault` befalls the first sends. `rate_per_second` (segments) throttles the campaign. `delivery_seconds` is how long
    receipts take. `only`: this database alone; None: each.
    """

    name: str
    fault: str = ""
    first_crash: str = ""
    kind: Kind = Kind.PEOPLE
    rate_per_second: int | None = None
    delivery_seconds: float = 0.3
    only: Database | None = None

    def faults(self, seed: int) -> FaultPlan:
        """The sandbox's plan."""
        if not self.fault:
            return FaultPlan(seed=seed)
        rule = FaultRule((RequestKind.SEND,), 1.0, {self.fault: 1.0}, until_request=FAULTY_REQUESTS)
        return FaultPlan(seed=seed, rules=(rule,))


QUIET: Final = World("no fault")
LOST: Final = World("reply lost", "drop_after")
STORED: Final = World("error after storing", "server_error_after")
UNSTORED: Final = World("error, not stored", "server_error_before")
CAME_BACK: Final = World("killed before", first_crash="post:replied:1")
THROTTLED: Final = World("rate", rate_per_second=10)
NO_CREDITS: Final = World("no credits", "refused_credits")
SLOW: Final = World("not stored, slow receipts", "server_error_before", delivery_seconds=18.0)
"""Certain to be missed after 5 s, watched for from 8 s on, every 5 s: the run must last that long."""

LEASED: Final = World("lease", delivery_seconds=6.0, only=Database.POSTGRESQL)
"""`run` holds a lease there, and lasts long enough to renew it, every 3 s."""

A_LIST: Final = World("contact list", kind=Kind.CONTACT_LIST)
STEPPED: Final = World("a step", kind=Kind.STEPS)
BROKEN: Final = World("too dear", kind=Kind.BROKEN)

ANY: Final = (QUIET, LOST, STORED, UNSTORED)
FAULTY: Final = (LOST, STORED, UNSTORED)

TRANSACTIONS: Final[Mapping[str, tuple[World, ...]]] = {
    "account": ANY,
    "lease_take": (LEASED,),
    "lease_renew": (LEASED,),
    "lease_end": (LEASED,),
    "register": ANY,
    "plan_chunk": ANY,
    "plan_list": (A_LIST,),
    "plan_steps": (STEPPED,),
    "step_release": (STEPPED,),
    "plan_finished": ANY,
    "plan_failed": (BROKEN,),
    "probe_now": (NO_CREDITS,),
    "requeue_mine": ANY,
    "meet": ANY,
    "start": ANY,
    "queue": ANY,
    "snooze": (THROTTLED,),
    "intent": ANY,
    "reply": ANY,
    "failure": FAULTY,
    "rescue": (CAME_BACK,),
    "verdict": (CAME_BACK, *FAULTY),
    "watch": (SLOW,),
    "poll_schedule": ANY,
    "count_reads": ANY,
    "receipts": ANY,
    "courses": ANY,
    "settle": ANY,
    "finish": ANY,
    "replies_read": ANY,
}
"""Every transaction that `campaigns run` can reach, and the worlds in which it does."""

REQUESTS: Final[Mapping[str, tuple[World, ...]]] = {
    "post:before_connect": ANY,
    "post:before_first_byte": ANY,
    "post:replied": ANY,
    "post:failed": FAULTY,
}

NOT_BY_RUN: Final[Mapping[str, str]] = {
    "no_reply": "`resend --only no-reply`",
    "step_empty": "a step for which nobody is left before it begins",
    "probe": "60 s after an account was paused; `run` has given up by then",
    "requeue_all": "`up` and `worker`",
    "move_leave": "`move`",
    "move_copy": "`move`",
    "move_go": "`move`",
    "move_open": "`move`",
    "move_undo": "`move`",
    "recover": "`recover`",
    "accepted_before": "a campaign of which `recover` found texts before it was planned",
    "recover_end": "`recover`",
    "resolve": "`resolve`",
    "resolve_bulk": "`people`",
    "answer": "`reply`",
    "message": "`POST /v1/messages`; tests/scheduler/services/test_messages.py kills it there",
    "resend": "`resend`",
    "resend_followed": "`resend`",
    "test": "`test`",
    "test_given_up": "`test`",
    "queue_undone": "a service whose Redis is away",
    "phones": "a campaign whose phones may not text all of its people, or whose people have phones of their own",
    "phones_list": "a budget of people that was set after a contact list was planned",
    "people_counted": "a budget of people; the tests of phones delete its rows",
    "cap": "a campaign with a frequency cap that somebody is over; the proof has one campaign",
    "budget_spent": "a budget of a day or a month: no run of the proof lasts so long",
    "money_in_doubt": "a budget of money while texts in doubt hold a part of it",
    "key_for_erasing": "a key for the hashes of the erased",
    "currency": "prices: the proof has none; what is charged is charged in the intent",
    "budget_opened": "a budget of money, in a new period",
    "budget_split": "a budget of money that has room for a part of a request",
    "money_spent": "a budget of money for a day or a month",
    "money_gone": "a budget of money for all that a campaign costs",
    "no_prices": "a budget of money without prices",
    "unaffordable": "a text without a price, or one that costs more than a budget",
    "forget": "a service; `run` leaves old notices alone",
    "forget_people": "the same of whom phones texted in earlier months",
    "erase_asked": "`erase`; tests/prove/short/test_prove_erasing.py kills it there",
    "erase": "the same",
    "forget_portion": "a service that keeps texts or people for some days; the same test kills it there",
    "forget_run": "the same",
    "forget_rest": "the same",
    "forgotten": "the same",
    "wiped": "the same, and `erase`",
    "stuck": "a phone that has sent nothing for minutes; no run of the proof waits so long",
    "retry": "a campaign with `retry_failed` whose phones fail; no run of the proof waits so long",
    "doubt_put_off": "a look-up that fails here, not at the gateway",
    "watch_put_off": "the same of a missed request",
    "retry_watch": "a minute and more after a failed text was sent again",
    "last_look": "receipts that are missing when following ends; here all come before that",
    "late": "a campaign with `if_late` that misses its moment while it sends",
    "process_seen": "a service says that it is there",
    "process_leaves": "a service that ends in order",
    "pause": "`pause`",
    "resume": "`resume`",
    "cancel": "`cancel`",
    "contact": "`contacts`",
    "repeat_call": "`calls repeat`",
    "add_user": "`users`",
    "remove_user": "`users`",
    "set_role": "`users`",
    "set_password": "`users`",
    "add_token": "`tokens`",
    "remove_token": "`tokens`",
    "sign_in": "a person who signs in",
    "sign_in_first": "the first-run link",
    "sign_in_failed": "a wrong password",
    "sign_out": "a person who signs out",
    "note_token": "a call with a token",
    "note_session": "a call of a browser",
    "approve": "`approve`",
    "wake": "a limit that is changed while the service runs",
    "throttle": "`throttle`",
    "not_heard": "replies that cannot be read before a run starts",
    "replies_passed_over": "a reply that is too long to be read",
    "clock_jump": "a clock of ours that jumps",
    "clock_offsets": "a gateway whose clock is off",
    "trouble_over": "a gateway that was in trouble works again; `run` has given up by then",
    "replies": "somebody answers: nobody does in this proof",
    "suppress": "`suppress`",
    "unsuppress": "`suppress`",
    "review": "`suppress`",
    "unsubscribed": "somebody on the list of opt-outs, and a campaign to a contact list",
    "unsubscribe_failed": "the same, at a gateway that does not take it",
    "alerts": "a service; `run` raises no alerts",
    "notice_spread": "two or three times in a run, whatever is told: tests of notices break it off there",
    "notice_postponed": "a file with a secret that cannot be read",
    "notice_claim": "a campaign of which somebody is told",
    "notice_told": "a campaign of which somebody is told",
    "notice_failed": "a campaign of which somebody is told, in vain",
    "notice_release": "very many notices for one target",
    "inbox_remember": "the inbox",
    "inbox_forget": "the inbox",
    "inbox_cancel": "the inbox",
    "inbox_status": "the inbox",
    "inbox_next_run": "the inbox, of a campaign that repeats",
    "repeat_register": "the inbox, of a campaign that repeats",
    "repeat_next": "the inbox, of a campaign that repeats",
    "repeat_plan": "the inbox, of a campaign that repeats",
    "repeat_unapproved": "the inbox, of a campaign that repeats and has to be approved",
    "repeat_missed": "the inbox, of a campaign that repeats",
    "repeat_stop": "the inbox, of a campaign that repeats",
    "plan_more": "a table with more people, dropped again after sending began",
    "extend_counted": "the same, submitted by a token with a quota",
    "call_once": "a call of the API with an Idempotency-Key",
    "make_months": "a service; `run` makes no partitions",
    "drop_month": "a service; `run` drops no partitions",
    "forget_calls": "a service; `run` leaves old calls alone",
    "upload": "a table that comes over HTTP",
    "upload_remember": "a campaign file that comes over HTTP",
    "remind_register": "a campaign that reminds: its runs are proven by the tests of its days",
    "remind_chunk": "a campaign that reminds",
    "remind_finish": "a campaign that reminds",
    "repeat_unbegun": "the inbox, of a campaign that repeated",
}
"""Transactions that `campaigns run` does not reach, and what reaches them."""

ONCE: Final = frozenset(
    {
        "account",
        "register",
        "plan_list",
        "plan_steps",
        "step_release",
        "plan_finished",
        "plan_failed",
        "probe_now",
        "requeue_mine",
        "count_reads",
        "settle",
    }
    | {"lease_take", "lease_end", "plan_chunk", "meet", "start", "queue", "rescue", "watch", "finish", "replies_read"}
)
"""What one process does, or may do, only once: the n-th time is then the n-th process that is killed there."""


SIDES: Final = ("before_commit", "committed")
REQUEST: Final = "request"


@dataclass(frozen=True, slots=True)
class Case:
    """One campaign with one way to be killed. `seed` decides the randomness of its gateway."""

    point: str
    nth: int
    world: World
    policy: Policy
    database: Database
    seed: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        return f"{self.point}:{self.nth}, {self.world.name}, {self.policy}, {self.database}"

    @property
    def place(self) -> str:
        """The transaction or the request."""
        return self.point if self.point in REQUESTS else self.point.partition(":")[0]

    @property
    def side(self) -> str:
        """Of the commit: one of `SIDES`, or `REQUEST`."""
        return REQUEST if self.point in REQUESTS else self.point.partition(":")[2]

    def crashes(self) -> tuple[str, ...]:
        """Where each process is killed, in turn."""
        earlier = (self.world.first_crash,) if self.world.first_crash else ()
        if self.place in ONCE:
            return (*earlier, *[f"{self.point}:1"] * self.nth)
        return (*earlier, f"{self.point}:{self.nth}")


def points() -> Iterator[tuple[str, World]]:
    """Every point with every world in which it can be reached."""
    for name, worlds in TRANSACTIONS.items():
        for edge, world in product(SIDES, worlds):
            yield f"{name}:{edge}", world
    for point, worlds in REQUESTS.items():
        for world in worlds:
            yield point, world


def matrix(seed: int) -> list[Case]:
    """The whole matrix: point, world, first to third time, policy, database."""
    every = product(points(), (1, 2, 3), Policy, Database)
    ways = (way for way in every if way[0][1].only in {None, way[3]})
    return [
        Case(point, nth, world, policy, database, seed + number)
        for number, ((point, world), nth, policy, database) in enumerate(ways)
    ]


def sample(seed: int, size: int) -> list[Case]:
    """This many cases of the matrix, each at a different transaction or request while there are any left.

    The first three have both sides of a commit and a request, the first six each of these on each database.
    """
    cases = matrix(seed)
    random.Random(seed).shuffle(cases)
    first: dict[str, Case] = {}
    sides = (*SIDES, REQUEST)
    for wanted in zip(sides * len(Database), [*Database] * len(sides), strict=True):
        case = next(case for case in cases if (case.side, case.database) == wanted and case.place not in first)
        first[case.place] = case
    seen = Counter[str]()

    def turn(case: Case) -> int:
        seen[case.place] += 1
        return seen[case.place]

    every = dict.fromkeys([*first.values(), *cases])
    return [case for _, case in sorted(((turn(case), case) for case in every), key=lambda pair: pair[0])][:size]
