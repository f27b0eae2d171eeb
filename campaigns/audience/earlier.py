"""The people of an earlier campaign as rows of an audience: what is known of them, by the names that `where` uses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from campaigns.audience.rows import AudienceProblem, AudienceRow
from campaigns.lifecycle import RecipientState
from campaigns.message.vocabulary import YES_OR_NO, Vocabulary

FIELDS: Final = ("number", "state", "replied", "opted_out", "variant", "delivered_at")
"""The fields of a row. Those of the campaign's own table are not kept."""

NO_PERSON: Final = frozenset({RecipientState.INVALID, RecipientState.DUPLICATE, RecipientState.EXCLUDED})
"""The states of rows that were nobody's, or whose people were left out on purpose: they are not in its audience."""

VOCABULARY: Final = Vocabulary(
    words=(
        ("state", tuple(state.value for state in RecipientState if state not in NO_PERSON)),
        ("replied", YES_OR_NO),
        ("opted_out", YES_OR_NO),
    ),
    moments=frozenset({"delivered_at"}),
)


class EarlierPeople(Protocol):
    """The people of one campaign, each once. Iterated again, they are the same."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about them, in words."""
        ...

    def __iter__(self) -> Iterator[AudienceRow]: ...


EarlierCampaigns: TypeAlias = Callable[[str], EarlierPeople]
"""Returns the people of the campaign with this name. Raises `AudienceProblem` if there is none, or it has not run."""


def unknown_campaigns(name: str) -> EarlierPeople:
    """Know no campaign, where there is no database. Raises `AudienceProblem`."""
    raise AudienceProblem(f"there is no campaign {name}", "nothing was sent from this database yet")


@dataclass(frozen=True, slots=True)
class _Nobody:
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[AudienceRow]:
        return iter(())


def nobody_known(_name: str) -> EarlierPeople:
    """Know nobody of any campaign, where nobody looks into the database."""
    return _Nobody()
