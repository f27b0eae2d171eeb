"""The worlds that are explored, and every rule of the protocol with the mutant that lacks it, in model and in code."""

from typing import Final, NamedTuple

from tests.prove.spec.protocol import EXCLUDED, SUPPRESSED
from tests.prove.spec.state import Scope

SCOPES: Final = {
    scope.name: scope
    for scope in (
        Scope("one request to one person", (0,), (0,), stale=True, blind=True),
        Scope("one request to two people", (0, 1), (0, 0), blind=True),
        Scope("two requests to one number", (0, 0), (0, 1)),
        Scope("people who opt out", (0, 1), (0, 0), leaving=SUPPRESSED),
        Scope("a step for those who do not answer", (0,), (0,), leaving=EXCLUDED),
        Scope("a run that is paused", (0,), (0,), stops=True),
        Scope("two schedulers", (0,), (0,), workers=1, schedulers=2, stale=True),
        Scope("a copy of the database is put back", (0,), (0,), backup=True, workers=1),
        Scope("the database is lost", (0, 1), (0, 0), loss=True),
        Scope("refusals that were not meant", (0,), (0,), stale=True, wrong_refusals=True),
        Scope("a limit of one request", (0, 1), (0, 1), limit=1, workers=1),
    )
}


class Mutant(NamedTuple):
    """A rule: its name, what the model lacks without it, the world in which that is found, and what takes it out of
    the code: a function of `removals`, whose circumstances `ablation` has, or `steps.ablated`.
    """

    name: str
    without: frozenset[str]
    scope: str
    removal: str


def _mutant(name: str, scope: str, removal: str, *without: str) -> Mutant:
    return Mutant(name, frozenset(without), scope, removal)


ONE, PAIR, NUMBER, LEAVING, STEP, PAUSED, TWO, COPY, LOSS, REFUSED, LIMIT = SCOPES

MUTANTS: Final = (
    _mutant(
        "retry every error", ONE, "retry_every_error",
        "a lost reply proves nothing", "a failure proves nothing", "a refusal is looked up",
    ),
    _mutant("trust success: false", ONE, "trust_refusals", "a failure proves nothing"),
    _mutant("trust the allow-list", REFUSED, "trust_allow_list", "a refusal is looked up"),
    _mutant("no last check", ONE, "no_last_check", "no request is late", "a stopped run sends nothing"),
    _mutant("settle at once", ONE, "settle_at_once", "absence is believed after it has settled"),
    _mutant("no control", ONE, "no_control", "absence is believed of reads with a control"),
    _mutant("no number lock", NUMBER, "no_number_lock", "a number is in doubt once"),
    _mutant("close twice", ONE, "close_twice", "an attempt is closed once"),
    _mutant("no quarantine", COPY, "no_quarantine", "a restored database sends nothing"),
    _mutant("what is found is not kept", LOSS, "keep_nothing", "what was found is kept"),
    _mutant("intent not committed", ONE, "intent_not_committed", "an intent is committed first"),
    _mutant("opt-out before intent", LEAVING, "no_opt_out_in_intent", "who has left is read in the intent"),
    _mutant("condition in intent", STEP, "steps.ablated", "who has left is read in the intent"),
    _mutant("no fence", TWO, "no_fence", "only the holder of the lease decides"),
    _mutant("no limit", LIMIT, "no_limit", "a limit is kept"),
    _mutant("limits are not rebuilt", LIMIT, "forget_grants", "limits are rebuilt from the attempts"),
)  # fmt: skip

WITHOUT_A_MUTANT: Final = {
    "a lease is taken when it has expired": "taken earlier, the fence still lets one decide",
    "only a late request is abandoned": "an early look proves nothing, and settling counts from `send_by`",
    "absence is looked for": "the looks that prove it are looks",
    "accepted is what the gateway has": "in the model nobody invents an ID; the replay asks the ledger",
}
"""Rules that the replay asks for, and why no promise breaks in the model without them."""
