"""The page of what was proved, made from the lines of one version alone."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import fill
from typing import Final

from tests.prove.record.lines import Ended, Line
from tests.prove.record.table import PIECES, failures

BEGIN: Final = "<!-- what follows is written by `python -m tests.prove.record` -->"
END: Final = "<!-- until here -->"
HEADS: Final = "| tried | reached | of |\n| --- | --- | --- |"
NOTHING: Final = "Nothing has been recorded on this version yet."
WIDTH: Final = 120


def page(lines: Sequence[Line]) -> str:
    """Return the page about these lines, which are all of one version."""
    return "\n\n".join(_parts(lines)) if lines else NOTHING


def put_into(document: str, text: str) -> str:
    """Return the document with this text between its two marks. `ValueError`: it has no such marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the document has no place for the page: put its two marks back")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def _parts(lines: Sequence[Line]) -> Iterator[str]:
    began, ended = min(line.began_at for line in lines)[:10], max(line.began_at for line in lines)[:10]
    loads = [load for line in lines for load in line.load]
    broken = sum(line.broken for line in lines)
    failed = sum(line.ended is Ended.FAILED for line in lines)
    cut_off = sum(line.ended is Ended.CUT_OFF for line in lines)
    yield _prose(
        f"Version `{lines[0].version}`, {began if began == ended else f'{began} to {ended}'}: {_runs(lines)} on "
        f"{os.cpu_count()} processors, at load averages from {min(loads):.1f} to {max(loads):.1f}. "
        f"**{broken:,} broken promises.** {failed:,} runs failed, and {cut_off:,} were cut off."
    )
    rows = (f"| {each.name} | {each.reached(lines):,} | {each.target:,} |" for piece in PIECES for each in piece.counts)
    yield "\n".join([HEADS, *rows])
    by_name = sorted(lines, key=lambda line: line.what)
    yield "\n".join(_about(what, list(found)) for what, found in groupby(by_name, lambda line: line.what))
    yield from (
        _prose(f"{line.broken:,} broken, {line.ended}: `{line.what}`, `{line.arguments}`") for line in failures(lines)
    )


def _about(what: str, lines: Sequence[Line]) -> str:
    """All runs of one name, as an entry of a list."""
    names = dict.fromkeys(name for line in lines for name in line.figures)
    sums = ", ".join(f"{name} {sum(line.figures.get(name, 0) for line in lines):,.0f}" for name in names)
    broken = sum(line.broken for line in lines)
    return _prose(f"- **{what}**, {_runs(lines)}, seeds {_seeds(lines)}: {sums}; broken {broken:,}", indent="  ")


def _runs(lines: Sequence[Line]) -> str:
    hours = sum(line.seconds for line in lines) / 3_600
    return f"{len(lines):,} run{'s' * (len(lines) != 1)} of {hours:.1f} hours"


def _seeds(lines: Sequence[Line]) -> str:
    """The seeds that were used, with those that follow one another as one."""
    used = sorted({seed for line in lines for seed in range(line.seed, line.seed + line.seeds)})
    spans = [list(group) for _, group in groupby(enumerate(used), lambda pair: pair[1] - pair[0])]
    return ", ".join(_span([seed for _, seed in group]) for group in spans) or "none"


def _span(seeds: Sequence[int]) -> str:
    return f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"


def _prose(text: str, indent: str = "") -> str:
    return fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def places(document: str) -> Iterable[str]:
    """Return what stands between the marks of a document."""
    return re.findall(f"{re.escape(BEGIN)}\n\n(.*?)\n\n{re.escape(END)}", document, re.DOTALL)
