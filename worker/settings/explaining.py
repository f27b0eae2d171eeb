"""Explains in words what is wrong with a setting."""

from dataclasses import asdict
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails


def problem_of(error: ErrorDetails, field: FieldInfo | None) -> str:
    """Return what is wrong with a setting, or what it accepts, in words and without its value."""
    if field is None or error["type"] == "value_error" or "problem" in error.get("ctx", {}):
        hint = error.get("ctx", {}).get("hint", "")
        return error["msg"].removeprefix("Value error, ") + (f"; {hint}" if hint else "")
    if get_origin(field.annotation) is Literal:
        *words, last = get_args(field.annotation)
        return f"must be {', '.join(words)} or {last}"
    if field.annotation is bool:
        return "must be true or false"
    bounds = {name: f"{bound:,}" for each in field.metadata for name, bound in asdict(each).items()}
    kind = "a whole number" if field.annotation is int else "a number"
    least = f"from {bounds['ge']} to" if "ge" in bounds else f"above {bounds.get('gt')} and at most"
    return f"must be {kind} {least} {bounds['le']}" if "le" in bounds else "cannot be read; see deploy/SETTINGS.md"
