"""Documentation that cannot rot: what README.md says is compared with what the code does."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic_core import PydanticUndefined
from typer.main import get_command

from campaigns.checking import check_file
from campaigns.definition import Definition, json_schema
from campaigns.lifecycle import BATCH_MOVES, RECIPIENT_MOVES, RUN_MOVES, RecipientState, RunState
from scheduler.cli.app import app
from scheduler.exits import Exit
from scheduler.loop import TICKS
from scheduler.processes.service import INBOX_SECONDS
from worker.settings import PREFIX, Settings
from worker.store.exports import COLUMNS

ROOT: Final = Path(__file__).parents[1]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
SCHEMA: Final = json_schema()

DOCUMENTS: Final = (
    "README.md", "CHANGELOG.md", "campaigns/README.md", "worker/README.md", "worker/throttle/README.md",
    "scheduler/README.md", "campaigns/examples/README.md",
)  # fmt: skip

WITHOUT_TIMES: Final = re.compile(
    r"^(plan|first send|last send|followed|started|finished|forecast|happened|requests) .*\n", re.MULTILINE
)
"""Lines of output that differ from day to day, or with the speed of the machine."""


def section(title: str) -> str:
    """The part of README.md under a heading, up to the next heading of any level."""
    _, found, rest = README.partition(f"# {title}\n")
    assert found, f"README.md has no heading {title}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(language: str) -> list[str]:
    """Every fenced block of README.md in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def codes(text: str) -> list[str]:
    """Whatever stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def rows(title: str, heading: str) -> list[list[str]]:
    """The cells of the table under `title` whose first column is called `heading`."""
    _, found, rest = section(title).partition(f"| {heading} |")
    assert found, f"the section {title} has no table of {heading}"
    lines = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def words(title: str, heading: str) -> set[str]:
    """Everything in backticks in the first column of a table."""
    return {code for row in rows(title, heading) for code in codes(row[0])}


def commands(group: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every command of the command line with its full name: `contacts add`."""
    commands_of: Mapping[str, Any] = getattr(group or get_command(app), "commands", {})
    for name, command in commands_of.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def options(command: Any) -> set[str]:
    """Every way to write every option of a command."""
    return {word for param in command.params for word in param.opts if word.startswith("-")} - {"--help", "-h"}


COMMANDS: Final[Mapping[str, Any]] = dict(commands())


def written_options(text: str) -> set[str]:
    """Every option that stands in backticks."""
    return {word for code in codes(text) for word in code.split() if word.startswith("-")}


def named_by(code: str) -> set[str]:
    """The command that `run FILE...` names; none where there is no such command."""
    return {name for name in COMMANDS if f"{code} ".startswith(f"{name} ")}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_the_readme(name: str) -> None:
    described = [row for row in rows("Commands", "command") if any(name in named_by(code) for code in codes(row[0]))]
    assert len(described) == 1, f"campaigns {name} is not in the table of commands, or twice"
    assert options(COMMANDS[name]) <= written_options(described[0][-1])


def test_the_table_of_commands_names_no_other_command_and_no_other_option() -> None:
    for row in rows("Commands", "command"):
        named = [named_by(code) for code in codes(row[0])]
        assert all(named), f"there is no such command: {row[0]}"
        assert written_options(row[-1]) <= {
            word for names in named for name in names for word in options(COMMANDS[name])
        }


