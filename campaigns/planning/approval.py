"""What somebody approves before a campaign with `approval: true` sends anything, and what changed since they looked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:  # the command line knows this module, and must not wait for pydantic to show its help
    from campaigns.definition import Definition

SHORTEST: Final = 8
"""So many digits of a hash are enough to name it."""

SHOWN: Final = 12
"""So many are shown in a command to copy: no two plans of a campaign share them."""


def is_needed(definition: "Definition", to_look_at: int) -> bool:
    """Whether somebody has to approve a plan: the file asks for it, or there is something in it `to_look_at`.

    That are rows under `exclude` that hold no number, for those people would be sent to and asked for the opposite, and
    people who got this very text a moment ago. Reminders, which are planned anew all day, are not held: what was
    promised to many for a certain hour would be late for all.
    """
    return definition.approval or (to_look_at > 0 and definition.schedule.remind is None)


def to_approve(definition: "Definition", plan_hash: str) -> str:
    """The hash that has to be approved before a run with this plan may start.

    The plan's: that of the file, everybody's number, state and text. The runs of a campaign that repeats are planned
    five minutes before their moment, from the tables as they are then, when nobody looks: its file is approved.
    """
    return plan_hash if definition.schedule.repeat is None else definition.content_hash


def command(campaign: str, approval: str) -> str:
    """What to type to approve it."""
    return f"campaigns approve {campaign} --plan {approval[:SHOWN]}"


@dataclass(frozen=True, slots=True)
class Approvable:
    """A plan that waited to be approved, as it is kept: its hash, the file it was made of, and its counts by state."""

    approval: str
    content_hash: str
    counts: Mapping[str, int]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(values["plan"], values["file"], values["counts"])

    def to_json(self) -> dict[str, Any]:
        return {"plan": self.approval, "file": self.content_hash, "counts": dict(self.counts)}

    def changes(self, since: "Approvable") -> str:
        """What is different from an earlier one, in words."""
        return ", ".join(self._changes(since)) or "somebody in it has another number or another text"

    def _changes(self, since: "Approvable") -> Iterator[str]:
        if self.content_hash != since.content_hash:
            yield "the file was changed"
        for state in dict.fromkeys([*since.counts, *self.counts]):
            before, now = since.counts.get(state, 0), self.counts.get(state, 0)
            if before != now:
                yield f"{now:,} {state} instead of {before:,}"
