"""What a text to a number costs: by prefix, by the phone that sends it, and by the day."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final, NamedTuple

ANY: Final = ""
"""Stands for any phone; also the target of a request whose phone the gateway chooses."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A segment to numbers that begin with `prefix` (digits) costs so many millionths from the day `since` on.

    `device`: the phone or SIM (`2|0`) that it holds for; `ANY`. `since` None: always.
    """

    prefix: str
    device: str
    millionths: int
    since: date | None = None


class Price(NamedTuple):
    """The price of a segment in millionths, and the prefix that it stands for.

    `is_dearest`: only single phones have a price for the number, and this is the highest of those that may apply.
    """

    millionths: int
    prefix: str
    is_dearest: bool = False


class Tariff:
    """The prices of one phone, or of a request whose phone is open, on one day."""

    def __init__(self, usual: Iterable[PriceRow], single: Iterable[Iterable[PriceRow]]) -> None:
        """`usual` are the rows that hold; `single` those of each phone that may be the one."""
        self._usual = _PrefixTable(usual)
        self._single = [_PrefixTable(rows) for rows in single]

    def price_of(self, number: str) -> Price | None:
        """Return what a segment to a number (E.164) costs; None: nobody knows."""
        digits = number.removeprefix("+")
        found = self._usual.find(digits)
        if found is not None or not self._single:
            return found
        every = [price for table in self._single if (price := table.find(digits)) is not None]
        return max(every)._replace(is_dearest=True) if every else None


class _PrefixTable:
    """Of the rows with the same prefix, one that is for a narrower device counts, and of those the latest."""

    def __init__(self, rows: Iterable[PriceRow]) -> None:
        ordered = sorted(rows, key=lambda row: (_narrowness(row.device), row.since or date.min))
        self._prices = {row.prefix: Price(row.millionths, row.prefix) for row in ordered}
        self._lengths = sorted({len(prefix) for prefix in self._prices}, reverse=True)

    def find(self, digits: str) -> Price | None:
        for length in self._lengths:
            if (price := self._prices.get(digits[:length])) is not None:
                return price
        return None


def _narrowness(device: str) -> int:
    return 2 if "|" in device else 1 if device else 0


@dataclass(frozen=True)
class Prices:
    """All prices of an installation, in one currency."""

    currency: str
    rows: tuple[PriceRow, ...]

    def tariff(self, target: str, on: date) -> Tariff:
        """Return the prices on a day for a request with this target, as stored with it: `2`, `2|0`, `1,2`, or `ANY`.

        Rows of that phone and of its SIM count, and rows for any phone. Where the gateway chooses, rows for any phone
        count; numbers without one cost what the dearest of the phones takes that may be chosen.
        """
        key = target, sum(start <= on for start in self._starts)
        if (known := self._tariffs.get(key)) is None:
            known = self._tariffs[key] = self._made(target, on)
        return known

    @cached_property
    def _starts(self) -> Sequence[date]:
        return sorted({row.since for row in self.rows if row.since is not None})

    @cached_property
    def _tariffs(self) -> dict[tuple[str, int], Tariff]:
        return {}

    def _made(self, target: str, on: date) -> Tariff:
        begun = [row for row in self.rows if row.since is None or row.since <= on]
        if target and "," not in target:
            usual = [row for row in begun if row.device in {ANY, _phone(target), target}]
            return Tariff(usual, _of_each(begun, {target}))
        usual = [row for row in begun if row.device == ANY]
        return Tariff(usual, _of_each(begun, set(filter(None, target.split(",")))))


def _of_each(rows: Sequence[PriceRow], targets: Collection[str]) -> list[list[PriceRow]]:
    """Return the rows of each phone and SIM that such a request may go to; without targets: of every one.

    The rows of its phone hold for a SIM, too.
    """
    named = {row.device for row in rows if row.device}
    meant = {device for device in named if not targets or {device, _phone(device)} & set(targets)} | set(targets)
    return [[row for row in rows if row.device in {device, _phone(device)}] for device in sorted(meant)]


def _phone(device: str) -> str:
    return device.partition("|")[0]
