"""Charts, as SVG in the page. Widths are attributes: the policy of the pages forbids those of `style`."""

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from campaigns.display import state_words
from campaigns.lifecycle import RecipientState

WIDTH: Final = 1_000
NARROWEST: Final = 4
"""Of a state in which there is anybody: one person of a million must be seen."""

LOOKS: Final[Mapping[RecipientState, str]] = {
    RecipientState.PENDING: "ahead",
    RecipientState.IN_DOUBT: "warn",
    RecipientState.ACCEPTED: "good",
    RecipientState.SENT: "good",
    RecipientState.DELIVERED: "good",
    RecipientState.FAILED: "bad",
    RecipientState.HELD: "bad",
    RecipientState.EXPIRED: "bad",
}
"""The class of a state; the others, to whom nothing is sent, are plain."""


def widths(counts: Mapping[RecipientState, int]) -> dict[RecipientState, int]:
    """Return how wide each state is that has anybody: together exactly `WIDTH`."""
    whole = sum(counts.values())
    found = {state: max(NARROWEST, WIDTH * people // whole) for state, people in counts.items() if people}
    if found:
        largest = max(found, key=lambda state: counts[state])
        found[largest] += WIDTH - sum(found.values())
    return found


def bar(counts: Mapping[RecipientState, int]) -> Markup:
    """Return one bar of all people by state; empty of nobody. The figures stand beside it as text."""
    parts, left = [], 0
    for state, width in widths(counts).items():
        said = f"{counts[state]:,} {state_words(state)}"
        parts.append(
            Markup('<rect class="{}" x="{}" y="0" width="{}" height="20"><title>{}</title></rect>').format(
                LOOKS.get(state, "plain"), left, width, said
            )
        )
        left += width
    if not parts:
        return Markup()
    # It says nothing that the list below it does not say, so it is no second list for those who hear the page.
    start = Markup('<svg class="shares" viewBox="0 0 {} 20" preserveAspectRatio="none" aria-hidden="true">').format(
        WIDTH
    )
    return start + Markup().join(parts) + Markup("</svg>")
