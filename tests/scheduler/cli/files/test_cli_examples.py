"""`init --example`: eleven campaigns to start from, each checked and rehearsed to its end as it is written."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import Result

from campaigns.checking import check_file
from scheduler.actions.upkeep.starter import make_starter
from scheduler.cli.commands.files.init import EXAMPLES
from tests.prove.world.product import ROOT, Ended, Product, summary_of
from tests.support.clock_file import ClockFile

Cli = Callable[..., Result]

NOON: Final = datetime(2026, 12, 1, 12, tzinfo=UTC)
"""The time at which the examples are made here: their dates stay as written."""
FICTION: Final = re.compile(r"\+?(?:1[ -]?)?\(?(?:202|212|213|312)\)?[ -]555-01\d\d|\+49 171 39200\d\d")
"""Numbers that belong to nobody: 555-0100 to 0199 in any area of North America, 0171 39200xx in Germany."""
PATIENCE_SECONDS: Final = 40.0


class Stage:
    """One example in an inbox, with a clock that the test moves."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.clock = ClockFile(folder, NOON)
        self.product = Product(folder, gateway_url="", key="", inbox="inbox")
        self.product.environment |= self.clock.environment | {"PYTHONPATH": f"{self.clock.python_path}:{ROOT}"}
        self.file = f"inbox/{name}.yaml"

    def victim(self) -> Sequence[str]:
        return ("--patch", "tests.support.clock_file:follow")

    def run(self, *command: str) -> Ended:
        return self.product.run(*command, victim=self.victim())

    def texts(self) -> list[dict[str, Any]]:
        """What the sandbox has accepted."""
        ledger = self.folder / "campaigns.db.sandbox.jsonl"
        lines = ledger.read_text(encoding="utf-8").split("\n")[:-1] if ledger.exists() else []
        return [json.loads(line) for line in lines if '"accepted_at"' in line]

    def books(self) -> dict[str, int]:
        """How many people are in each state; empty until the campaign is known."""
        said = summary_of(self.run("status", self.name, "--json").stdout)
        return said["recipients"] if said else {}

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{self.name}: {what}; said: {self.product.said()}"
            time.sleep(0.05)

    def pass_through(self, moments: Sequence[str]) -> None:
        """Put the clock to a second before each moment, and wait for what is sent then and not before."""
        for moment in moments:
            before = len(self.texts())

            def more(before: int = before) -> bool:
                return len(self.texts()) > before

            self.clock.set(datetime.fromisoformat(moment) - timedelta(seconds=1))
            self.until(more, f"sent nothing at {moment}")


@pytest.fixture
def stage(tmp_path: Path, migrated: Callable[[Path], None]) -> Callable[[str], Stage]:
    """Return a function that makes an example as a user does, and has it checked."""

    def make(name: str) -> Stage:
        migrated(tmp_path)
        made = Stage(tmp_path, name)
        assert made.run("init", "inbox", "--example", name).code == 0
        (tmp_path / f"{made.file}.example").rename(tmp_path / made.file)
        checked = made.run("check", made.file)
        assert (checked.code, checked.stdout, checked.stderr) == (0, f"{made.file}: valid\n", "")
        return made

    return make


@pytest.mark.parametrize(
    ("name", "moments", "recipients"),
    [
        ("spring-sale", [], {"audience": 10, "delivered": 8, "invalid": 1, "duplicate": 1}),
        ("two-variants", [], {"audience": 10, "delivered": 8, "holdout": 2}),
        ("exclude-list", [], {"audience": 4, "delivered": 3, "excluded": 1}),
        ("order-ready", [], {"audience": 2, "delivered": 2}),
        ("contact-list", ["2026-12-03T15:00Z"], {"audience": 3, "delivered": 3}),
        (
            "local-time",  # Germany, London, New York, Chicago, Los Angeles
            [f"2026-12-03T{hour}:00Z" for hour in ("09", "10", "15", "16", "18")],
            {"audience": 5, "delivered": 5},
        ),
        (
            "spread-out",
            [f"2026-12-03T{at}Z" for at in ("15:00", "16:30", "18:00", "19:30")],
            {"audience": 4, "delivered": 4},
        ),
        (
            "appointment-reminder",  # the last one goes when the window opens, not at 07:30
            [
                *("2026-12-03T15:30Z", "2026-12-03T19:00Z", "2026-12-04T13:30Z", "2026-12-04T17:00Z"),
                *("2026-12-07T14:30Z", "2026-12-08T13:00Z"),
            ],
            {"audience": 7, "delivered": 6, "cancelled": 1},
        ),
    ],
)
def test_an_example_is_rehearsed_to_its_end(
    stage: Callable[[str], Stage], name: str, moments: list[str], recipients: Mapping[str, int]
) -> None:
    made = stage(name)
    process = made.product.fork("run", made.file, "--sandbox", victim=made.victim())
    if moments and name != "contact-list":  # only the gateway knows who is on it
        # A reminder whose moment passes before it is planned is skipped.
        made.until(lambda: made.books().get("pending") == recipients["delivered"], "was not planned")
    made.pass_through(moments)
    process.join(PATIENCE_SECONDS)

    assert process.exitcode == 0, made.product.said()
    said = json.loads(made.run("status", name, "--json").stdout)
    assert (said["state"], said["recipients"]) == ("completed", recipients)
    sent = [datetime.fromtimestamp(text["accepted_at"], UTC) for text in made.texts()]
    assert len(sent) == recipients["delivered"]
    assert all(at >= datetime.fromisoformat(moment) for at, moment in zip(sent, moments, strict=False))


