"""What `campaigns top` draws, and the keys that it takes."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Group
from rich.table import Table
from rich.text import Text

from campaigns.display import shown_time, state_words
from campaigns.following.course import BOTTLENECKS, Line, reached_at
from scheduler.actions.reading.alerts import AlertView
from scheduler.actions.reading.runs import RunLine
from scheduler.cli.rendering.output import shown
from scheduler.report.course import STAGE_WORDS, SeenCourse

KEYS: Final = "q leaves, n and p show the next and the previous campaign, a shows all of them"

STEPS: Final = " ▁▂▃▄▅▆▇█"
COLUMNS: Final = 60
"""Of a curve."""

LONGEST_KEY: Final = 8
"""Bytes that one key may send: arrows send three."""


def draw_now(
    alerts: Sequence[AlertView], needs: Sequence[str], lines: Sequence[RunLine], zone: ZoneInfo, now: datetime
) -> Group:
    """Return what is at work, as on the page Now. `needs`: what else waits for somebody, as on the page Needs you."""
    parts: list[Text | Table] = [_title("Now", zone, now)]
    parts += [Text(shown(f"{alert.severity.value}: {alert.says}"), style="red") for alert in alerts]
    parts += [Text(need) for need in needs]
    if not lines:
        return Group(*parts, Text("nothing is sent or waits" if alerts or needs else "nothing needs you"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("campaign", "state", "what it is waiting for", "people", "done by", ""):
        table.add_column(heading, justify="right" if heading == "people" else "left")
    for line in lines:
        run = line.seen.run
        table.add_row(
            run.campaign,
            state_words(run.state),
            Text(shown(line.reason or "–")),
            f"{line.seen.books.audience:,}",
            shown_time(line.pace.ends_at, zone) if line.pace.ends_at else "–",
            line.pace.words,
        )
    return Group(*parts, table)


def draw_campaign(line: RunLine, course: SeenCourse, zone: ZoneInfo, now: datetime) -> Group:
    """Return how far one campaign is, as on its page."""
    seen = line.seen
    ends = shown_time(line.pace.ends_at, zone) if line.pace.ends_at else "–"
    counts = ", ".join(f"{people:,} {state_words(state)}" for state, people in seen.books.by_state.items() if people)
    facts = Table(box=None, pad_edge=False, show_header=False)
    for name, text in (
        ("state", state_words(seen.run.state)),
        ("waiting for", line.reason),
        ("people", f"{seen.books.audience:,}: {counts}"),
        ("last text", f"{ends} {line.pace.words}".strip()),
    ):
        if text:
            facts.add_row(Text(name, style="dim"), Text(shown(text)))
    parts: list[Text | Table] = [_title(seen.run.campaign, zone, now), facts]
    if not course.is_empty:
        parts += [Text(), _curves(course)]
        parts += [Text(f"kept back by {BOTTLENECKS[course.kept[-1].bottleneck]}")] if course.kept else []
    return Group(*parts)


def _title(name: str, zone: ZoneInfo, now: datetime) -> Text:
    return Text.assemble((shown(name), "bold"), ("  " + shown_time(now, zone, seconds=True), "dim"))


def _curves(course: SeenCourse) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    lines = [*zip(STAGE_WORDS, course.lines, strict=True), ("forecast", course.forecast)]
    for words, line in lines:
        if line:
            until = course.ends[1] if line is course.forecast else course.seen_until
            table.add_row(Text(words, style="dim"), curve(course, line, until), Text(f"{line[-1][1]:,}"))
    return table


def curve(course: SeenCourse, line: Line, until: float) -> Text:
    """Return a line as blocks of eight heights, up to a moment."""
    first, last = course.ends
    moments = [first + (last - first) * (place + 1) / COLUMNS for place in range(COLUMNS)]
    step = (last - first) / COLUMNS
    most = course.most
    heights = [max(0.0, reached_at(line, at)) / most for at in moments if at - step < until]
    return Text("".join(STEPS[min(len(STEPS) - 1, round(height * (len(STEPS) - 1)))] for height in heights))


class Keys:
    """The keys of a terminal, one at a time, without the Enter key."""

    def wait(self, seconds: float) -> str:
        """Return the key that is pressed within this time; empty if none is, and `q` at the end of the input."""
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if not ready:
            return ""
        return os.read(sys.stdin.fileno(), LONGEST_KEY).decode(errors="replace") or "q"


@contextmanager
def keys() -> Iterator[Keys]:
    """Take keys one at a time; afterwards the terminal is as it was."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield Keys()
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
