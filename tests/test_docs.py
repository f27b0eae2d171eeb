"""Keep the documentation from rotting: compare what the documents say with what the code does."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic_core import PydanticUndefined
from typer.main import get_command

from campaigns.checking import check_file
from campaigns.definition import Definition
from campaigns.definition.schema import json_schema
from campaigns.lifecycle import BATCH_MOVES, RECIPIENT_MOVES, RUN_MOVES, RecipientState, RunState
from scheduler.cli.app import app
from scheduler.exits import Exit
from scheduler.processes.services.clock import INBOX_SECONDS
from scheduler.ticks.table import Ticks
from scheduler.web.api.app import PREFIX as PREFIX_OF_API
from scheduler.web.api.app import routes
from scheduler.web.api.guard import scope_of
from scheduler.web.api.problems import STATUSES
from scheduler.web.desk.app import PLACES
from worker.metrics import METRICS
from worker.settings.settings import PREFIX, Settings
from worker.store.reports.exports import COLUMNS

ROOT: Final = Path(__file__).parents[1]
SCHEMA: Final = json_schema()

FOLDERS: Final = (".github", "campaigns", "deploy", "scheduler", "tests", "worker")
DOCUMENTS: Final[Mapping[str, str]] = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.md"))])
}
"""Every document of the project, by its path."""

FILE: Final = "campaigns/FILE.md"
CLI: Final = "scheduler/cli/README.md"
API: Final = "scheduler/web/README.md"
DESK: Final = "scheduler/web/desk/README.md"
SETTINGS: Final = "deploy/SETTINGS.md"

README_BYTES: Final = 14_000
PICTURES_BYTES: Final = 1_500_000
CELL_CHARACTERS: Final = 200
"""A longer cell cannot be read on a phone: it becomes a paragraph under its table."""

WITHOUT_TIMES: Final = re.compile(
    r"^(plan|first send|last send|followed|started|finished|forecast|happened|requests) .*\n", re.MULTILINE
)
"""Lines of output that differ from day to day, or with the speed of the machine."""

each_document = pytest.mark.parametrize("document", DOCUMENTS)


def prose(document: str) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", DOCUMENTS[document], flags=re.MULTILINE | re.DOTALL)


def headings(document: str) -> list[tuple[int, str]]:
    """Level and title of every heading."""
    return [(len(marks), title) for marks, title in re.findall(r"^(#+) (.+)$", prose(document), re.MULTILINE)]


def section(document: str, title: str) -> str:
    """The part under a heading, up to the next heading of any level."""
    _, found, rest = DOCUMENTS[document].partition(f"# {title}\n")
    assert found, f"{document} has no heading {title}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(document: str, language: str) -> list[str]:
    """Every fenced block in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENTS[document], re.MULTILINE | re.DOTALL)


def codes(text: str) -> list[str]:
    """Everything in backticks."""
    return re.findall(r"`([^`]+)`", text)


def code_lines(document: str) -> Iterator[str]:
    """Every line of code: in backticks, in a fenced block, indented."""
    text = DOCUMENTS[document]
    for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    for line in re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        if line.startswith("    "):
            yield line.strip()
    yield from (code.replace("\n", " ") for code in codes(prose(document)))


def tables(document: str) -> Iterator[list[list[str]]]:
    """The rows of every table, its heading first, as lists of cells."""
    for table in re.findall(r"(?:^\|.*\n)+", prose(document) + "\n", re.MULTILINE):
        yield [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]


def rows(document: str, heading: str) -> list[list[str]]:
    """The rows of all tables whose first column is called `heading`."""
    found = [row for table in tables(document) if table[0][0] == heading for row in table[2:]]
    assert found, f"{document} has no table of {heading}"
    return found


def words(document: str, heading: str) -> Counter[str]:
    """What is in backticks in the first column of such tables, and how often."""
    return Counter(code for row in rows(document, heading) for code in codes(row[0]))


# The command line


