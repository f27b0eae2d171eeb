"""What the operator insists on, whatever a campaign file says: approval, hours, a frequency cap, kinds."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import time
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from campaigns.definition.document import Document, KeyPath
from campaigns.definition.models import Definition, FrequencyCap, Kind, OverCap
from campaigns.definition.schedule import Keeper
from campaigns.definition.sources import ContactListSource
from campaigns.definition.windows import MIDNIGHT, Window, parse_range
from campaigns.problems import Problem
from campaigns.values.addresses import address_problem
from campaigns.values.durations import format_duration, parse_duration
from campaigns.values.scalars import shown

_TAKES: Final = "write days and times of day from 00:00 to 24:00, such as mon-sat 09:00-20:00; sun 10:00-13:00"
HOURS: Final = re.compile(r"(?:([A-Za-z, \u2013-]*[A-Za-z]) +)?([0-9]{1,2}:[0-9]{2} ?[-\u2013] ?[0-9]{1,2}:[0-9]{2})")
ALL_KINDS: Final = frozenset(Kind)
_RULES: Final = {
    "schedule.window": "hours (CAMPAIGNS_HOURS)",
    "frequency_cap": "frequency cap (CAMPAIGNS_FREQUENCY_CAP)",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of an installation. A rule can only restrict what a file may do.

    `approval`: campaigns of these kinds send nothing before somebody approves them. `hours`: the only times at which
    anything but a transactional text is sent, by the clocks that the campaign's own window goes by. `cap`: at most so
    many marketing texts for one person. `kinds`: what a file may be. `private_webhooks`: a file may name one that is
    private; `own_webhook`, which has a secret, it may always name.
    """

    approval: frozenset[Kind] = frozenset()
    hours: Window | None = None
    cap: FrequencyCap | None = None
    kinds: frozenset[Kind] = ALL_KINDS
    private_webhooks: bool = True
    own_webhook: str = field(default="", repr=False)

    def problems(self, definition: Definition, document: Document) -> Iterator[Problem]:
        """Yield the places where the file asks for more than the rules allow."""
        is_list = isinstance(document.value(("audience",)), list)
        for path, problem, hint in self.broken_by(definition):
            place = path if is_list else tuple(part for part in path if isinstance(part, str))
            yield document.value_place(place).problem(place, problem, hint)
        address, path = definition.report.webhook, ("report", "webhook")
        if address and address != self.own_webhook:
            wrong = address_problem(address, allow_private=self.private_webhooks)
            if wrong:  # said of files alone: a run that was taken is not stopped by whom it tells
                hint = "write one such as https://example.com/hook, or ask for the setting to be changed"
                yield document.value_place(path).problem(path, f"would never be called: {wrong}", hint)

    def broken_by(self, definition: Definition) -> Iterator[tuple[KeyPath, str, str]]:
        """Yield what a definition asks for beyond the rules: the key, the problem and what to do."""
        schedule, own = definition.schedule, definition.frequency_cap
        yield from self.forbidden(definition)
        if self._has_hours(definition) and schedule.window is not None and not _within(schedule.window, self.hours):
            problem = f"opens outside the operator's hours ({self.hours})"
            yield ("schedule", "window"), problem, "narrow it, or remove it: those hours then apply"
        if self._has_cap(definition) and own is not None and not _is_as_strict(own, self.cap):
            problem = f"allows more than the operator's {format_cap(self.cap)}"
            yield ("frequency_cap",), problem, "lower it, or remove it: the operator's limit then applies"

    def forbidden(self, definition: Definition) -> Iterator[tuple[KeyPath, str, str]]:
        """Yield what of `broken_by` forbids the whole campaign: hours and a cap are enforced while it sends."""
        schedule = definition.schedule
        if definition.kind not in self.kinds:
            allowed = ", ".join(kind.value for kind in Kind if kind in self.kinds)
            problem = f"is {definition.kind}, which the operator does not allow here"
            yield ("kind",), problem, f"write one of {allowed}, or ask for CAMPAIGNS_KINDS to be changed"
        if definition.kind in self.approval and schedule.remind is not None:
            problem = f"cannot be approved, and the operator requires approval of {definition.kind} campaigns"
            hint = "ask for CAMPAIGNS_REQUIRE_APPROVAL to be changed, or send it as a campaign that runs once"
            yield ("schedule", "remind"), problem, hint
        yield from self._clashes(definition)

    def _clashes(self, definition: Definition) -> Iterator[tuple[KeyPath, str, str]]:
        """Yield what contradicts a key that the operator's rules add, reported at the key that the file has."""
        added, by = self.added(definition), ("schedule", "by")
        for key, rule in _RULES.items():
            if key in added and definition.schedule.by is Keeper.GATEWAY:
                yield by, f"gateway cannot be used with the operator's {rule}", "write by: service"
        if "frequency_cap" not in added:
            return
        for index, source in enumerate(definition.audience):
            if isinstance(source, ContactListSource):
                rule = _RULES["frequency_cap"]
                problem = f"cannot be used with the operator's {rule}: the gateway does not reveal its numbers"
                yield ("audience", index, "contact_list"), problem, "use a file as audience"

    def added(self, definition: Definition) -> frozenset[str]:
        """Return the keys that `applied` adds to a file without them."""
        approval = definition.kind in self.approval and not definition.approval
        window = self._has_hours(definition) and definition.schedule.window is None
        cap = self._has_cap(definition) and definition.frequency_cap is None
        return frozenset(
            key
            for key, is_added in (("approval", approval), ("schedule.window", window), ("frequency_cap", cap))
            if is_added
        )

    def applied(self, definition: Definition) -> Definition:
        """Return the definition with the operator's rules, where the file itself is not stricter."""
        changes: dict[str, object] = {}
        if definition.kind in self.approval:
            changes["approval"] = True
        if self._has_hours(definition) and definition.schedule.window is None:
            changes["schedule"] = definition.schedule.model_copy(update={"window": self.hours})
        if self._has_cap(definition) and definition.frequency_cap is None:
            changes["frequency_cap"] = self.cap
        return definition.model_copy(update=changes).in_folder(definition.folder) if changes else definition

    def hours_in_force(self, definition: Definition) -> Window | None:
        """Return the hours outside which nothing is sent, whatever the campaign's window says."""
        return self.hours if self._has_hours(definition) else None

    def cap_in_force(self, definition: Definition) -> FrequencyCap | None:
        """Return its cap, no looser than the operator's. If neither is stricter, the result is stricter than both."""
        own, cap = definition.frequency_cap, self.cap if self._has_cap(definition) else None
        if own is None or cap is None:
            return own or cap
        return own.model_copy(update={"messages": min(own.messages, cap.messages), "per": max(own.per, cap.per)})

    def _has_hours(self, definition: Definition) -> bool:
        return self.hours is not None and definition.kind is not Kind.TRANSACTIONAL

    def _has_cap(self, definition: Definition) -> bool:
        return self.cap is not None and definition.kind is Kind.MARKETING


