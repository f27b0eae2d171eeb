"""What a person approves before a campaign with `approval: true` sends anything, and what has changed since then."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:  # the command line imports this module, and its help must not wait for pydantic
    from campaigns.definition import Definition

SHORTEST: Final = 8
"""How many digits of a hash are enough to identify it."""

SHOWN: Final = 12
"""How many are shown in a command to copy: no two plans of a campaign share them."""


def is_needed(definition: "Definition", to_look_at: int) -> bool:
    """Return whether a person has to approve a plan: the file asks for it, or the plan has something `to_look_at`.

    That means rows under `exclude` without a number, whose people would get texts although they asked for none, and
    people who got the same text a moment ago. Reminders, which are planned again all day, are not held: texts promised
    to many people for a certain hour would all be late.
    """
    return definition.approval or (to_look_at > 0 and definition.schedule.remind is None)


def to_approve(definition: "Definition", plan_hash: str) -> str:
    """Return the hash that has to be approved before a run with this plan may start.

    Usually it is the plan's hash, over the file and everybody's number, state and text. The runs of a campaign that
    repeats are planned five minutes before their moment, from the tables as they are then, when nobody is watching. So
    its file is approved instead.
    """
    return plan_hash if definition.schedule.repeat is None else definition.content_hash


def command(campaign: str, approval: str) -> str:
    """Return the command that approves it."""
    return f"campaigns approve {campaign} --plan {approval[:SHOWN]}"


@dataclass(frozen=True, slots=True)
class Approvable:
    """A stored plan that waited for approval: its hash, the file it was made from, and its counts by state."""

    approval: str
    content_hash: str
    counts: Mapping[str, int]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(values["plan"], values["file"], values["counts"])

    def to_json(self) -> dict[str, Any]:
        return {"plan": self.approval, "file": self.content_hash, "counts": dict(self.counts)}

    def changes(self, since: "Approvable") -> str:
        """Return the differences from an earlier one, in words."""
        return ", ".join(self._changes(since)) or "somebody in it has a different number or text"

    def _changes(self, since: "Approvable") -> Iterator[str]:
        if self.content_hash != since.content_hash:
            yield "the file was changed"
        for state in dict.fromkeys([*since.counts, *self.counts]):
            before, now = since.counts.get(state, 0), self.counts.get(state, 0)
            if before != now:
                yield f"{now:,} {state} instead of {before:,}"
