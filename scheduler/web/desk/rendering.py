"""Templates, and how values are shown in them. Everything is escaped; there is no way around it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from campaigns.access import Scope, roles_allowed
from campaigns.counting import amount
from campaigns.display import phone_words, saving_words, shown_time, state_words
from campaigns.steps.turns import reason_words
from scheduler.actions.plans.facts import phone_name
from scheduler.actions.reading.lists import at_least
from scheduler.report.meanings import explained
from scheduler.report.shown.seeing import number_for, words_for
from scheduler.web.desk import charts

if TYPE_CHECKING:
    from scheduler.web.desk.pages import Visit

TEMPLATES: Final = Path(__file__).with_name("templates")
STYLESHEET: Final = Path(__file__).with_name("static") / "desk.css"

VIEWS: Final = (
    ("/", "Now"),
    ("/needs", "Needs you"),
    ("/campaigns", "Campaigns"),
    ("/calendar", "Calendar"),
    ("/compare", "Compare"),
    ("/fleet", "Fleet"),
    ("/replies", "Replies"),
    ("/opt-outs", "Opt-outs"),
    ("/system", "System"),
    ("/audit", "Audit"),
    ("/users", "Users"),
)
"""The pages in the navigation."""

NEEDED: Final = {"/system": Scope.CONTROL, "/audit": Scope.CONTROL, "/users": Scope.ADMIN}
"""Those that are shown only to people who may see them; the others need `read`."""


REHEARSAL: Final = "Rehearsal in a sandbox: nobody gets a real text."
"""Stands above whatever might be taken for texts to people."""


def render(template: str, values: Mapping[str, Any], asked: "Visit", *, part: str = "") -> str:
    """Return a page, or only its part that changes: `part` is its name, and that of the page."""
    is_part = is_live(part) and template == f"{part}.html"
    found = _environment().get_template(f"live/{template}" if is_part else template)
    views = [(url, name) for url, name in VIEWS if asked.may(NEEDED.get(url, Scope.READ))]
    return found.render({**values, "asked": asked, "views": views})


@dataclass(frozen=True, slots=True)
class FileReader:
    """Whoever reads a page that was written into a file: it leads nowhere."""

    zone: ZoneInfo
    full: bool


def render_file(template: str, values: Mapping[str, Any], zone: ZoneInfo, *, full: bool) -> str:
    """Return a page that is complete in one file: the stylesheet is in it."""
    style = Markup(STYLESHEET.read_text(encoding="utf-8"))  # noqa: S704  our own file
    return _environment().get_template(template).render({**values, "asked": FileReader(zone, full), "style": style})


def is_live(part: str) -> bool:
    """Return whether pages have a live part of this name."""
    return part in _live_parts()


@cache
def _live_parts() -> frozenset[str]:
    return frozenset(path.stem for path in (TEMPLATES / "live").glob("*.html"))


def compile_templates() -> None:
    """Compile every template, 0.2 s of the processor in all, so that nobody who opens a page first waits for it."""
    for template in _environment().list_templates():
        _environment().get_template(template)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "capitalise": lambda sentence: sentence[:1].upper() + sentence[1:],
        "sentence": sentence,
        "count": lambda number: f"{number:,}",
        "amount": amount,
        "at_least": at_least,
        "bar": charts.bar,
        "course": charts.course,
        "course_rows": charts.course_rows,
        "reached": charts.reached,
        "strip": charts.strip,
        "kept_back": charts.kept_back,
        "kept_rows": charts.kept_rows,
        "share": charts.share,
        "percent": _percent,
        "explained": explained,
        "phone": phone_words,
        "named_phone": phone_name,
        "reason_of": lambda reason, state: reason_words(state, reason),
        "roles": lambda scope: roles_allowed(Scope(scope)),
        "clock": lambda moment, asked: f"{moment.astimezone(asked.zone):%H:%M}",
        "utc": lambda moment: f"{moment.astimezone(UTC):%H:%M} UTC",
        "at": lambda seconds: datetime.fromtimestamp(seconds, UTC),
        "state": lambda state: state_words(str(getattr(state, "value", state))),
        "number": lambda number, asked: number_for(number, full=asked.full),
        "words": lambda text, asked: words_for(text, full=asked.full),
        "time": _time,
        "age": _age,
        "moment": lambda text: datetime.fromisoformat(text) if text else None,
        "query": _query,
    }
    made.globals |= {"rehearsal": REHEARSAL, "saving_words": saving_words}
    return made


def _time(moment: datetime | None, asked: "Visit | FileReader", *, seconds: bool = False) -> Markup | str:
    """Return a moment in the reader's zone, with UTC beside it where that is another time."""
    if moment is None:
        return "–"
    here, there = shown_time(moment, asked.zone, seconds=seconds), shown_time(moment, ZoneInfo("UTC"), seconds=seconds)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment.isoformat(), there, here)


def sentence(said: object, asked: "Visit") -> str:
    """Return what stands alone on a page with a capital, unless it begins with a name that somebody gave.

    The command line and the API show the same sentence after a colon.
    """
    text = str(said)
    word = re.match("[a-z]+(?=[ ,:;])", text)
    names = {str(name).casefold() for name in (*asked.path.values(), *asked.form.values())}  # users' are kept small
    if word is None or word[0] in names or re.search(rf"campaign: *.?{word[0]}\b", asked.form.get("text", "")):
        return text
    return text[:1].upper() + text[1:]


def _query(url: str, **values: object) -> str:
    """Return an address with these values, without those that are empty."""
    said = urlencode({name: value for name, value in values.items() if value not in (None, "")})
    return f"{url}{'&' if '?' in url else '?'}{said}" if said else url


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _age(seconds: float) -> str:
    """Return how long ago, or how long it takes, in the largest unit of which there are two."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return amount(int(seconds // length), unit)
    return amount(int(seconds), "second")
