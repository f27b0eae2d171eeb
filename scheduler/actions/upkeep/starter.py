"""What `campaigns init` makes: an example campaign with its tables, the team's defaults, a settings file."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final

from campaigns.definition import Rate
from scheduler.actions.refusals import Refusal, Refused
from worker.settings.settings import PREFIX, Settings

NOT_YET: Final = "not supported yet"

_RENAME: Final = """\
# Rename this file to {name} to make it a campaign: an inbox sends whatever ends in .yaml.
# Look first:  campaigns check {name}
#              campaigns plan {name} --sandbox
#              {rehearsal}

"""

_EXAMPLES: Final = resources.files("campaigns") / "examples"
_REPEATS: Final = "weekly-offer"  # `run` is for campaigns that run once
_WRITTEN_ON: Final = date(2026, 12, 1)
"""A Tuesday: every date in the examples is at least two days later."""
_DATE: Final = re.compile(r"\b\d{4}-\d\d-\d\d\b")

_DEFAULTS: Final = """\
# The team's defaults: they apply to every campaign file in this folder that does not say otherwise.
# Any key may be here except campaign, message and audience. Remove a # to use one.

follow:
  until: 72h                      # how long to wait for receipts

# default_region: IT
# schedule:
#   timezone: Europe/Rome
#   window: {days: mon-sat, from: "09:00", to: "20:00"}
# throughput:
#   rate: 30/minute
"""


@dataclass(frozen=True, slots=True)
class Starter:
    """The files to start from: those that were made, and those that were `kept` as they were."""

    made: tuple[Path, ...]
    kept: tuple[Path, ...]


def rehearsal(example: str, campaign: Path | str) -> str:
    """Return the command that rehearses this example, whose file is `campaign`."""
    return "campaigns up --sandbox" if example == _REPEATS else f"campaigns run {campaign} --sandbox"


def make_starter(inbox: Path, working_folder: Path, *, example: str, today: date) -> Starter:
    """Make the files that are missing. Raises `Refused`, or OSError with the file's name."""
    try:
        inbox.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):  # raised by the folders, or by something above one of them
        there = next(path for path in (inbox, *inbox.parents) if os.path.lexists(path))
        sentence = f"{there} is not a folder, so the inbox {inbox} cannot be made; name another one: campaigns init DIR"
        raise Refused(Refusal.INVALID, sentence) from None
    files = {
        **{inbox / name: text for name, text in _example_files(example, today)},
        inbox / "defaults.yaml": _DEFAULTS,
        working_folder / ".env": "\n".join(_settings_lines()),
    }
    made: list[Path] = []
    kept: list[Path] = []
    for path, text in files.items():
        (made if _write_new(path, text) else kept).append(path)
    return Starter(tuple(made), tuple(kept))


def _example_files(example: str, today: date) -> Iterator[tuple[str, str]]:
    """Yield name and text of the campaign file, which an inbox does not send yet, and of its tables.

    Dates are moved by whole weeks, so that those of the examples lie ahead and keep their weekdays.
    """
    weeks = -((_WRITTEN_ON - today).days // 7)

    def moved(found: re.Match[str]) -> str:
        return (date.fromisoformat(found[0]) + timedelta(weeks=weeks)).isoformat()

    campaign = f"{example}.yaml"
    for file in sorted((_EXAMPLES / example).iterdir(), key=lambda file: (file.name != campaign, file.name)):
        text = _DATE.sub(moved, file.read_text(encoding="utf-8"))
        if file.name == campaign:
            yield f"{campaign}.example", _RENAME.format(name=campaign, rehearsal=rehearsal(example, campaign)) + text
        else:
            yield file.name, text


def _write_new(path: Path, text: str) -> bool:
    """Return whether the file is new. Only its owner may read a settings file: it will hold a key."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if path.name == ".env" else 0o666)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    return True


def _settings_lines() -> Iterator[str]:
    """Yield every setting with its meaning and its default, from the settings themselves."""
    yield "# Settings. Remove the # of a line to change it; environment variables of the same name override this file."
    for name, field in Settings.model_fields.items():
        if not (field.description or "").startswith(NOT_YET):
            yield ""
            yield f"# {field.description}"
            yield f"# {PREFIX}{name.upper()}={_written(field.default)}"
    yield ""


def _written(default: Any) -> str:
    """Return a default as an environment variable writes it; empty if there is none, or if the machine decides."""
    if isinstance(default, str | int | float | Path | Rate) and not isinstance(default, bool):
        return str(default)
    return ""
