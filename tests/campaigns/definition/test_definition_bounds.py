"""Files as large and as full as they may be: they cost a moment, and what is reported fits on a page."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from campaigns.checking import check_file
from campaigns.definition.loader import MAX_BYTES
from campaigns.problems import MOST_PROBLEMS, CampaignFileError, Problem

HEAD = "campaign: r\nmessage: hi\n"
PERSON = "audience: {recipients: [{number: '+393331234567'}]}\n"
FIELDS = [f"f{number}" for number in range(60)]


def filled(head: str, entry: Callable[[int], str], tail: str = "") -> str:
    """As many entries as there is room for."""
    parts, left, number = [head], MAX_BYTES - len(head) - len(tail), 0
    while len(one := entry(number)) <= left:
        parts.append(one)
        left -= len(one)
        number += 1
    return "".join([*parts, tail])


HOSTILE = {
    "unknown keys": filled(HEAD + PERSON, lambda number: f"k{number:x}:\n"),
    "phones": HEAD + PERSON + f"devices: {{use: {list(range(1, 29_999))}}}\n",
    "the same phone": filled(HEAD + PERSON + "devices: {use: [", lambda _: "1,", "1]}\n"),
    "sources of no kind": filled(HEAD + "audience: [", lambda _: "1,", "1]\n"),
    "tables": filled(HEAD + PERSON + "exclude: [", lambda number: f"{{file: f{number}.csv}},", "]\n"),
    "table with a long name": HEAD + PERSON + f"exclude: {{file: {'x' * 200_000}.csv}}\n",
    "aliases": filled(HEAD + PERSON + "devices: {use: [", lambda _: "*a,", "1]}\n"),
    "tags": filled(HEAD + PERSON + "devices: {use: [", lambda _: "!a 1,", "1]}\n"),
    "closed days": filled(HEAD + PERSON + "schedule: {window: {except: [", lambda _: "x,", "x]}}\n"),
    "offsets": filled(HEAD + PERSON + "schedule: {remind: {column: a, before: [", lambda _: "1h,", "1h]}}\n"),
    "steps": filled(HEAD + PERSON + "schedule: {spread: {ramp: [", lambda _: "{a: 1},", "]}}\n"),
    "variants": filled(
        "campaign: r\n" + PERSON + "variants: [",
        lambda number: f"{{name: v{number}, share: 1, message: '{{{{ a }}}}'}},",
        "]\n",
    ),
    "people without a field": filled(
        f"campaign: r\nmessage: '{''.join(f'{{{{ {name} }}}}' for name in FIELDS)}'\n"
        f"audience: {{recipients: [{{number: 1, {', '.join(f'{name}: a' for name in FIELDS)}}},",
        lambda _: "{number: 1},",
        "]}\n",
    ),
    "long key": HEAD + PERSON + f"{'k' * 100_000}: 1\n",
    "long value": HEAD + PERSON + f"kind: {'k' * 100_000}\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_m3_m4_whatever_a_file_repeats_it_costs_a_moment_and_is_told_in_a_page(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    assert path.stat().st_size <= MAX_BYTES
    began = time.monotonic()

    with pytest.raises(CampaignFileError) as caught:
        check_file(path, timezone="UTC", region=None)

    assert time.monotonic() - began < 15  # half a second to two seconds, alone on a machine
    assert len(caught.value.problems) <= MOST_PROBLEMS
    assert len(str(caught.value)) < 200_000


def test_m3_what_is_left_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(HEAD + PERSON + "".join(f"k{number:x}:\n" for number in range(30_000)), encoding="utf-8")

    with pytest.raises(CampaignFileError) as caught:
        check_file(path, timezone="UTC", region=None)

    assert (len(caught.value.problems), caught.value.more) == (100, 29_900)
    assert str(caught.value).endswith("\nand 29,900 more")
    assert [problem.line for problem in caught.value.problems] == list(range(4, 104))


def test_a_hundred_problems_are_all_told(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(HEAD + PERSON + "".join(f"k{number}:\n" for number in range(100)), encoding="utf-8")

    with pytest.raises(CampaignFileError) as caught:
        check_file(path, timezone="UTC", region=None)

    assert (len(caught.value.problems), caught.value.more) == (100, 0)
    assert "more" not in str(caught.value).splitlines()[-1]


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\n", "\r", "\x85", "\u202e", "\u2066", "\u200f", "\u2028", "\x9b"])
def test_l2_a_problem_is_one_line_of_what_can_be_seen(sign: str) -> None:
    told = str(Problem(f"a{sign}b.yaml", 1, 1, f"k{sign}", f"is {sign}0;pwn", f"did you mean {sign}?"))

    assert told == "a�b.yaml:1:1: k�: is �0;pwn (did you mean �?)"