def test_the_example_with_approval_waits_for_it(stage: Callable[[str], Stage]) -> None:
    made = stage("approved-offer")

    first = made.run("run", made.file, "--sandbox", "--json")
    said = summary_of(first.stdout)
    assert said is not None
    assert (first.code, said["state"], made.texts()) == (4, "awaiting_approval", [])

    assert made.run(*said["approval"]["command"].split()[1:]).code == 0
    second = made.run("run", made.file, "--sandbox", "--json")
    said = summary_of(second.stdout)
    assert said is not None
    assert (second.code, said["recipients"]) == (0, {"audience": 3, "delivered": 3})


def test_the_example_with_a_step_sends_it_two_days_later(stage: Callable[[str], Stage]) -> None:
    made = stage("invitation")
    process = made.product.fork("run", made.file, "--sandbox", victim=made.victim())
    made.until(lambda: made.books().get("pending") == 3, "was not planned")
    made.pass_through(["2026-12-03T15:00Z", "2026-12-05T15:00Z"])
    process.join(PATIENCE_SECONDS)

    assert process.exitcode == 0, made.product.said()
    said = json.loads(made.run("status", "invitation", "--json").stdout)
    assert [(step["step"], step["recipients"]) for step in said["steps"]] == [
        ("nudge", {"audience": 3, "delivered": 3})
    ]
    sent = [datetime.fromtimestamp(text["accepted_at"], UTC) for text in made.texts()]
    assert all(later - first >= timedelta(days=2) for first, later in zip(sent[:3], sent[3:], strict=True))


def test_the_example_that_repeats_runs_every_thursday(stage: Callable[[str], Stage]) -> None:
    made = stage("weekly-offer")
    assert "`run` is for one" in made.run("run", made.file, "--sandbox").stderr

    service = made.product.fork("up", "--sandbox", victim=made.victim())
    made.until((made.folder / "inbox/weekly-offer.status.txt").exists, "was not accepted")
    made.pass_through(["2026-12-03T15:00Z", "2026-12-10T15:00Z"])
    made.until((made.folder / "inbox/weekly-offer.report.csv").exists, "wrote no report")
    service.terminate()
    service.join(PATIENCE_SECONDS)

    assert service.exitcode == 0
    assert [text["number"][-2:] for text in made.texts()] == ["31", "32", "33"] * 2


def test_another_name_is_told_which_there_are(cli: Cli, folder: Path) -> None:
    result = cli("init", "--example", "sale")

    assert result.exit_code == 2
    assert f"must be one of {', '.join(EXAMPLES)}, not sale" in " ".join(result.stderr.split())
    assert list(folder.iterdir()) == []
    assert ",".join(EXAMPLES) in "".join(cli("init", "--help").stdout.split())


def test_init_says_what_is_next_for_the_example(cli: Cli) -> None:
    once = cli("init", "box", "--example", "local-time").stdout
    again = cli("init", "box", "--example", "weekly-offer").stdout

    assert "made  box/local-time.yaml.example\nmade  box/travelers.csv\n" in once
    assert "  campaigns run box/local-time.yaml --sandbox\n" in once
    assert "  campaigns up --sandbox\n" in again


def test_all_are_in_the_package_and_in_their_readme() -> None:
    package = resources.files("campaigns") / "examples"
    listed = re.findall(r"^\| \[([a-z-]+)\]", (package / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert tuple(listed) == EXAMPLES
    assert {folder.name for folder in package.iterdir() if folder.is_dir()} == set(EXAMPLES)
    assert all((package / name / f"{name}.yaml").is_file() for name in EXAMPLES)


def test_the_numbers_of_the_examples_belong_to_nobody() -> None:
    tables = [path.read_text(encoding="utf-8") for path in (ROOT / "campaigns/examples").glob("*/*.csv")]
    cells = [cell for table in tables for line in table.splitlines()[1:] for cell in line.split(",")]
    numbers = [cell for cell in cells if len(re.sub(r"\D", "", cell)) > 8 and not re.match(r"\d{4}-\d\d-\d\d", cell)]

    assert len(numbers) > 40
    assert [number for number in numbers if not FICTION.fullmatch(number)] == []


@pytest.mark.parametrize("days", [-400, 0, 3, 190, 3653])
def test_examples_never_go_stale(tmp_path: Path, days: int) -> None:
    today = date(2026, 12, 1) + timedelta(days=days)
    now = datetime(today.year, today.month, today.day, 23, 59, tzinfo=UTC)
    for name in EXAMPLES:
        make_starter(tmp_path, tmp_path, example=name, today=today)
        file = (tmp_path / f"{name}.yaml.example").rename(tmp_path / f"{name}.yaml")
        assert check_file(file, timezone="UTC", region=None, now=now).campaign == name

    appointments = (tmp_path / "appointments.csv").read_text()
    moved = [date.fromisoformat(found) for found in re.findall(r"\d{4}-\d\d-\d\d", appointments)]
    assert moved[0].weekday() == date(2026, 12, 4).weekday()
    assert today + timedelta(days=2) < moved[0] < today + timedelta(days=10)