def test_global_options_are_in_the_readme() -> None:
    assert {*options(get_command(app)), "--help", "-h"} <= written_options(section("Commands").split("\n\n|")[0])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_line_that_is_shown_names_a_command(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    shown = re.findall(r"(?:^|`)campaigns ([a-z]+)", text, re.MULTILINE)
    assert set(shown) <= {name.split()[0] for name in COMMANDS}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_readme_with_its_default(name: str) -> None:
    described = {
        setting: (codes(row[1]) or [row[1]] * len(codes(row[0])))[index]
        for row in rows("Settings", "name")
        for index, setting in enumerate(codes(row[0]))
    }
    default = Settings.model_fields[name].default
    spoken = {
        "": "none",
        "None": "none",
        "{}": "none",
        "()": "none",
        "frozenset()": "none",
        "False": "false",
        str(PydanticUndefined): "the machine's",
    }
    assert described.get(PREFIX + name.upper()) == spoken.get(str(default), str(default))


def test_the_table_of_settings_names_no_other_setting() -> None:
    assert words("Settings", "name") == {PREFIX + name.upper() for name in Settings.model_fields}


def schema_paths(node: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Every key of the JSON schema: `schedule.window.from`, `audience[].file`."""
    if "$ref" in node:
        yield from schema_paths(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], path)
    for choice in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from schema_paths(choice, path)
    if "items" in node:
        yield from schema_paths(node["items"], f"{path}[]")
    for key, value in node.get("properties", {}).items():
        here = f"{path}.{key}".removeprefix(".")
        yield here
        yield from schema_paths(value, here)


# One source may be written without its hyphen, and a window with several: a second path to a key says nothing new.
PATHS: Final = frozenset(
    re.sub(r"^(audience|exclude)\.", r"\1[].", path).replace("schedule.window[].", "schedule.window.")
    for path in schema_paths(SCHEMA)
)


@pytest.mark.parametrize("path", sorted(PATHS))
def test_every_key_of_the_campaign_file_is_in_the_readme(path: str) -> None:
    described = words("The campaign file", "key")
    holds_others = any(other.startswith((f"{path}.", f"{path}[]")) for other in PATHS)
    assert path in described or holds_others


def test_the_table_of_keys_names_no_other_key() -> None:
    assert words("The campaign file", "key") <= PATHS


def campaign_file(path: str = "", value: str = "") -> dict[str, Any]:
    """What a small campaign file says, with the key at `path` set to `value`."""
    said: dict[str, Any] = {
        "campaign": "a",
        "message": "m",
        "audience": [{"file": "f.csv"}],
        "exclude": [{"file": "g.csv"}],
        "schedule": {"window": {"from": "09:00", "to": "20:00"}, "if_late": {"within": "2h"}},
        "frequency_cap": {"messages": "2", "per": "7d"},
    }
    *folders, key = path.split(".")
    place = said
    for folder in folders:
        place = place[folder.removesuffix("[]")][0] if folder.endswith("[]") else place.setdefault(folder, {})
    if key:
        place[key] = value
    return said


DEFAULTS: Final = [
    (path, codes(row[2])[0])
    for row in rows("The campaign file", "key")
    for path in codes(row[0])[-1:]
    if codes(row[2]) and not codes(row[2])[0].startswith(PREFIX)
]


@pytest.mark.parametrize(("path", "default"), DEFAULTS)
def test_a_key_at_the_default_of_the_readme_says_what_a_file_without_it_says(path: str, default: str) -> None:
    assert Definition.model_validate(campaign_file(path, default)) == Definition.model_validate(campaign_file())


def test_every_state_of_a_recipient_and_of_a_campaign_is_in_the_readme() -> None:
    assert words("States", "recipient") == set(RecipientState)
    assert set(RunState) <= set(codes(section("States").rpartition("\n\nA campaign is")[2]))


def test_the_columns_of_exports_are_in_the_readme_in_their_order() -> None:
    assert codes(section("JSON and exports").partition("have the columns")[2]) == list(COLUMNS)


def test_exit_codes_are_in_the_readme() -> None:
    described = {int(code) for code in re.findall(r"(?:^|· )\n?(\d+) [a-z]", section("Exit codes"), re.MULTILINE)}
    assert described == set(Exit)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The folder with the files that README.md shows; the campaign of its first block is `0.yaml`."""
    for name, text in zip(("customers.csv", "appointments.csv"), blocks("csv"), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for number, text in enumerate(blocks("yaml")):
        (tmp_path / f"{number}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("number", range(len(blocks("yaml"))))
def test_campaign_files_in_the_readme_are_valid(example: Path, number: int) -> None:
    assert check_file(example / f"{number}.yaml", timezone="Europe/Rome", region=None).campaign


def printed_by(folder: Path, *command: str) -> str:
    """What the command prints in this folder."""
    return subprocess.run(
        [sys.executable, "-c", "from scheduler.cli import main; main()", *command],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "CAMPAIGNS_TIMEZONE": "Europe/Rome"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    ).stdout


@pytest.mark.parametrize(("number", "command"), [(0, ["plan", "0.yaml"]), (2, ["run", "0.yaml", "--sandbox"])])
def test_the_output_in_the_readme_is_what_the_command_prints(example: Path, number: int, command: list[str]) -> None:
    shown = WITHOUT_TIMES.sub("", blocks("text")[number])
    assert WITHOUT_TIMES.sub("", printed_by(example, *command)).startswith(shown)


def test_the_days_in_the_readme_are_those_of_a_plan(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("number\n" + "".join(f"+39333{n:07}\n" for n in range(1_200)))
    text = "campaign: a\nmessage: Hello\naudience: {file: people.csv}\nthroughput: {daily: 500}\n"
    (tmp_path / "a.yaml").write_text(f"{text}schedule: {{start: 2099-12-01 09:00}}\n")  # a Tuesday, too
    assert blocks("text")[1].replace("2026", "2099") in printed_by(tmp_path, "plan", "a.yaml")


@pytest.mark.parametrize(
    ("title", "moves"),
    [("Runs", RUN_MOVES), ("Batches (one request each)", BATCH_MOVES), ("Recipients", RECIPIENT_MOVES)],
)
def test_pictures_of_life_cycles_equal_the_tables(title: str, moves: Mapping[str, frozenset[str]]) -> None:
    text = (ROOT / "campaigns/README.md").read_text(encoding="utf-8")
    _, found, rest = text.partition(f"{title}:\n\n")
    assert found
    pictured = dict(line.strip().split(" -> ") for line in rest.split("\n\n")[0].splitlines())
    assert {state: set(targets.split(", ")) for state, targets in pictured.items()} == {
        str(state): set(map(str, targets)) for state, targets in moves.items() if targets
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_that_are_named_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", (ROOT / document).read_text(encoding="utf-8"))) <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_inside_the_project_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / document).parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_no_machine_and_no_registry(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert re.findall(r"/(?:home|root|Users|work|tmp)/\S*", text) == []
    assert re.findall(r"https?://(?!127\.0\.0\.1|localhost|sms\.example|keepachangelog|semver)\S+", text) == []
    assert re.findall("[0-9a-f]{40}", text) == []


def test_the_changelog_has_a_place_for_what_is_not_released() -> None:
    assert "\n## [Unreleased]\n\n### Added\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", ["campaigns", "worker", "scheduler"])
def test_every_module_stands_in_the_readme_of_its_package(package: str) -> None:
    text = (ROOT / package / "README.md").read_text(encoding="utf-8")
    folders = {f"{path.parent.name}/" for path in (ROOT / package).glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / package).glob("*.py") if path.stem != "__init__"}
    assert {name for name in modules | folders if f"`{name}`" not in text} == set()


def test_the_ticks_are_called_as_often_as_is_said() -> None:
    text = (ROOT / "scheduler/README.md").read_text(encoding="utf-8")
    said = {name: float(seconds) for name, seconds in re.findall(r"^\| (\w+) \| ([0-9.]+) s \|", text, re.MULTILINE)}
    assert said == {tick.__name__: seconds for tick, seconds in TICKS.items()} | {"inbox": INBOX_SECONDS}
