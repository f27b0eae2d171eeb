"""How single values of the campaign file become typed values, with refusals in plain words."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any, Final, NoReturn, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Json: TypeAlias = "bool | int | float | str | None"

REFUSED: Final = "refused"
"""The error type whose context carries our own `problem` and `hint`."""

TEXTS: Final[list[Json]] = ["string", "number", "boolean"]
"""The types that an editor may see for a text: it parses 42 and true as YAML; this package keeps them as written."""


def refuse(problem: str, hint: str = "", *, below: tuple[int | str, ...] = ()) -> NoReturn:
    """Refuse a value, with a sentence that follows the key: "must be ..." or "is ...". `below`: where in it that is."""
    context: dict[str, Any] = {"problem": problem, "hint": hint}
    raise PydanticCustomError(REFUSED, "{problem}", context | ({"below": below} if below else {}))


def shown(text: str) -> str:
    """Return a value for use in a sentence: quoted, at most 40 characters."""
    return f"'{text}'" if len(text) <= 40 else f"'{text[:39]}…'"


MOST_COMPARED: Final = 1_000
"""How many words one is compared with, at about ten microseconds each."""


def nearest(word: str, known: list[str]) -> str:
    """Return the known word closest to `word`, or an empty string."""
    folded = {entry.casefold(): entry for entry in known[:MOST_COMPARED]}
    found = get_close_matches(word[:80].casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else ""


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """The reader and writer of one kind of value, for use in `Annotated`: text -> value -> the same text.

    `kind` is the Python type of a parsed value; `schema` is for editors.
    """

    kind: type
    read: Callable[[str], Any]
    write: Callable[[Any], Json]
    schema: dict[str, Any]

    def parse(self, value: object) -> Any:
        if isinstance(value, str):
            return self.read(value.strip())
        if isinstance(value, int) and not isinstance(value, bool):  # from JSON, which keeps numbers
            return self.read(str(value))
        if isinstance(value, self.kind):
            return value
        if value is None:
            refuse("has no value", "write one, or remove it")
        if isinstance(value, list | tuple):
            refuse("must be a single value, not a list", "write it without square brackets and hyphens")
        return refuse("must be a single value, not a mapping")

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.schema)


@dataclass(frozen=True, slots=True, eq=False)
class PlainText(Scalar):
    """A text that is kept as written, including spaces, but must not be empty."""

    def parse(self, value: object) -> Any:
        if isinstance(value, str) and value.strip():
            return value
        return Scalar.parse(self, value)


def _read_text(text: str) -> str:
    return text or refuse("is empty", "write a text, or remove the key")


def _read_needed(text: str) -> str:
    return text or refuse("is empty", "write a text")


def _read_flag(text: str) -> bool:
    word = text.casefold()
    if word in {"true", "yes", "on"}:
        return True
    if word in {"false", "no", "off"}:
        return False
    return refuse(f"must be true or false, not {shown(text)}")


def whole_number(low: int, high: int) -> Scalar:
    """Return a whole number type from `low` to `high`, inclusive."""

    def read(text: str) -> int:
        # 12 digits are more than any limit here: nobody means a longer number
        if re.fullmatch("[+-]?[0-9]{1,12}", text) and low <= int(text) <= high:
            return int(text)
        return refuse(f"must be a whole number from {low} to {high}, not {shown(text)}")

    return Scalar(
        int, read, int, {"type": ["integer", "string"], "minimum": low, "maximum": high, "pattern": "^[0-9]+$"}
    )


def choice(words: type[StrEnum]) -> Scalar:
    """Return a type for one of the words of an enum."""
    known = [word.value for word in words]

    def read(text: str) -> StrEnum:
        try:
            return words(text.casefold())
        except ValueError:
            near = nearest(text, known)
            problem = f"must be one of {', '.join(known)}, not {shown(text)}"
            return refuse(problem, f"did you mean {near}?" if near else "")

    return Scalar(words, read, str, {"enum": known})


Text = Annotated[str, PlainText(str, _read_text, str, {"type": TEXTS, "minLength": 1})]
NeededText = Annotated[str, PlainText(str, _read_needed, str, {"type": TEXTS, "minLength": 1})]
"""Like `Text`, where the key cannot be left out."""
Cell = Annotated[str, PlainText(str, str, str, {"type": TEXTS})]
"""Like `Text`, but may be empty."""
Flag = Annotated[
    bool,
    Scalar(
        bool, _read_flag, bool, {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false", "yes", "no", "on", "off"]}]}
    ),
]
