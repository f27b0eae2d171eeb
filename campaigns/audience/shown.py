"""What a spreadsheet shows for a number: its digits, its format, its date."""

import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Final

from campaigns.phone_numbers.digits import lost_digits

_EXACT: Final = Context(
    prec=700, rounding=ROUND_HALF_UP
)  # a float has up to 309 digits before its decimal point, 340 after it
_LONGEST_CODE: Final = 255  # as long as a format can be
_MAX_DECIMALS: Final = 30  # likewise
_LONGEST_NUMBER: Final = 64
_TINY: Final = Decimal("1E-9")  # below it a spreadsheet shows an exponent

_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|[_*].|\[(?P<bracket>[^\]]*)\]|(?P<general>general)|(?P<exponent>E[+-][0#?]+)|'
    r"(?P<digits>[0#?][0#?,]*)|(?P<decimals>\.[0#?]*,*)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_PHONE: Final = re.compile(r"[+\d ()/-]+")


def shown_number(raw: str, code: str, *, is_phone: bool, is_1904: bool) -> str:
    """Return the text of a cell that holds the number `raw` in the format `code`; empty if it is not a number.

    A date becomes 2026-12-01 or 2026-12-01 09:30, in whatever order the sheet shows it, so that it can be read again.
    A phone number stays plain digits even in a format for amounts. `is_1904`: days count from 1904, as on old Macs.
    """
    if code == "General" and raw.isascii() and raw.isdigit() and len(raw) < 12 and raw[0] != "0":
        return raw
    try:
        number = float(raw[:_LONGEST_NUMBER])
        value = Decimal(f"{number:.15g}")  # all the digits that a spreadsheet has; the rest is binary noise
    except ValueError:
        return ""
    if not value.is_finite():
        return ""
    if code == "General" or len(code) > _LONGEST_CODE:
        return _general(value)
    from openpyxl.styles.numbers import is_date_format, is_timedelta_format

    if is_date_format(code):
        return _moment(number, code, is_elapsed=is_timedelta_format(code), is_1904=is_1904)
    sections = _sections(code)
    if sections is None:
        return _general(value)
    text = _in_format(value, sections)
    return _general(value) if is_phone and not _is_whole_number(text, value) else text


def _is_whole_number(text: str, value: Decimal) -> bool:
    """Whether a text is a phone number with all digits of the value: a format may show thousands of it alone."""
    return bool(_PHONE.fullmatch(text)) and "".join(filter(str.isdigit, text)).endswith(_general(abs(value)))


def shown_moment(value: datetime | date | time | timedelta, *, has_seconds: bool) -> str:
    """Return a date or time in ISO 8601, with a space in between. Midnight is omitted."""
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        text = f"{minutes // 60}:{minutes % 60:02}"
        return f"{text}:{seconds:02}" if has_seconds or seconds else text
    if isinstance(value, datetime):
        if value.time() == time():
            return value.date().isoformat()
        return value.isoformat(" ", timespec="minutes" if not has_seconds and not value.second else "seconds")
    if isinstance(value, time):
        return value.isoformat(timespec="minutes" if not has_seconds and not value.second else "seconds")
    return value.isoformat()


def _moment(number: float, code: str, *, is_elapsed: bool, is_1904: bool) -> str:
    from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

    if number < 0 and not is_elapsed:
        return ""  # the sheet shows ####
    has_seconds = "s" in code.lower()
    try:
        seconds = round(number * 86_400)  # 09:30 from a formula is 09:29:59.997
        seconds -= 0 if has_seconds else int(math.fmod(seconds, 60))  # a sheet cuts them off
        value = from_excel(seconds / 86_400, MAC_EPOCH if is_1904 else WINDOWS_EPOCH, timedelta=is_elapsed)
    except (OverflowError, ValueError):
        return ""
    return shown_moment(value, has_seconds=has_seconds)


def _general(value: Decimal) -> str:
    """Return all digits, such as 393331234567, or an exponent if digits are lost, as in 3.93331E+11."""
    exact = _EXACT.create_decimal(value).normalize(_EXACT)
    text = f"{exact:f}"
    is_tiny = bool(exact) and abs(exact) < _TINY
    return f"{exact:E}" if is_tiny or lost_digits(text.lstrip("-")) else text


@dataclass(slots=True)
class _Section:
    """How numbers of one sign are shown: literal texts with digit places between them."""

    pieces: list[tuple[str, bool]] = field(default_factory=list)  # a text, and whether it consists of digit places
    decimals: str = ""
    has_point: bool = False
    percents: int = 0
    thousands: int = 0  # the commas behind the last digit: each divides by a thousand
    exponent: str = ""
    is_general: bool = False


@lru_cache(maxsize=512)
def _sections(code: str) -> tuple[_Section, ...] | None:
    """Return the sections of a format, or None if it is not supported: fractions, conditions and text formats."""
    sections = [_Section()]
    for token in _TOKEN.finditer(code):
        section, kind, text = sections[-1], token.lastgroup, token[0]
        if kind == "general":
            section.is_general = True
            section.pieces.append((text, True))
        elif kind == "exponent":
            section.exponent = text
            section.pieces.append((text, False))
        elif kind in ("digits", "decimals") and section.has_point:
            return None  # two points, or digits behind a text behind the point
        elif kind == "digits":
            section.pieces.append((text, True))
        elif kind == "decimals":
            section.has_point, section.decimals = True, text[1:].rstrip(",")
            section.thousands += text.count(",")
            section.pieces.append((".", False))
        elif kind == "bracket":
            if text[1] in "<>=":
                return None
            section.pieces.append((text[2:-1].partition("-")[0] if text[1] == "$" else "", False))
        elif kind in ("quoted", "escaped"):
            section.pieces.append((token[kind], False))
        elif kind == "other":
            if text == ";":
                sections.append(_Section())
                continue
            if text in "/@" and len(sections) < 4:  # the fourth is for texts
                return None
            section.percents += text == "%"
            section.pieces.append((text, False))
    if max(len(section.decimals) for section in sections) > _MAX_DECIMALS:
        return None
    return tuple(sections[:3])


def _in_format(value: Decimal, sections: tuple[_Section, ...]) -> str:
    """Return the number as it is shown. The second section is for negative numbers, the third for zero."""
    index = 0
    if value < 0 and len(sections) > 1:
        index = 1
    elif value == 0 and len(sections) > 2:
        index = 2
    section = sections[index]
    places = [place for place, (_, is_digits) in enumerate(section.pieces) if is_digits]
    is_negative, exponent = value < 0 and index == 0, ""
    if section.is_general:
        text = _general(abs(value).scaleb(2 * section.percents, _EXACT))
        shown = [text if is_digits else piece for piece, is_digits in section.pieces]
        return (("-" if is_negative else "") + "".join(shown)).strip() if len(places) == 1 else _general(value)
    if section.exponent:
        if len(places) != 1 or len(section.pieces[places[0]][0]) > 1 or section.percents or section.thousands:
            return _general(value)  # engineers' exponents of three
        value, exponent = _mantissa(value, section)
    whole, fraction = _digits(value, section)
    is_nothing = not (whole + fraction).strip("0")
    sign = "-" if is_negative and not is_nothing else ""
    shown = []
    for index, (text, is_digits) in reversed(list(enumerate(section.pieces))):
        if section.exponent and text == section.exponent:
            shown.append(exponent)
            continue
        if not is_digits:
            shown.append((("." if fraction else "") + fraction) if text == "." and section.has_point else text)
            continue
        width = len(text.replace(",", ""))
        first = index == places[0]
        part, whole = (whole, "") if first else (whole[-width:], whole[:-width])
        shown.append(part)
    return (sign + "".join(reversed(shown))).strip()


def _mantissa(value: Decimal, section: _Section) -> tuple[Decimal, str]:
    """The number with one digit before its point, and the exponent as the format has it."""
    last = Decimal(1).scaleb(-len(section.decimals))
    power = value.adjusted() if value else 0
    if abs(_EXACT.quantize(value.scaleb(-power, _EXACT), last)) >= 10:  # 9.999 is 1.00E+01
        power += 1
    letter, sign, digits = section.exponent[0], section.exponent[1], section.exponent[2:]
    shown_sign = "-" if power < 0 else sign.replace("-", "")
    return value.scaleb(-power, _EXACT), f"{letter}{shown_sign}{str(abs(power)).zfill(digits.count('0'))}"


def _digits(value: Decimal, section: _Section) -> tuple[str, str]:
    """Return the digits before and after the point, as many as the format shows."""
    places = [text for text, is_digits in section.pieces if is_digits]
    pattern = "".join(places)
    whole_pattern = pattern.rstrip(",")
    thousands = len(pattern) - len(whole_pattern) + section.thousands
    scaled = _EXACT.create_decimal(abs(value)).scaleb(2 * section.percents - 3 * thousands, _EXACT)
    rounded = _EXACT.quantize(scaled, Decimal(1).scaleb(-len(section.decimals)))
    whole, _, fraction = f"{rounded:f}".partition(".")
    while fraction and fraction[-1] == "0" and section.decimals[len(fraction) - 1] != "0":
        fraction = fraction[:-1]
    whole = whole.lstrip("0").zfill(whole_pattern.count("0"))
    if "," in whole_pattern and len(places) == 1:
        whole = f"{int(whole):,}" if whole.isdigit() and whole[0] != "0" else whole
    return whole, fraction
