"""Charts, as SVG in the page. Widths are attributes: the policy of the pages forbids those of `style`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from campaigns.display import state_words
from campaigns.following.course import BOTTLENECKS, Bottleneck, Line, reached_at
from campaigns.lifecycle import RecipientState
from scheduler.report.course import STAGE_WORDS, SeenCourse

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


def share(part: int, whole: int, look: str = "set") -> Markup:
    """Return a bar for one figure among others; `whole`: the longest one."""
    return Markup(
        '<svg class="share" viewBox="0 0 {} 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="{}" width="{}" height="10"/></svg>'
    ).format(WIDTH, look, max(NARROWEST, WIDTH * part // whole) if whole else 0)


POINTS: Final = 120
"""On each line, however long the run was."""

ROWS: Final = 12
"""Of the table that says what a chart shows."""

HEIGHT: Final = 300

BOTTLENECK_LOOKS: Final[Mapping[Bottleneck, str]] = {
    Bottleneck.PAUSE: "bad",
    Bottleneck.GATEWAY: "warn",
    Bottleneck.DOUBT: "bad",
    Bottleneck.WINDOW: "plain",
    Bottleneck.MOMENT: "plain",
    Bottleneck.RECEIPTS: "good",
}
"""The class of what keeps a run back; the others are limits that somebody set."""


def course(seen: SeenCourse) -> Markup:
    """Return a run over time: a line for each stage, on the forecast as a band. The band is as wide as it is late."""
    if seen.is_empty:
        return Markup()
    parts = [Markup('<line x1="0" x2="{}" y1="{}" y2="{}"/>').format(WIDTH, y, y) for y in (0, HEIGHT // 2, HEIGHT - 1)]
    if seen.forecast:
        planned, expected = list(_points(seen, seen.forecast)), list(_points(seen, seen.forecast, seen.behind))
        parts.append(Markup('<polygon class="band" points="{}"/>').format(_written([*planned, *reversed(expected)])))
        parts.append(Markup('<polyline class="planned" points="{}"/>').format(_written(planned)))
    for place, line in enumerate(seen.lines):
        if line:
            points = _written(list(_points(seen, line, is_past=True)))
            parts.append(Markup('<polyline class="k{}" points="{}"/>').format(place, points))
    said = ", ".join(f"{words} {count:,}" for words, count in reached(seen))
    start = Markup('<svg class="course" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">')
    return start.format(WIDTH, HEIGHT, f"Over time: {said}") + Markup().join(parts) + Markup("</svg>")


def _points(
    seen: SeenCourse, line: Line, shift: float = 0.0, *, is_past: bool = False
) -> Iterator[tuple[float, float]]:
    """Yield places on the picture. What is past ends where it was last seen."""
    (first, last), most, until = seen.ends, seen.most, seen.seen_until
    for place in range(POINTS + 1):
        at = first + (last - first) * place / POINTS
        if is_past and place and at > until:
            return
        yield place * WIDTH / POINTS, HEIGHT - (HEIGHT - 1) * reached_at(line, at - shift) / most


def _written(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.0f},{y:.1f}" for x, y in points)


def reached(seen: SeenCourse) -> list[tuple[str, int]]:
    """Return how many people reached each stage."""
    return [(words, line[-1][1] if line else 0) for words, line in zip(STAGE_WORDS, seen.lines, strict=True)]


def course_rows(seen: SeenCourse) -> list[tuple[datetime, list[int | None]]]:
    """Return the same as a table: at some moments, how many people each line has; None: it lies ahead."""
    (first, last), until = seen.ends, seen.seen_until
    ahead = [False] * len(seen.lines) + [True] * bool(seen.forecast)
    lines = [*seen.lines, seen.forecast][: len(ahead)]
    moments = [first + (last - first) * place / (ROWS - 1) for place in range(ROWS)]
    return [
        (
            datetime.fromtimestamp(at, UTC),
            [
                round(reached_at(line, at)) if is_ahead or at <= until else None
                for line, is_ahead in zip(lines, ahead, strict=True)
            ],
        )
        for at in moments
    ]


def strip(seen: SeenCourse) -> Markup:
    """Return what kept the run back, below the same times as its course."""
    if not seen.kept:
        return Markup()
    first, last = seen.ends
    parts = []
    for each in seen.kept:
        x, end = (WIDTH * (at - first) / (last - first) for at in (each.since, each.until))
        parts.append(
            Markup('<rect class="{}" x="{}" y="0" width="{}" height="20"><title>{}</title></rect>').format(
                BOTTLENECK_LOOKS.get(each.bottleneck, "set"),
                f"{x:.1f}",
                f"{max(1.0, end - x):.1f}",
                BOTTLENECKS[each.bottleneck],
            )
        )
    start = Markup('<svg class="shares" viewBox="0 0 {} 20" preserveAspectRatio="none" aria-hidden="true">')
    return start.format(WIDTH) + Markup().join(parts) + Markup("</svg>")


def kept_back(seen: SeenCourse) -> list[tuple[str, str, float]]:
    """Return for how many seconds what kept the run back, the longest first: words, class, seconds."""
    found: Counter[Bottleneck] = Counter()
    for each in seen.kept:
        found[each.bottleneck] += round(each.until - each.since)
    return [
        (BOTTLENECKS[bottleneck], BOTTLENECK_LOOKS.get(bottleneck, "set"), seconds)
        for bottleneck, seconds in found.most_common()
    ]


def kept_rows(seen: SeenCourse) -> list[tuple[datetime, str]]:
    """Return the same as a table, in order of time: since when, and what."""
    return [(datetime.fromtimestamp(each.since, UTC), BOTTLENECKS[each.bottleneck]) for each in seen.kept]
