"""The record of the proof: lines, also of runs that are interrupted; what comes next; the page made from them."""

import os
import re
import signal
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.prove.crashes import MATRIX
from tests.prove.record import lines, page, table
from tests.prove.record.__main__ import README
from tests.prove.record.lines import Ended, Line, recording
from tests.prove.record.version import ROOT, UNKNOWN, version
from tests.prove.world.crash_points import matrix

PACKAGES = frozenset({"tests.prove.faults", "tests.prove.spec", "tests.prove.steps"})
"""Commands with a module `__main__`."""

LINE = Line(
    what="histories", seed=4, seeds=1, first=0, arguments="--seed 4", version="ab12cd34ef", is_dirty=False,
    began_at="2026-11-30T22:10:00+00:00", seconds=720.0, load=(0.5, 2.25),
    figures={"histories": 20_000, "recipients": 250_000}, broken=0, ended=Ended.COMPLETE,
)  # fmt: skip


def of_cases(first: int, cases: int) -> Line:
    return replace(LINE, what=MATRIX, seed=1, first=first, figures={"cases": cases, "kills": 2 * cases})


def test_a_run_leaves_a_line_when_it_ends(tmp_path: Path) -> None:
    # given
    file = tmp_path / "results.jsonl"
    # when
    with recording("money", seed=7, path=file) as record:
        record.seeds = 0
        for _ in range(2):
            record.seeds += 1
            record.add({"worlds": 1, "texts": 30}, broken=1)
    # then
    [line] = lines.read(file)
    assert (line.what, line.seed, line.seeds, line.broken, line.ended) == ("money", 7, 2, 2, Ended.COMPLETE)
    assert line.figures == {"worlds": 2, "texts": 60}
    assert (line.version, line.is_dirty) == version()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_what_it_got_to(tmp_path: Path, number: signal.Signals) -> None:
    # given
    file = tmp_path / "results.jsonl"
    handler = signal.getsignal(number)

    def run() -> None:
        with recording("steps", path=file) as record:
            record.add({"campaigns": 1})
            os.kill(os.getpid(), number)
            record.add({"campaigns": 1})

    # when
    with pytest.raises(SystemExit) as ended:
        run()
    # then
    [line] = lines.read(file)
    assert (ended.value.code, line.ended, line.figures) == (130, Ended.CUT_OFF, {"campaigns": 1})
    assert signal.getsignal(number) is handler


def test_a_run_that_fails_leaves_a_line_that_says_so(tmp_path: Path) -> None:
    # given
    file = tmp_path / "results.jsonl"
    # when
    with pytest.raises(TimeoutError), recording("stuck", path=file):
        raise TimeoutError
    # then
    assert [line.ended for line in lines.read(file)] == [Ended.FAILED]
    assert table.failures(lines.read(file)) == lines.read(file)


def test_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    # given
    file = tmp_path / "results.jsonl"
    lines.write(LINE, file)
    # when
    file.write_bytes(file.read_bytes() + b'{"what": "hist')
    # then
    assert lines.read(file) == [LINE]


def test_the_version_is_the_last_change_of_the_product(tmp_path: Path) -> None:
    # given
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=A", "-c", "user.email=a@sms.example")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def put(name: str, text: str, *, commit: bool) -> tuple[str, bool]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        if commit:
            git("add", name)
            git("commit", "-m", name)
        return version(tmp_path)

    without = version(tmp_path)
    git("init")
    # when
    first = put("worker/a.py", "1", commit=True)
    of_document = put("worker/README.md", "1", commit=True)
    of_test = put("tests/a.py", "1", commit=True)
    changed = put("worker/a.py", "2", commit=False)
    other = put("worker/b.py", "2", commit=False)
    second = put("worker/b.py", "2", commit=True)
    # then
    assert without == (UNKNOWN, False)
    assert first == of_document == of_test
    assert re.fullmatch("[0-9a-f]{10}", first[0])
    assert all(is_dirty and name.startswith(f"{first[0]}-changed-") for name, is_dirty in (changed, other))
    assert len({first[0], changed[0], other[0], second[0]}) == 4


def test_the_next_piece_takes_the_seeds_that_come_next() -> None:
    # given
    found = [replace(LINE, what="steps", seed=1, seeds=100), replace(LINE, what="steps", seed=101, seeds=37)]
    [piece] = [piece for piece in table.PIECES if piece.what == "steps"]
    # when / then
    assert piece.arguments([])[-1] == "1"
    assert piece.arguments(found)[-1] == "138"


