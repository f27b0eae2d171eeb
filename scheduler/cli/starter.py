"""What `campaigns init` makes: an example campaign, the team's defaults, a settings file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from campaigns.definition import Rate
from worker.settings import PREFIX, Settings

NOT_YET: Final = "not supported yet"

EXAMPLE: Final = "spring-sale.yaml"

_CAMPAIGN: Final = """\
# A campaign. Rename this file to {name} to make it one: whatever ends in .yaml in an inbox is sent.
# Look first:  campaigns check {name}    campaigns plan {name}    campaigns run {name} --sandbox

campaign: spring-sale             # its name for ever: a-z, 0-9 and -
description: Spring sale, all shops

message: >-                       # {{{{ fields }}}} are the columns of the table
  Hi {{{{ first_name | default("there") }}}}, our spring sale starts today. Reply STOP to opt out.

audience:
  - file: spring-customers.csv    # .csv, .tsv, .jsonl or .xlsx, beside this file
    number: phone                 # the column that holds the phone number
# exclude:
#   - file: already-bought.csv
# default_region: IT              # the country of numbers written without +country

# schedule:
#   start: 2026-12-01 09:00       # without it: now
#   timezone: Europe/Rome
#   window: {{days: mon-sat, from: "09:00", to: "20:00"}}   # the only times at which anything is sent

# throughput:
#   rate: 30/minute               # counted in SMS segments
# devices:
#   use: [1, "2|0"]               # phones that send: device ids, or "id|SIM slot"
# follow:
#   until: 72h                    # how long receipts are waited for
"""

# Numbers of the range that is kept for fiction in the United States. The two last rows show what a plan says of them.
_CUSTOMERS: Final = """\
phone,first_name
+1 202-555-0101,Anna
+1 202-555-0102,Bruno
+1 202-555-0103,Chiara
+1 202-555-0104,Dario
+1 202-555-0105,
+1 202-555-0106,Fabio
+1 202-555-0107,Giulia
+1 202-555-0108,Hugo
+1 202-555-0101,Anna again
not known yet,Ida
"""

_DEFAULTS: Final = """\
# The team's defaults: they hold for every campaign file in this folder that does not say otherwise.
# Any key may stand here but campaign, message and audience. Remove a # to use one.

follow:
  until: 72h                      # how long receipts are waited for

# default_region: IT
# schedule:
#   timezone: Europe/Rome
#   window: {days: mon-sat, from: "09:00", to: "20:00"}
# throughput:
#   rate: 30/minute
"""


def make_starter(inbox: Path, working_folder: Path) -> tuple[list[Path], list[Path]]:
    """Make the files that are missing; (made, kept). Raises OSError with the file's name."""
    inbox.mkdir(parents=True, exist_ok=True)
    files = {
        inbox / f"{EXAMPLE}.example": _CAMPAIGN.format(name=EXAMPLE),
        inbox / "spring-customers.csv": _CUSTOMERS,
        inbox / "defaults.yaml": _DEFAULTS,
        working_folder / ".env": "\n".join(_settings_lines()),
    }
    made: list[Path] = []
    kept: list[Path] = []
    for path, text in files.items():
        (made if _write_new(path, text) else kept).append(path)
    return made, kept


def _write_new(path: Path, text: str) -> bool:
    """Whether the file was not there before. Only its owner may read a settings file: it will hold a key."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if path.name == ".env" else 0o666)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    return True


def _settings_lines() -> Iterator[str]:
    """Every setting with its meaning and its default, from the settings themselves."""
    yield "# Settings. Remove the # of a line to change it; environment variables of the same name win over this file."
    for name, field in Settings.model_fields.items():
        if not (field.description or "").startswith(NOT_YET):
            yield ""
            yield f"# {field.description}"
            yield f"# {PREFIX}{name.upper()}={_written(field.default)}"
    yield ""


def _written(default: Any) -> str:
    """A default as an environment variable writes it; empty where there is none, or where the machine decides."""
    if isinstance(default, str | int | float | Path | Rate) and not isinstance(default, bool):
        return str(default)
    return ""
