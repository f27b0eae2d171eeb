"""The texts of a campaign, one or one per variant, and those of its steps: what one person gets, and what it costs."""

from collections.abc import Mapping
from datetime import tzinfo
from functools import partial
from types import MappingProxyType
from typing import Final

from campaigns.definition.models import TextEncoding
from campaigns.definition.schedule import Schedule
from campaigns.message.filters import RenderError
from campaigns.message.segments import Segmentation, is_blank
from campaigns.message.templates import MessageTemplate, compile_message
from campaigns.message.transliteration import encoded
from campaigns.timing.zones import ZONE_COLUMN, InvalidZone, clocks_of

MAX_SEGMENTS: Final = 10
"""A longer text counts as a mistake: phones and carriers join ten parts reliably, and each part costs."""


_NO_STEPS: Final[Mapping[str, str]] = MappingProxyType({})


class Texts:
    """The texts of a campaign: one, or one per variant."""

    def __init__(
        self,
        messages: Mapping[str, str],
        schedule: Schedule,
        encoding: TextEncoding = TextEncoding.AS_IS,
        steps: Mapping[str, str] = _NO_STEPS,
    ) -> None:
        """Take `messages` by variant name, and the `schedule` for the zone in which dates are shown.

        `encoding`: which characters may be replaced once a text is rendered. `steps`: the texts of steps by name.
        """
        self.names = tuple(messages)
        self._schedule = schedule
        self._encoding = encoding
        order = schedule.remind.format if schedule.remind else None
        self._templates: list[MessageTemplate] = [compile_message(text, order) for text in messages.values()]
        self._steps = [(name, compile_message(text, order)) for name, text in steps.items()]
        every = [*self._templates, *(template for _, template in self._steps)]
        self._shows_dates = any(template.shows_dates for template in every)
        self.fields = frozenset[str]().union(*(template.fields for template in every))

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it needs from the audience: the fields, and the zone in which to show dates."""
        return self.fields | {ZONE_COLUMN} if self._shows_dates else self.fields

    def of(self, number: str, fields: Mapping[str, str], index: int) -> tuple[str, Segmentation]:
        """Return the text for the person with this number (E.164), and what it costs. Raises `RenderError`.

        It also raises if another variant cannot be sent to this person: the groups would not be comparable if one
        variant needed more fields than the other.
        """
        zone = partial(self._zone, number, fields) if self._shows_dates else None
        if len(self._templates) == 1:
            return self._checked(self._templates[0].render(fields, zone))
        found: list[tuple[str, Segmentation]] = []
        for name, template in zip(self.names, self._templates, strict=True):
            try:
                found.append(self._checked(template.render(fields, zone)))
            except RenderError as error:
                raise RenderError(f"variant {name}: {error.reason}") from error
        return found[index]

    def of_steps(self, number: str, fields: Mapping[str, str]) -> list[tuple[str, Segmentation]]:
        """Return the texts of the steps for this person, as `of` its text. Raises `RenderError`."""
        zone = partial(self._zone, number, fields) if self._shows_dates else None
        found: list[tuple[str, Segmentation]] = []
        for name, template in self._steps:
            try:
                found.append(self._checked(template.render(fields, zone)))
            except RenderError as error:
                raise RenderError(f"step {name}: {error.reason}") from error
        return found

    def _zone(self, number: str, fields: Mapping[str, str]) -> tzinfo:
        """Return the zone in which a time with an offset is shown: the campaign's if the person may have several."""
        try:
            zones = clocks_of(self._schedule, number, fields).infos
        except InvalidZone as error:
            raise RenderError(error.reason) from None
        return zones[0] if len(zones) == 1 else self._schedule.zone

    def _checked(self, text: str) -> tuple[str, Segmentation]:
        """Return the text as it is sent, and what it costs. Raises `RenderError` for one that may not be sent."""
        if is_blank(text):
            raise RenderError("the text is empty")
        text, cost = encoded(text, self._encoding)
        if cost.segments > MAX_SEGMENTS:
            raise RenderError(f"the text takes {cost.segments} segments, but at most {MAX_SEGMENTS} are allowed")
        return text, cost
