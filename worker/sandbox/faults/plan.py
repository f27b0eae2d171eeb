"""What should go wrong, how often and when: a plan that can be written as JSON and repeated."""

import difflib
import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from worker.sandbox.errors import SandboxError
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.case import STRICT, FaultTimes
from worker.sandbox.faults.table import FAULTS, faults_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class FaultRule:
    """How often requests of these kinds fail, and with which faults. Raises `SandboxError` if it makes no sense.

    `rate` is a share (0..1), `faults` a weight for each name; if empty, every HTTP fault of the kind is equally likely.
    The rule applies from `from_seconds` on and before `until_seconds`, counted since the plan came into force, and from
    the request `from_request` to `until_request`, both included: the n-th of its own kind since then, from 1.
    """

    __pydantic_config__: ClassVar = STRICT

    requests: tuple[RequestKind, ...]
    rate: float
    faults: Mapping[str, float] = field(default_factory=dict)
    from_seconds: float = 0.0
    until_seconds: float | None = None
    from_request: int = 1
    until_request: int | None = None

    def __post_init__(self) -> None:
        if not self.requests or not 0 <= self.rate <= 1:
            raise SandboxError("A rule for faults needs kinds of requests and a rate from 0 to 1.")
        for name, weight in self.faults.items():
            if name not in FAULTS:
                near = difflib.get_close_matches(name, FAULTS, 1)
                raise SandboxError(f"There is no fault {name!r}" + (f": did you mean {near[0]!r}?" if near else "."))
            if weight <= 0:
                raise SandboxError(f"The weight of the fault {name!r} must be more than 0.")
            if not FAULTS[name].befalls & set(self.requests):
                able = ", ".join(sorted(FAULTS[name].befalls))
                raise SandboxError(f"The fault {name!r} affects only {able}: add that kind to its rule's requests.")
        for kind in self.requests:
            if not self.weights(kind):
                raise SandboxError(f"The rule has no fault that can affect {kind}: name one.")

    def weights(self, kind: RequestKind) -> dict[str, float]:
        """Return the faults of this rule that can hit a request of the kind."""
        if not self.faults:
            return dict.fromkeys(faults_of(kind), 1.0)
        return {name: self.faults[name] for name in faults_of(kind, self.faults)}

    def holds(self, kind: RequestKind, nth: int, elapsed_seconds: float) -> bool:
        """Return whether this rule decides on the n-th request of a kind."""
        return (
            kind in self.requests
            and self.from_seconds <= elapsed_seconds
            and (self.until_seconds is None or elapsed_seconds < self.until_seconds)
            and self.from_request <= nth
            and (self.until_request is None or nth <= self.until_request)
        )


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Rules, of which the first that applies decides; by default there are none, and nothing goes wrong."""

    __pydantic_config__: ClassVar = STRICT

    seed: int = 0
    rules: tuple[FaultRule, ...] = ()
    times: FaultTimes = field(default_factory=FaultTimes)

    @property
    def needs_proxy(self) -> bool:
        """Return whether a fault lies below HTTP."""
        return any(FAULTS[name].needs_proxy for rule in self.rules for name in rule.faults)

    def draw(self, kind: RequestKind, nth: int, elapsed_seconds: float) -> tuple[str | None, random.Random]:
        """Return the fault of the n-th request of a kind, or None, and the source of its inner choices.

        It is drawn from the seed, the kind and `nth` alone: polls in between do not change what sends meet.
        """
        rule = next((rule for rule in self.rules if rule.holds(kind, nth, elapsed_seconds)), None)
        if rule is None:
            return None, NO_CHOICE
        choice = random.Random(f"{self.seed}:{kind}:{nth}")  # noqa: S311 - it must be repeatable
        if choice.random() >= rule.rate:
            return None, choice
        weights = rule.weights(kind)
        return choice.choices(list(weights), list(weights.values()))[0], choice

    def to_json(self) -> str:
        """Return JSON from which `from_json` makes an equal plan."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str | bytes) -> "FaultPlan":
        """Return the plan of a JSON object; unknown fields are errors. Raises `SandboxError` with place and problem."""
        from pydantic import ValidationError

        try:
            return _adapter().validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            raise SandboxError(f"The fault plan cannot be used: {place}: {first['msg']}.") from None


NO_CHOICE = random.Random(0)  # noqa: S311 - where nothing was drawn, nothing is chosen


@cache
def _adapter() -> "TypeAdapter[FaultPlan]":
    # Imported here: a sandbox without a plan starts sooner.
    from pydantic import TypeAdapter

    return TypeAdapter(FaultPlan)