NO_POLICY: Final = Policy()


def parse_hours(text: str) -> Window:
    """Parse hours such as `mon-sat 09:00-20:00; sun 10:00-13:00`. Raises ValueError."""
    openings: list[dict[str, Any]] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = HOURS.fullmatch(part)
        if not match:
            raise ValueError(f"has {shown(part)}; {_TAKES}")
        openings.append({"days": match[1] or "daily", "ranges": [match[2]]})
    try:
        if any(opens >= closes != MIDNIGHT for opens, closes in (parse_range(o["ranges"][0]) for o in openings)):
            raise ValueError("has hours that cross midnight; write them as two, such as 22:00-24:00; 00:00-02:00")
        return Window.model_validate(openings)
    except (ValidationError, PydanticCustomError) as error:
        context = error.errors()[0].get("ctx", {}) if isinstance(error, ValidationError) else error.context or {}
        raise ValueError(f"{context.get('problem', 'is not understood')}; {_TAKES}") from None


def parse_cap(text: str) -> FrequencyCap:
    """Parse a cap such as `2/7d`: at most 2 texts in any 7 days; people over it are skipped. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,4}) ?/ ?([0-9dhmsDHMS ]+)", text)
    if not match or not 1 <= int(match[1]) <= 1000:
        raise ValueError(f"must be texts and a length of time, such as 2/7d, not {shown(text)}")
    return FrequencyCap(messages=int(match[1]), per=parse_duration(match[2]), otherwise=OverCap.SKIP)


def parse_kinds(text: str) -> frozenset[Kind]:
    """Parse kinds such as `marketing, reminder`. Raises ValueError."""
    words = [word.strip().casefold() for word in text.split(",") if word.strip()]
    unknown = next((word for word in words if word not in {kind.value for kind in Kind}), "")
    if unknown or not words:
        but = f", not {shown(unknown)}" if unknown else ""
        raise ValueError(f"must be kinds of campaigns, separated by commas ({', '.join(Kind)}){but}")
    return frozenset(map(Kind, words))


def format_cap(cap: FrequencyCap | None) -> str:
    """Return `cap` in the form that `parse_cap` reads."""
    return f"{cap.messages}/{format_duration(cap.per)}" if cap else "none"


def _within(window: Window, hours: Window | None) -> bool:
    """Return whether each opening of a window lies within one of the hours, on each of its days."""
    minutes = [
        (day, *_minutes(span)) for opening in (hours.root if hours else ()) for day in opening.days
        for span in opening.spans
    ]  # fmt: skip
    return all(
        any(day == other and begins <= opens and closes <= ends for other, begins, ends in minutes)
        for opening in window.root
        for day in opening.days
        for opens, closes in map(_minutes, opening.spans)
    )


def _minutes(span: tuple[time, time]) -> tuple[int, int]:
    """Return a span in minutes of its day. An overnight span ends after the day, so only itself could contain it."""
    opens, closes = (60 * at.hour + at.minute for at in span)
    return opens, closes if closes > opens else closes + 24 * 60


def _is_as_strict(own: FrequencyCap, cap: FrequencyCap | None) -> bool:
    return cap is None or (own.messages <= cap.messages and own.per >= cap.per)
