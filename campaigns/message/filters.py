"""What a message does with values: it computes with decimals, replaces words and shows dates."""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime, time, tzinfo
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal

from campaigns.timing.dates import DayOrder, UnreadableDate, read_date

MAX_CHARACTERS: Final = 10_000
"""The limit of a template and of a rendered text: six times what ten segments can hold."""

# Whole digits, or groups of three with one kind of separator, then a fraction after a point or a comma.
_NUMBER: Final = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<groups>\d{1,3}(?P<between>[ '.,])\d{3}(?:(?P=between)\d{3}){0,6})|(?P<digits>\d{0,24}))"
    r"(?:(?P<mark>[.,])(?P<fraction>\d{1,12}))?"
)
_PLAINER: Final = str.maketrans("\u2212\u2019\u00a0\u2009\u202f", "-'   ")  # minus, apostrophe, other kinds of spaces
_EXACT: Final = Context(prec=40)
_SHOWN_DIGITS: Final = 15  # as in spreadsheets, so that a third of something does not fill the text
_MOST_PLACES: Final = 9

_CODE: Final = re.compile(r"%[-_0^#:]?(?P<width>\d*)(?P<code>[A-Za-z%]?)", re.ASCII)
_CODES: Final = frozenset("aAbBcCdDeFgGhHIjklmMpPrRsSTuUVwWxXyYzZ%")
"""The strftime codes allowed in a date's format. A width (%5000d) gives a text that long, or an empty one."""
_CLOCK: Final = frozenset("cHIklMpPrRsSTXzZ")
"""The codes that show a time of day."""


class RenderError(Exception):
    """A message that cannot be rendered for one person. `reason` says why, for the report, and never shows a cell."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Amount(Decimal):
    """A number in a message. Sums are exact, and it is written without an exponent, as people write it."""

    __slots__ = ()

    def __str__(self) -> str:
        shown = Context(prec=max(_SHOWN_DIGITS, self.adjusted() + 1)).plus(self) if self else self
        text = format(Decimal(shown), "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text


def read_number(text: str, name: str, *, is_whole: bool = False) -> Amount:
    """Return the number in a cell, if it can only be one number. `name` is the cell's name in a reason.

    A separator between groups of three digits (`1 234 567`, `1.234,50`) is accepted if it cannot be anything else:
    1,200 may be 1200 or 1.2, and so may 1.200 if whole numbers are expected. Raises RenderError.
    """
    part = _NUMBER.fullmatch(text.strip()[:64].translate(_PLAINER))
    if (
        part is None
        or part["between"] == part["mark"] is not None
        or not (part["groups"] or part["digits"] or part["mark"])
    ):
        raise RenderError(f"{name} is not a number")
    groups, between, fraction = part["groups"], part["between"], part["fraction"] or "0"
    if groups is None:
        return Amount(f"{part['sign']}{part['digits'] or '0'}.{fraction}")
    if between in (".", ",") and groups.count(between) == 1 and part["mark"] is None:
        if groups[0] != "0" and (between == "," or is_whole):
            raise RenderError(f"{name} can be read as more than one number: write 1200 or 1.2")
        return Amount(part["sign"] + groups.replace(between, "."))
    return Amount(f"{part['sign']}{groups.replace(between, '')}.{fraction}")


def to_float(value: object, default: object = None, *, name: str = "a value") -> object:
    """The filter `float`: a cell as a decimal. A value that is not a number becomes the `default`, if one is given."""
    return _converted(value, default, name, is_whole=False)


def to_int(value: object, default: object = None, *, name: str = "a value") -> object:
    """The filter `int`: like `float`, without the fraction."""
    found = _converted(value, default, name, is_whole=True)
    return int(found) if isinstance(found, Amount) else found


def to_round(
    value: object, precision: int = 0, method: Literal["common", "ceil", "floor"] = "common", *, name: str = "a value"
) -> Amount:
    """The filter `round`: half rounds up, as people do."""
    number = _converted(value, None, name, is_whole=False)
    rounding = {"common": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}.get(method)
    if rounding is None or not isinstance(number, Amount):
        raise RenderError("round knows common, ceil and floor")
    places = max(-_MOST_PLACES, min(int(precision), _MOST_PLACES))
    return Amount(number.quantize(Decimal(1).scaleb(-places), rounding, _EXACT))


def _converted(value: object, default: object, name: str, *, is_whole: bool) -> object:
    if isinstance(value, int | Decimal):
        return Amount(value)
    try:
        return read_number(str(value), name, is_whole=is_whole)
    except RenderError:
        if default is None:
            raise
        return default


def to_date(text: str, shape: str, name: str, *, zone: Callable[[], tzinfo] | None, order: DayOrder | None) -> str:
    """The date in `text`, shaped by strftime codes; a time with an offset by the clocks that `zone` names."""
    if unknown_code(shape) or not has_code(shape):
        raise RenderError(f"{name} has a format that `date` does not know")
    try:
        read = read_date(text, order)
    except UnreadableDate as error:
        raise RenderError(f"{name} {error.reason}") from None
    if not isinstance(read, datetime):
        if _shows_clock(shape):
            raise RenderError(f"{name} is a day without a time, and the message shows one")
        read = datetime.combine(read, time())
    elif read.tzinfo and zone:
        read = read.astimezone(zone())
    shown = read.strftime(shape)
    if len(shown) > MAX_CHARACTERS:
        raise RenderError(f"the text is over {MAX_CHARACTERS:,} characters")
    return shown


@lru_cache(maxsize=64)
def unknown_code(shape: str) -> str:
    """Return the first % in a date's format that is not an allowed strftime code, with what follows it, or empty."""
    return next((code[0] for code in _CODE.finditer(shape) if code["width"] or code["code"] not in _CODES), "")


@lru_cache(maxsize=64)
def has_code(shape: str) -> bool:
    """Whether a date's shape shows anything of the date; `YYYY-MM-DD` would be sent as it stands."""
    return any(code[0] != "%%" for code in _CODE.finditer(shape))


@lru_cache(maxsize=64)
def _shows_clock(shape: str) -> bool:
    return any(code["code"] in _CLOCK for code in _CODE.finditer(shape))


def replace(value: object, old: object, new: object) -> str:
    """The filter `replace`. The size is computed first, so that a chain of them cannot fill the memory."""
    text, before, after = str(value), str(old), str(new)
    if len(text) + text.count(before) * max(0, len(after) - len(before)) > MAX_CHARACTERS:
        raise RenderError(f"the text is over {MAX_CHARACTERS:,} characters")
    return text.replace(before, after)


def _floor(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.divide(left, right).to_integral_value(ROUND_FLOOR)


def _computed(
    natively: Callable[[Any, Any], Any] | None, exactly: Callable[[Decimal, Decimal], Decimal]
) -> Callable[[object, object], object]:
    """Return an operator. `natively` handles two whole numbers, whose result may be used as a length or a position."""

    def compute(left: object, right: object) -> object:
        if natively and isinstance(left, int) and isinstance(right, int):
            return natively(left, right)
        return Amount(exactly(_operand(left), _operand(right)))

    return compute


def _operand(value: object) -> Amount:
    if isinstance(value, int | Decimal):
        return Amount(value)
    str(value)  # a missing field says so itself
    raise RenderError(
        "the message cannot be computed: it adds to a text, write {{ field | int }} or {{ field | float }}"
    )


_add_numbers: Final = _computed(operator.add, _EXACT.add)


def _add(left: object, right: object) -> object:
    """Add numbers or join texts. Two numbers that are still texts are refused: convert them, or join them by ~."""
    if not isinstance(left, str) or not isinstance(right, str):
        return _add_numbers(left, right)
    if _is_number(left) and _is_number(right):
        raise RenderError(
            "the message cannot be computed: it adds two texts, write (a | float) + (b | float), or a ~ b"
        )
    return left + right


def _is_number(text: str) -> bool:
    return bool(text) and _NUMBER.fullmatch(text[:64]) is not None


BINARY: Final[Mapping[str, Callable[[Any, Any], Any]]] = MappingProxyType(
    {
        "+": _add,
        "-": _computed(operator.sub, _EXACT.subtract),
        "/": _computed(None, _EXACT.divide),
        "//": _computed(operator.floordiv, _floor),
    }
)
"""The binary operators. Without products and powers, no result outgrows its operands."""


def _compared(test: Callable[[Any, Any], bool], *, is_order: bool) -> Callable[[object, object, str, str], bool]:
    """A comparison; the names are how a reason calls the two sides."""

    def compare(left: object, right: object, left_name: str, right_name: str) -> bool:
        if isinstance(left, str) and isinstance(right, int | Decimal):
            left = read_number(left, left_name)
        elif isinstance(right, str) and isinstance(left, int | Decimal):
            right = read_number(right, right_name)
        elif is_order and isinstance(left, str) and isinstance(right, str) and _is_number(left) and _is_number(right):
            raise RenderError(
                "the message cannot be computed: it compares two texts, and as text 9 is more than 10; "
                "write (a | float) > (b | float)"
            )
        return test(left, right)

    return compare


COMPARISONS: Final[Mapping[str, Callable[[Any, Any, str, str], bool]]] = MappingProxyType(
    {name: _compared(getattr(operator, name), is_order=name not in ("eq", "ne")) for name in ("eq", "ne", "lt", "gt")}
    | {
        "lteq": _compared(operator.le, is_order=True),
        "gteq": _compared(operator.ge, is_order=True),
        "in": lambda part, whole, *_names: operator.contains(str(whole), str(part)),
        "notin": lambda part, whole, *_names: not operator.contains(str(whole), str(part)),
    }
)
"""By Jinja's names. A cell is a text: beside a number it is compared as the number that it holds."""

UNARY: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "-": lambda value: -value if isinstance(value, int) else Amount(_EXACT.minus(_operand(value))),
        "+": lambda value: value if isinstance(value, int) else _operand(value),
    }
)