@pytest.mark.parametrize(
    ("found", "place"),
    [
        ([], 0),
        ([of_cases(0, 172), of_cases(172, 31)], 203),
        ([of_cases(172, 31), of_cases(0, 172)], 203),
        ([of_cases(0, 172), of_cases(300, 172)], 172),
        ([of_cases(0, 172), replace(of_cases(172, 172), seed=2)], 172),
    ],
    ids=["nothing", "in turn", "in any order", "a gap", "another seed"],
)
def test_the_crash_matrix_goes_on_after_the_last_case(found: list[Line], place: int) -> None:
    assert table.next_case(found) == place


def test_what_is_farthest_from_its_target_comes_first_and_what_is_done_no_more() -> None:
    # given
    found = [
        replace(LINE, what=piece.what, seed=1, figures=dict.fromkeys(count.figures, count.target))
        for piece in table.PIECES
        for count in piece.counts
    ]
    half = [replace(line, figures={name: of // 2 for name, of in line.figures.items()}) for line in found]
    # when
    left = table.unfinished([line for line in found if line.what != "week"])
    # then
    assert table.unfinished(found) == []
    assert [piece.what for piece in left] == ["week"]
    assert table.unfinished([*half, of_cases(0, len(matrix(1)))])[0].what != MATRIX
    assert table.unfinished([line for line in half if line.what != "api"])[0].what == "api"


def test_every_command_of_the_proof_is_a_piece_of_make_prove() -> None:
    # given
    commands = {piece.command.split()[0] for piece in table.PIECES}
    written = {
        path.relative_to(ROOT / "tests/prove").with_suffix("").as_posix().replace("/", ".").removesuffix(".__main__")
        for path in (ROOT / "tests/prove").rglob("*.py")
        if "with recording(" in (text := path.read_text(encoding="utf-8")) or "        recording(" in text
    }
    # when / then
    assert commands == {name for name in written if not name.startswith("short.")}
    assert all(find_spec(f"tests.prove.{name}") for name in commands)


def test_every_option_of_a_piece_is_one_of_its_command() -> None:
    for piece in table.PIECES:
        module, *arguments = piece.arguments([])
        spec = find_spec(f"{module}.__main__") if module in PACKAGES else find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).read_text(encoding="utf-8")
        for option in (each for each in arguments if each.startswith("--")):
            assert f'add_argument("{option}"' in source, f"{module} has no {option}"


def test_the_page_is_made_from_the_lines() -> None:
    # given
    found = [
        LINE,
        replace(LINE, seed=5, ended=Ended.CUT_OFF, figures={"histories": 5_000}),
        replace(LINE, what="stuck", seed=1, began_at="2026-12-01T01:00:00+00:00", figures={"trials": 1}, broken=2),
    ]
    # when
    made = page.page(found)
    # then
    head, reached, runs, broken = made.split("\n\n")
    assert " ".join(head.split()) == (
        f"Version `ab12cd34ef`, 2026-11-30 to 2026-12-01: 3 runs of 0.6 hours on {os.cpu_count()} processors, at load "
        "averages from 0.5 to 2.2. **2 broken promises.** 0 runs failed, and 1 were cut off."
    )
    assert "| histories: histories | 25,000 | 1,000,000 |" in reached.splitlines()
    assert runs.splitlines()[0] == (
        "- **histories**, 2 runs of 0.4 hours, seeds 4 to 5: histories 25,000, recipients 250,000; broken 0"
    )
    assert broken == "2 broken, complete: `stuck`, `--seed 4`"


def test_the_page_goes_between_its_marks() -> None:
    # given
    document = f"# The proof\n\n{page.BEGIN}\n\nold\n\n{page.END}\n\n## More\n"
    # when
    new = page.put_into(document, "new")
    # then
    assert new == f"# The proof\n\n{page.BEGIN}\n\nnew\n\n{page.END}\n\n## More\n"
    assert page.put_into(new, "new") == new
    with pytest.raises(ValueError, match="marks"):
        page.put_into("# The proof", "new")


def test_the_readme_has_the_page_in_the_form_in_which_it_is_made() -> None:
    # given
    [text] = page.places(README.read_text(encoding="utf-8"))
    # when
    head, *rest = text.split("\n\n")
    # then
    if head == page.NOTHING:
        assert rest == []
        return
    assert re.match(r"Version `[0-9a-f]{7,10}`, \d{4}-\d\d-\d\d", head), "made from a checkout that had changes"
    assert re.search(r"\*\*[\d,]+ broken promises\.\*\*", head)
    assert rest[0].startswith(page.HEADS)
    assert [row for row in rest[0].splitlines()[2:] if not re.fullmatch(r"\| .+ \| [\d,]+ \| [\d,]+ \|", row)] == []
    entries = re.split(r"\n(?=- )", rest[1])
    assert [each for each in entries if not re.match(r"- \*\*[\w -]+\*\*, .+broken [\d,]+$", each, re.DOTALL)] == []
