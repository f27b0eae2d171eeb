"""The report of a campaign as one HTML page: charts, why texts did not arrive, and whom they did not reach.

It loads nothing from elsewhere: no script, no font, no picture. Bars are HTML boxes, the timeline is an inline drawing,
colours follow the reader's light or dark setting.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final, TextIO
from zoneinfo import ZoneInfo

from campaigns.display import shown_time, state_words
from campaigns.lifecycle import RecipientState
from scheduler.report.meanings import MEANINGS
from scheduler.report.page_figures import BAD, GOOD, STAGES, PageFigures, count_figures
from worker.store.engine import Store
from worker.store.reports.exports import Exported
from worker.store.runs.runs import RunView

P = RecipientState

BINS: Final = 120
"""The number of intervals on the timeline."""

SHORT_SECONDS: Final = 600
"""A timeline shorter than this shows seconds at its ends."""


def write_page(
    store: Store, runs: Sequence[RunView], stream: TextIO, *, zone: ZoneInfo, with_resends: bool = False
) -> int:
    """Write the report of a campaign's runs; return how many recipients. Numbers are written in full, texts are not.

    `with_resends` as in `worker.store.reports.exports.export_pages`.
    """
    figures = count_figures(store, runs, with_resends=with_resends)
    stream.writelines(_page(runs, figures, zone))
    return figures.people


def _page(runs: Sequence[RunView], figures: PageFigures, zone: ZoneInfo) -> Iterator[str]:
    run = runs[-1]
    yield _HEAD.format(title=escape(f"{run.campaign}: report"), style=_STYLE)
    yield f"<h1>{escape(run.campaign)}</h1>\n<p class=facts>{escape(_facts(runs, zone))}</p>\n"
    yield from _tiles(figures)
    yield from _bars("Outcome for everybody", _of_states(figures))
    yield from _course(figures, zone)
    yield from _bars(
        "Why texts did not arrive", [(reason, n, "bad", "") for reason, n in figures.reasons.most_common(20)]
    )
    yield from _bars("Phones", _of_devices(figures))
    yield from _list(figures)
    yield "</main>\n</html>\n"


def _facts(runs: Sequence[RunView], zone: ZoneInfo) -> str:
    run = runs[-1]
    started = min((r.started_at for r in runs if r.started_at is not None), default=None)
    parts = [state_words(run.state)]
    if run.rehearsal:
        parts.append("a rehearsal in the sandbox")
    if len(runs) > 1:
        parts.append(f"{len(runs):,} runs")
    if started is not None:
        parts.append(f"started {shown_time(started, zone)}")
    if run.finished_at is not None:
        parts.append(f"finished {shown_time(run.finished_at, zone)}")
    return ", ".join(parts)


def _tiles(figures: PageFigures) -> Iterator[str]:
    delivered = figures.states[P.DELIVERED.value]
    sent = delivered + figures.states[P.SENT.value]
    tiles = (
        ("people", figures.people, ""),
        ("sent", sent, _percent(sent, figures.people)),
        ("delivered", delivered, _percent(delivered, figures.people)),
        ("replied", figures.replies, _percent(figures.replies, sent)),
        ("opted out", figures.opt_outs, _percent(figures.opt_outs, sent)),
        ("segments", figures.segments, ""),
    )
    yield "<dl class=tiles>\n"
    for name, count, share in tiles:
        yield f"<div><dt>{name}</dt><dd>{count:,} <small>{share}</small></dd></div>\n"
    yield "</dl>\n"


def _of_states(figures: PageFigures) -> list[tuple[str, int, str, str]]:
    return [
        (
            state_words(state),
            figures.states[state.value],
            "good" if state.value in GOOD else "bad" if state.value in BAD else "plain",
            MEANINGS[state],
        )
        for state in RecipientState
        if figures.states[state.value]
    ]


def _of_devices(figures: PageFigures) -> list[tuple[str, int, str, str]]:
    totals: Counter[str] = Counter()
    for (name, _), count in figures.devices.items():
        totals[name] += count
    return [
        (
            f"device {name}",
            count,
            "plain",
            f"{failed:,} did not arrive" if (failed := figures.devices[name, True]) else "",
        )
        for name, count in sorted(totals.items())
    ]


def _bars(title: str, rows: Sequence[tuple[str, int, str, str]]) -> Iterator[str]:
    """Yield a bar for each row: name, count, colour, remark."""
    if not rows:
        return
    total, largest = sum(count for _, count, _, _ in rows), max(count for _, count, _, _ in rows)
    yield f"<section>\n<h2>{escape(title)}</h2>\n<table class=bars>\n"
    for name, count, colour, remark in rows:
        note = f"<small>{escape(remark)}</small>" if remark else ""
        yield (
            f"<tr><th scope=row>{escape(name)}{note}</th><td class=n>{count:,}</td>"
            f"<td class=n>{_percent(count, total)}</td>"
            f'<td class=bar><span class={colour} style="width:{100 * count / largest:.2f}%"></span></td></tr>\n'
        )
    yield "</table>\n</section>\n"


def _course(figures: PageFigures, zone: ZoneInfo) -> Iterator[str]:
    """Yield the timeline: how many people had reached each stage at each moment."""
    moments = [ten for counts in figures.tens.values() for ten in counts]
    if not moments:
        return
    first, last = _seconds(min(moments)), _seconds(max(moments)) + 10.0
    most = max(sum(counts.values()) for counts in figures.tens.values())
    yield "<section>\n<h2>Over time</h2>\n<p class=legend>"
    for place, (name, words) in enumerate(STAGES):
        if figures.tens[name]:
            yield f"<span class=k{place}></span>{words} {sum(figures.tens[name].values()):,} "
    yield (
        '</p>\n<svg viewBox="0 0 1000 300" preserveAspectRatio="none" role="img" '
        'aria-label="People handed over, sent to and delivered to, over time">\n'
    )
    for share in (0, 150, 300):
        yield f"<line x1=0 x2=1000 y1={share} y2={share} />\n"
    for place, (name, _) in enumerate(STAGES):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in _curve(figures.tens[name], first, last, most))
        if points:
            yield f'<polyline class=k{place} points="{points}" />\n'
    is_short = last - first < SHORT_SECONDS  # both ends may fall in one minute
    start, end = (shown_time(datetime.fromtimestamp(at, UTC), zone, seconds=is_short) for at in (first, last))
    yield f"</svg>\n<p class=axis><span>{escape(start)}</span><span>{escape(end)}</span></p>\n</section>\n"


def _curve(tens: Mapping[str, int], first: float, last: float, most: int) -> Iterator[tuple[float, float]]:
    if not tens:
        return
    bins: Counter[int] = Counter()
    for ten, count in tens.items():
        bins[int((_seconds(ten) - first) / (last - first) * BINS)] += count
    reached = 0
    yield 0.0, 300.0
    for place in range(BINS):
        reached += bins[place]
        yield (place + 1) * 1000 / BINS, 300 - 300 * reached / most


def _seconds(stored: str) -> float:
    return datetime.fromisoformat(f"{stored}0+00:00").timestamp()


def _list(figures: PageFigures) -> Iterator[str]:
    if not figures.listed:
        return
    yield "<section>\n<h2>Who did not get it, and why</h2>\n"
    if figures.to_explain > len(figures.listed):
        yield (
            f"<p>The first {len(figures.listed):,} of {figures.to_explain:,}; "
            "all of them are in <code>campaigns export</code>.</p>\n"
        )
    yield "<div class=wide><table>\n<tr><th>number</th><th>state</th><th>reason</th></tr>\n"
    yield from (_person(row) for row in figures.listed)
    yield "</table></div>\n</section>\n"


def _person(row: Exported) -> str:
    cells: Iterable[str] = (row.number, state_words(row.state), row.reason)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}&nbsp;%" if whole else ""


_HEAD: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
<main>
"""