def commands(group: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every command of the command line with its full name: `contacts add`."""
    commands_of: Mapping[str, Any] = getattr(group or get_command(app), "commands", {})
    for name, command in commands_of.items():
        if getattr(command, "invoke_without_command", False):
            yield f"{prefix}{name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def options(command: Any) -> set[str]:
    """Every spelling of every option of a command."""
    return {word for param in command.params for word in param.opts if word.startswith("-")} - {"--help", "-h"}


COMMANDS: Final[Mapping[str, Any]] = dict(commands())
GROUPS: Final = {name.split()[0] for name in COMMANDS if " " in name}


def options_in(text: str) -> set[str]:
    """Every option mentioned in a text."""
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


def synopsis(name: str) -> str:
    """The indented lines that show how the command is called."""
    return "\n".join(re.findall(r"^    (.*)$", section(CLI, f"campaigns {name}"), re.MULTILINE))


def test_the_reference_has_every_command_once_and_no_other() -> None:
    titles = [title.removeprefix("campaigns ") for level, title in headings(CLI) if level == 3]
    assert sorted(titles) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_synopsis_of_a_command_has_its_options_and_no_other(name: str) -> None:
    assert synopsis(name).startswith(f"campaigns {name}")
    assert options_in(synopsis(name)) == options(COMMANDS[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_synopsis_of_a_command_has_its_arguments(name: str) -> None:
    arguments = [param for param in COMMANDS[name].params if not param.opts[0].startswith("-")]
    assert {param.metavar.removesuffix("...") for param in arguments} <= set(re.findall("[A-Z]+", synopsis(name)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    common = options_in(" ".join(codes(DOCUMENTS[CLI].partition("\n## ")[0])))
    explained = options_in(" ".join(codes(section(CLI, f"campaigns {name}"))))
    assert options(COMMANDS[name]) - common <= explained
    assert explained <= options(COMMANDS[name])


def test_the_overview_names_every_command() -> None:
    named = {title for row in rows(CLI, "to") for title in re.findall(r"\[(\w+)\]", row[1])}
    assert named == {name.split()[0] for name in COMMANDS}


def test_global_options_are_in_the_reference() -> None:
    introduction = DOCUMENTS[CLI].partition("\n| to |")[0]
    assert {*options(get_command(app)), "--help", "-h"} <= options_in(" ".join(codes(introduction)))


@each_document
def test_every_command_line_that_is_shown_could_be_typed(document: str) -> None:
    for line in code_lines(document):
        for shown in re.findall(r"(?:^|[\s/])campaigns ((?!campaigns\b)[a-z][^#|&;]*)", line.replace("|--", " --")):
            named = [name for name in COMMANDS if f"{shown} ".startswith(f"{name} ")]
            if not named:
                assert shown.strip() in GROUPS, f"{document}: there is no such command: {shown}"
                continue
            unknown = options_in(shown) - options(COMMANDS[named[0]]) - {"--help"}
            assert not unknown, f"{document}: {named[0]} has no {unknown}"


@each_document
def test_every_module_that_is_run_exists(document: str) -> None:
    named = {name for line in code_lines(document) for name in re.findall(r"python -m ([\w.]+)", line)}
    assert [name for name in sorted(named) if find_spec(name) is None] == []


@each_document
def test_make_targets_that_are_named_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {name for line in code_lines(document) for name in re.findall(r"^make ([a-z-]+)", line)} <= targets


def test_exit_codes_are_in_the_reference() -> None:
    assert {int(row[0]) for row in rows(CLI, "code")} == set(Exit)


def test_the_columns_of_exports_are_in_the_reference_in_their_order() -> None:
    _, _, columns = section(CLI, "Exports").partition("have the columns")
    assert codes(columns.partition("\n\n")[0]) == list(COLUMNS)


# Settings


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_once_with_its_default(name: str) -> None:
    described = [
        (codes(row[1]) or [row[1]] * len(codes(row[0])))[index]
        for row in rows(SETTINGS, "name")
        for index, setting in enumerate(codes(row[0]))
        if setting == PREFIX + name.upper()
    ]
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
    assert described == [spoken.get(str(default), str(default))]


@each_document
def test_every_setting_that_is_named_exists(document: str) -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", DOCUMENTS[document]))
    assert named <= {PREFIX + name.upper() for name in Settings.model_fields}


# Metrics


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    described = [
        (codes(row[0])[0], row[1], tuple(codes(row[2])), row[3]) for row in rows("deploy/METRICS.md", "metric")
    ]
    assert described == [(each.full_name, each.type, each.labels, each.meaning) for each in METRICS]


# The campaign file


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


# One source may be written without its hyphen, and several windows with one: a second path to a key adds nothing.
PATHS: Final = frozenset(
    re.sub(r"^(audience|exclude)\.", r"\1[].", path).replace("schedule.window[].", "schedule.window.")
    for path in schema_paths(SCHEMA)
)


@pytest.mark.parametrize("path", sorted(PATHS))
def test_every_key_of_the_campaign_file_is_documented_once(path: str) -> None:
    holds_others = any(other.startswith((f"{path}.", f"{path}[]")) for other in PATHS)
    assert words(FILE, "key")[path] == 1 or (holds_others and words(FILE, "key")[path] == 0)


def test_the_tables_of_keys_name_no_other_key() -> None:
    assert set(words(FILE, "key")) <= PATHS


@each_document
def test_every_path_of_a_key_that_is_named_exists(document: str) -> None:
    known = {path.replace("[]", "") for path in PATHS}
    parts = {".".join(path.split(".")[:depth]) for path in known for depth in range(1, 5)}
    first = "|".join(sorted({path.split(".")[0] for path in known}))
    named = {key for code in codes(prose(document)) for key in re.findall(rf"^((?:{first})\.[a-z_.]+)", code)}
    assert named <= known | parts


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
    for row in rows(FILE, "key")
    for path in codes(row[0])[-1:]
    if codes(row[2]) and not codes(row[2])[0].startswith(PREFIX)
]


@pytest.mark.parametrize(("path", "default"), DEFAULTS)
def test_a_key_at_its_documented_default_says_what_a_file_without_it_says(path: str, default: str) -> None:
    assert Definition.model_validate(campaign_file(path, default)) == Definition.model_validate(campaign_file())


def test_every_state_of_a_recipient_and_of_a_campaign_is_documented() -> None:
    assert words(FILE, "recipient") == Counter(RecipientState)
    assert words(FILE, "campaign") == Counter(RunState)


@pytest.mark.parametrize(
    ("title", "moves"),
    [("Runs", RUN_MOVES), ("Batches (one request each)", BATCH_MOVES), ("Recipients", RECIPIENT_MOVES)],
)
def test_pictures_of_life_cycles_equal_the_tables(title: str, moves: Mapping[str, frozenset[str]]) -> None:
    _, found, rest = DOCUMENTS["campaigns/README.md"].partition(f"{title}:\n\n")
    assert found
    pictured = dict(line.strip().split(" -> ") for line in rest.split("\n\n")[0].splitlines())
    assert {state: set(targets.split(", ")) for state, targets in pictured.items()} == {
        str(state): set(map(str, targets)) for state, targets in moves.items() if targets
    }


# Examples


def shown_tables() -> Iterator[tuple[str, str]]:
    """Name and text of every table that is shown; the line before it ends with its name."""
    for document in DOCUMENTS:
        named = re.findall(r"`([\w-]+\.csv)`:\n\n```csv\n(.*?)^```$", DOCUMENTS[document], re.MULTILINE | re.DOTALL)
        assert len(named) == len(blocks(document, "csv")), f"{document} shows a table without saying its name"
        yield from named


CAMPAIGNS: Final = [(document, index) for document in DOCUMENTS for index in range(len(blocks(document, "yaml")))]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The folder with the tables that the documents show, and the first campaign of README.md as `0.yaml`."""
    for name, text in shown_tables():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "0.yaml").write_text(blocks("README.md", "yaml")[0], encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("document", "index"), CAMPAIGNS)
