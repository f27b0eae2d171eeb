"""A campaign file and the team's defaults into a `Definition`, with every problem at once."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from campaigns.definition.document import Document, merged
from campaigns.definition.loader import load_document
from campaigns.definition.models import Definition
from campaigns.definition.wording import problem_of
from campaigns.problems import MOST_PROBLEMS, CampaignFileError, Problem

DEFAULTS_NAME: Final = "defaults.yaml"
PER_CAMPAIGN: Final = ("campaign", "message", "audience", "variants")
"""What cannot be a default: it is what makes a campaign that campaign."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a campaign file says, as far as it could be read; `definition` is None when it has problems: the first of
    them, and `more` besides.

    `folder` is that of the file, absolute and without links in it: what it names is opened there and nowhere else.
    """

    document: Document
    folder: Path
    definition: Definition | None
    problems: tuple[Problem, ...]
    more: int = 0


def load_definition(path: Path, *, timezone: str, region: str | None) -> Definition:
    """The definition in the file at `path`, over those in `defaults.yaml` beside it.

    `timezone` and `region` are the settings' own and hold where neither file says anything. Raises CampaignFileError
    with all problems of both files. Files of the audience are not opened: that is `campaigns.checking.check_file`.
    """
    reading = read_definition(path, timezone=timezone, region=region)
    if reading.definition is None:
        raise CampaignFileError(reading.problems, reading.more)
    return reading.definition


def read_definition(path: Path, *, timezone: str, region: str | None, inbox: Path | None = None) -> Reading:
    """As `load_definition`, with the problems as a result; raises CampaignFileError only for what is no YAML.

    `inbox`: the folder, absolute and without links, that others may write into. `path` was found in it without
    following links to folders, and nothing outside of it is read, whatever was put in the place of the file meanwhile.
    """
    folder = path.parent if inbox else path.parent.resolve()
    document = load_document(path, inbox)
    defaults_path = path.with_name(DEFAULTS_NAME)
    # One that is there and cannot be read is a problem: it may say when nobody must be sent to.
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
    # A key that YAML itself already objected to is reported once.
    known = {(problem.file, problem.path) for problem in document.problems}
    problems = [problem for problem in found if (problem.file, problem.path) not in known]
    problems += document.problems
    if problems or definition is None:
        return Reading(document, folder, None, tuple(sorted(problems)), more)
    return Reading(document, folder, definition.in_folder(folder), ())


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