_STYLE: Final = """\
:root { --page: #fff; --ink: #1c2430; --quiet: #5b6675; --line: #d8dee6; --good: #1b7f4b; --bad: #c0392b;
  --plain: #4a6fa5; --k0: #8a94a6; --k1: #2f6fce; --k2: #1b7f4b; }
@media (prefers-color-scheme: dark) { :root { --page: #14181f; --ink: #e8ecf2; --quiet: #9aa5b5; --line: #2d3542;
  --good: #4cc38a; --bad: #ff7b6b; --plain: #7fa6de; --k0: #7d8798; --k1: #6ea8ff; --k2: #4cc38a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.45 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { margin: 0; font-size: 1.7rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
.facts, small, .axis { color: var(--quiet); } .facts { margin: .2rem 0 1.2rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; margin: 0; }
.tiles div { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
dt { color: var(--quiet); } dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
dd small { font-size: .85rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem; }
th { font-weight: 600; } tr { border-bottom: 1px solid var(--line); }
.bars th { width: 38%; overflow-wrap: anywhere; } .bars th small { display: block; font-weight: 400; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { width: 40%; vertical-align: middle; }
.bar span { display: block; height: .8rem; min-width: 2px; border-radius: .2rem; }
.good { background: var(--good); } .bad { background: var(--bad); } .plain { background: var(--plain); }
svg { display: block; width: 100%; height: 14rem; overflow: visible; }
line { stroke: var(--line); vector-effect: non-scaling-stroke; }
polyline { fill: none; stroke-width: 2.5; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
polyline.k0 { stroke: var(--k0); stroke-dasharray: 6 4; } polyline.k1 { stroke: var(--k1); }
polyline.k2 { stroke: var(--k2); }
.legend span { display: inline-block; width: 1.2rem; height: .25rem; margin: 0 .35rem .2rem 0; }
span.k0 { background: var(--k0); } span.k1 { background: var(--k1); } span.k2 { background: var(--k2); }
.axis { display: flex; justify-content: space-between; gap: 1rem; font-size: .85rem; margin: .3rem 0 0; }
.wide { overflow-x: auto; } .wide td { font-variant-numeric: tabular-nums; }
@media (max-width: 30rem) { .bars th { width: 46%; } .bar { width: 20%; } }
"""