def test_campaign_files_that_are_shown_are_valid(example: Path, document: str, index: int) -> None:
    text = blocks(document, "yaml")[index]
    if not re.search("^campaign:", text, re.MULTILINE):  # a part of one: put it into a small campaign
        whole = {"campaign": "a", "message": "m", "audience": [{"file": "customers.csv", "number": "phone"}]}
        text = yaml.safe_dump(whole | yaml.safe_load(text), allow_unicode=True)
    (example / "1.yaml").write_text(text, encoding="utf-8")
    assert check_file(example / "1.yaml", timezone="Europe/Rome", region="US").campaign


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


@pytest.mark.parametrize(("number", "command"), [(0, ["plan", "0.yaml"]), (1, ["run", "0.yaml", "--sandbox"])])
def test_the_output_in_the_readme_is_what_the_command_prints(example: Path, number: int, command: list[str]) -> None:
    shown = WITHOUT_TIMES.sub("", blocks("README.md", "text")[number])
    assert WITHOUT_TIMES.sub("", printed_by(example, *command)).startswith(shown)


def test_the_days_that_are_shown_are_those_of_a_plan(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("number\n" + "".join(f"+39333{n:07}\n" for n in range(1_200)))
    text = "campaign: a\nmessage: Hello\naudience: {file: people.csv}\nthroughput: {daily: 500}\n"
    (tmp_path / "a.yaml").write_text(f"{text}schedule: {{start: 2099-12-01 09:00}}\n")  # also a Tuesday
    assert blocks(CLI, "text")[0].replace("2026", "2099") in printed_by(tmp_path, "plan", "a.yaml")


# The documents themselves


def anchors(document: str) -> set[str]:
    """What a link may name after its `#`: headings as GitHub turns them into anchors, repeated ones with a number."""
    seen: Counter[str] = Counter()
    found = set()
    for _, title in headings(document):
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def test_every_call_of_the_api_is_documented_with_its_scope() -> None:
    said = {tuple(codes(call)): codes(scope) for call, scope, _ in rows(API, "call")}
    made = {
        (f"{method} {PREFIX_OF_API}{route.path}",): [scope_of(route)]
        for route in routes()
        for method in route.methods or ()
    }
    assert said == made


def test_every_page_and_form_of_the_desk_is_documented_with_its_scope() -> None:
    said = {(codes(row[0])[0], codes(row[1])[0]) for row in rows(DESK, "view")}
    assert said == {(place.path, place.scope.value) for place in PLACES if place.view}
    said = {(codes(row[0])[0], codes(row[1])[0]) for row in rows(DESK, "form")}
    assert said == {(place.path, (place.act_scope or place.scope).value) for place in PLACES if place.act}


def test_every_code_of_a_problem_is_documented_with_its_status() -> None:
    said = [
        (code, status)
        for statuses, listed in rows(API, "status")
        for code in codes(listed)
        for status in statuses.split(", ")
    ]
    assert {(code, str(status)) for code, status in STATUSES.items()} <= {(c, s) for c, s in said if c != "Retry-After"}
    assert {code for code, _ in said} - {"Retry-After"} == set(STATUSES)


@each_document
def test_links_lead_to_files_and_headings(document: str) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)]+)\)", prose(document)):
        path, _, anchor = link.partition("#")
        target = ((ROOT / document).parent / path).resolve() if path else ROOT / document
        name = str(target.relative_to(ROOT)) if target.is_relative_to(ROOT) else ""
        if "://" not in link and not (target.exists() and name and (not anchor or anchor in anchors(name))):
            broken.append(link)
    assert broken == []


