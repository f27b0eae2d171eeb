"""Dates on which nothing is sent: single dates, or the public holidays of a country."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Annotated, Final

from campaigns.values.scalars import Scalar, nearest, refuse, shown

HINT: Final = "write a country such as IT, a part of one such as DE-BY, or a date such as 2026-12-24"


@dataclass(frozen=True, slots=True, order=True)
class Closure:
    """One date, or the holidays of a country or a part of one: `2026-12-24`, `IT`, `DE-BY`."""

    name: str

    def covers(self, day: date) -> bool:
        return self.name == day.isoformat() if self.name[0].isdigit() else day in _holidays(self.name, day.year)

    def __str__(self) -> str:
        return self.name


def parse_closure(text: str) -> Closure:
    """Parse a closure. Raises ValueError."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        try:
            return Closure(date.fromisoformat(text).isoformat())
        except ValueError:
            refuse(f"is not a valid date: {shown(text)}", HINT)
    country, _, part = text.upper().partition("-")
    parts = _countries().get(country)
    if not re.fullmatch("[A-Z]{2}", country) or parts is None:
        refuse(f"must be a date or a country whose holidays are known, not {shown(text)}", HINT)
    if part and part not in parts:
        near = nearest(part, list(parts))
        known = f"known are {', '.join(parts[:12])}" if parts else f"{country} has no parts with their own holidays"
        refuse(f"is not a part of {country}: {shown(part)}", f"did you mean {country}-{near}?" if near else known)
    return Closure(f"{country}-{part}" if part else country)


def _library() -> ModuleType:
    """Import the library only if a file names a country: most do not, and it takes longer than this whole package."""
    return import_module("holidays")


@cache
def _countries() -> dict[str, list[str]]:
    """Return country -> its parts with holidays of their own."""
    return dict(_library().list_supported_countries())


@cache
def _holidays(name: str, year: int) -> frozenset[date]:
    country, _, part = name.partition("-")
    return frozenset(_library().country_holidays(country, subdiv=part or None, years=year))


Closing = Annotated[Closure, Scalar(Closure, parse_closure, str, {"type": "string", "minLength": 2})]
