"""The text of a campaign file: written for the common case, and with a column put into it."""

import json
import re
from dataclasses import dataclass
from typing import Final

from campaigns.definition.document import Document, KeyPath, Place
from campaigns.definition.loader import parse_document
from campaigns.message.templates import field_name
from campaigns.problems import CampaignFileError
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.uploading.columns import audience_paths

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,99}")
_NOT_PLAIN: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off"})
_BLOCK: Final = re.compile(r"[^\s\x00-\x1f\x7f][^\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]*")
_SCALAR: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,}\]#\n]*[^\s,}\]#]""")
_FIELDS: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_QUOTED: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")


@dataclass(frozen=True, slots=True)
class FilledIn:
    """What somebody filled in; empty values are left out of the file."""

    name: str
    message: str
    earlier: str
    who: str
    table: str
    column: str
    country: str
    rate: str
    window_from: str
    window_to: str
    start: str
    zone: str
    approval: bool


def compose(wanted: FilledIn) -> str:
    """Return the campaign file. What is wrong in it is told when it is checked.

    Raises `Refused` for what no file would show: a window with one end, and no audience.
    """
    if not wanted.table and not wanted.earlier:
        sentence = "choose a table: bring one under Files, or name one that was brought before; or an earlier campaign"
        raise Refused(Refusal.INVALID, sentence)
    if bool(wanted.window_from) != bool(wanted.window_to):
        raise Refused(Refusal.INVALID, "fill in both Send from and until, or neither")
    lines = [f"campaign: {_scalar(wanted.name)}", *_message(wanted.message.strip()), "audience:", *_sources(wanted)]
    lines += [f"default_region: {json.dumps(wanted.country.upper(), ensure_ascii=False)}"] if wanted.country else []
    lines += ["throughput:", f"  rate: {_quoted(wanted.rate)}"] if wanted.rate else []
    schedule = [f"  start: {_quoted(wanted.start.replace('T', ' '))}"] if wanted.start else []
    if wanted.window_from and wanted.window_to:
        schedule.append(f"  window: {{from: {_quoted(wanted.window_from)}, to: {_quoted(wanted.window_to)}}}")
    if schedule:
        lines += ["schedule:", *schedule, f"  timezone: {_scalar(wanted.zone)}"]
    lines += ["approval: true"] if wanted.approval else []
    return "\n".join(lines) + "\n"


def _sources(wanted: FilledIn) -> list[str]:
    earlier = [f"campaign: {_scalar(wanted.earlier)}"] if wanted.earlier else []
    earlier += [f"where: {_quoted(wanted.who)}"] if wanted.earlier and wanted.who else []
    table = [f"file: {_scalar(wanted.table)}"] if wanted.table else []
    table += [f"number: {_scalar(wanted.column)}"] if wanted.table and wanted.column else []
    if not earlier or not table:
        return [f"  {line}" for line in earlier or table]
    return [f"  {'  ' if place else '- '}{line}" for source in (earlier, table) for place, line in enumerate(source)]


def with_column(text: str, name: str, column: str, *, is_number: bool) -> str:
    """Return the text with another column where it says `name`: as that of the numbers, or in its messages."""
    if not is_number:
        return _FIELDS.sub(lambda found: _renamed(found[0], name, column), text)
    try:
        document = parse_document(text, "campaign.yaml")
    except CampaignFileError:
        return text
    for path in audience_paths(document):
        text_after = _with_number(text, document, path, name, column)
        if text_after is not None:
            return text_after
    return text


def _with_number(text: str, document: Document, path: KeyPath, name: str, column: str) -> str | None:
    """Return the text with this source's column of numbers; None if the source is not meant."""
    written = document.value((*path, "number"))
    if (written if isinstance(written, str) and written.strip() else "number") != name:
        return None
    if isinstance(written, str) and written.strip():
        return _replaced(text, document.value_place((*path, "number")), _scalar(column))
    if not isinstance(document.value((*path, "file")), str):
        return None
    place = document.value_place((*path, "file"))
    lines = text.split("\n")
    line = lines[place.line - 1]
    found = _SCALAR.match(line, place.column - 1)
    if found is None:
        return None
    key = document.key_place((*path, "file"))
    if "{" in line[: key.column - 1]:  # all in one line: {file: customers.csv}
        lines[place.line - 1] = f"{line[: found.end()]}, number: {_scalar(column)}{line[found.end() :]}"
    else:
        lines.insert(place.line, f"{' ' * (key.column - 1)}number: {_scalar(column)}")
    return "\n".join(lines)


def _replaced(text: str, place: Place, value: str) -> str | None:
    lines = text.split("\n")
    line = lines[place.line - 1]
    found = _SCALAR.match(line, place.column - 1)
    if found is None:
        return None
    lines[place.line - 1] = f"{line[: found.start()]}{value}{line[found.end() :]}"
    return "\n".join(lines)


def _renamed(field: str, name: str, column: str) -> str:
    """Return a field of a message with another name, but not in what is quoted in it."""
    parts, at = [], 0
    word = re.compile(r"\w+")

    def other(found: re.Match[str]) -> str:
        return column if field_name(found[0]) == field_name(name) else found[0]

    for quoted in _QUOTED.finditer(field):
        parts += [word.sub(other, field[at : quoted.start()]), quoted[0]]
        at = quoted.end()
    return "".join([*parts, word.sub(other, field[at:])])


def _message(message: str) -> list[str]:
    lines = message.split("\n")
    if len(lines) == 1 or not all(not line or _BLOCK.fullmatch(line) for line in lines):
        return [f"message: {_quoted(message)}"]
    return ["message: |-", *(f"  {line}" if line else "" for line in lines)]


def _scalar(value: str) -> str:
    return value if _PLAIN.fullmatch(value) and value.lower() not in _NOT_PLAIN else _quoted(value)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