def test_every_picture_is_shown_and_all_are_small() -> None:
    pictures = {path for name in FOLDERS for path in (ROOT / name).rglob("*.png")}
    shown = {
        ((ROOT / document).parent / link).resolve()
        for document in DOCUMENTS
        for words, link in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", prose(document))
        if words
    }
    assert pictures == shown
    assert sum(path.stat().st_size for path in pictures) < PICTURES_BYTES


@each_document
def test_files_that_are_named_exist(document: str) -> None:
    roots = (ROOT, (ROOT / document).parent)
    named = {code for code in codes(prose(document)) if re.fullmatch(r"[\w*-]+(/[\w*.-]+)+\.(py|md|tsv|lua)", code)}
    named |= {code for code in codes(prose(document)) if re.fullmatch(r"tests(/[\w.*-]+)+/?", code)}
    assert [name for name in sorted(named) if not any(any(root.glob(name)) for root in roots)] == []


def test_the_map_in_the_readme_has_every_document() -> None:
    linked = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", DOCUMENTS["README.md"])}
    assert set(DOCUMENTS) - {"README.md"} - linked == set()


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size < README_BYTES


@each_document
def test_tables_can_be_read(document: str) -> None:
    for table in tables(document):
        assert [row for row in table if len(row) != len(table[0])] == []
        assert [cell for row in table for cell in row if len(cell) >= CELL_CHARACTERS] == []


@each_document
def test_documents_name_no_machine_and_no_registry(document: str) -> None:
    text = DOCUMENTS[document].replace("=/tmp/heartbeat`", "`")  # a file inside the container
    assert re.findall(r"/(?:home|root|Users|work|tmp)/\S*", text) == []
    assert re.findall(r"https?://(?!127\.0\.0\.1|localhost|sms\.example|keepachangelog|semver)\S+", text) == []
    assert re.findall("[0-9a-f]{40}", text) == []


def test_the_changelog_has_a_place_for_what_is_not_released() -> None:
    assert "\n## [Unreleased]\n\n### Added\n" in DOCUMENTS["CHANGELOG.md"]


@pytest.mark.parametrize("package", ["campaigns", "worker", "scheduler", "tests/prove"])
def test_every_module_stands_in_the_readme_of_its_package(package: str) -> None:
    folders = {f"{path.parent.name}/" for path in (ROOT / package).glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / package).glob("*.py") if not path.stem.startswith(("__init__", "test_"))}
    assert {name for name in modules | folders if f"`{name}`" not in DOCUMENTS[f"{package}/README.md"]} == set()


def test_every_folder_of_tests_stands_in_their_readme() -> None:
    folders = {f"tests/{path.relative_to(ROOT / 'tests').parts[0]}" for path in (ROOT / "tests").glob("*/*.py")}
    assert {name for name in folders if f"`{name}`" not in DOCUMENTS["tests/README.md"]} == set()


def test_the_ticks_are_called_as_often_as_is_said() -> None:
    table = re.findall(r"^\| (\w+) \| ([0-9.]+) s \|", DOCUMENTS["scheduler/README.md"], re.MULTILINE)
    said = {name: float(seconds) for name, seconds in table}
    assert said == {tick.name: tick.every for tick in Ticks().all} | {"inbox": INBOX_SECONDS}
