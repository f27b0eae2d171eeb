"""Reads a campaign file and the team's defaults into a `Definition`, and reports every problem at once."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from campaigns.definition.document import Document, KeyPath, merged
from campaigns.definition.loader import load_document
from campaigns.definition.models import Definition
from campaigns.definition.wording import problem_of
from campaigns.problems import MOST_PROBLEMS, CampaignFileError, Problem

DEFAULTS_NAME: Final = "defaults.yaml"
PER_CAMPAIGN: Final = ("campaign", "message", "audience", "variants")
"""Keys that cannot be defaults: they identify the campaign."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of a campaign file, as far as it could be read.

    `definition` is None if there are problems: `problems` holds the first of them, and `more` counts the rest.
    `folder` is the folder of the file, absolute and without links: files that it names are opened only there.
    """

    document: Document
    folder: Path
    definition: Definition | None
    problems: tuple[Problem, ...]
    more: int = 0


def load_definition(path: Path, *, timezone: str, region: str | None) -> Definition:
    """Return the definition in the file at `path`, merged over `defaults.yaml` beside it.

    `timezone` and `region` come from the settings and apply if neither file says anything. Raises CampaignFileError
    with all problems of both files. Audience files are not opened: `campaigns.checking.check_file` does that.
    """
    reading = read_definition(path, timezone=timezone, region=region)
    if reading.definition is None:
        raise CampaignFileError(reading.problems, reading.more)
    return reading.definition


def read_definition(path: Path, *, timezone: str, region: str | None, inbox: Path | None = None) -> Reading:
    """Like `load_definition`, but return the problems. Raises CampaignFileError only for invalid YAML.

    `inbox`: the folder, absolute and without links, that others may write into. `path` was found in it without
    following links to folders. Nothing outside it is read, whatever has replaced the file in the meantime.
    """
    folder = path.parent if inbox else path.parent.resolve()
    document = load_document(path, inbox)
    defaults_path = path.with_name(DEFAULTS_NAME)
    # Defaults that exist but cannot be read are a problem: they may say when nothing must be sent.
    if path.name != DEFAULTS_NAME and os.path.lexists(defaults_path):
        document = merged(_defaults(defaults_path, folder), document)
    found: list[Problem] = []
    definition, more = None, document.more_problems
    try:
        definition = Definition.model_validate(_with_settings(document, timezone, region))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        found = [problem for each in details[:MOST_PROBLEMS] if (problem := problem_of(each, document)[1])]
        more += len(details[MOST_PROBLEMS:])
    # A key that YAML itself objected to already is reported once.
    known = {(problem.file, problem.path) for problem in document.problems}
    problems = [problem for problem in found if (problem.file, problem.path) not in known]
    problems += document.problems
    if problems or definition is None:
        return Reading(document, folder, None, tuple(sorted(problems)), more)
    return Reading(document, folder, definition.in_folder(folder), ())


@contextmanager
def at_keys(path: Path, inbox: Path | None = None) -> Iterator[None]:
    """Give the problems of the file at `path` that are raised in the block, and only name a key, the place of that key.

    `inbox` is as in `read_definition`. What the file has no key for, such as a setting, stays where it is.
    """
    try:
        yield
    except CampaignFileError as error:
        raise CampaignFileError(placed(error.problems, path, inbox), error.more) from error


def placed(problems: Iterable[Problem], path: Path, inbox: Path | None = None) -> tuple[Problem, ...]:
    """Return problems as `at_keys` does."""
    found = tuple(problems)
    try:
        document = read_definition(path, timezone="UTC", region=None, inbox=inbox).document if found else None
    except CampaignFileError:  # it was replaced meanwhile
        document = None
    return tuple(_at_key(each, document, path) for each in found) if document else found


def _at_key(problem: Problem, document: Document, path: Path) -> Problem:
    key: KeyPath = tuple(problem.path.split("."))
    if (problem.line, problem.column) != (1, 1) or not problem.path or document.value(key) is None:
        return problem
    place = document.value_place(key)
    file = problem.file if Path(place.file).name == path.name else place.file
    return replace(problem, file=file, line=place.line, column=place.column)


def _defaults(path: Path, folder: Path) -> Document:
    document = load_document(path, folder)
    problems = list(document.problems)
    data = dict(document.data)
    for key in PER_CAMPAIGN:
        if key in data:
            hint = "write it in the campaign's own file"
            problems.append(document.key_place((key,)).problem((key,), "cannot be a default", hint))
            del data[key]
    return replace(document, data=data, raw={}, problems=tuple(problems))


def _with_settings(document: Document, timezone: str, region: str | None) -> dict[str, object]:
    data: dict[str, object] = dict(document.data)
    if data.get("default_region") is None:
        data["default_region"] = region
    schedule = data.get("schedule") or {}
    if isinstance(schedule, dict) and schedule.get("timezone") is None:
        data["schedule"] = schedule | {"timezone": timezone}
    return data
