"""Message templates: `{{ field | filter }}` in a text, nothing more powerful, compiled once and rendered per person."""

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, Literal, cast

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

from campaigns.segments import is_sendable

MAX_CHARACTERS: Final = 10_000
"""Of a template and of what it renders to: six times what ten segments can hold."""

_MAX_FIELD_USES: Final = 100  # with cells of at most 10,000 characters this bounds what one rendering can build up

_FILTERS: Final = (
    "default", "upper", "lower", "title", "capitalize", "trim", "replace", "truncate", "round", "int", "float", "date",
)  # fmt: skip

_ALLOWED_NODES: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Filter, nodes.Keyword,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat,
    nodes.Add, nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Neg, nodes.Pos, nodes.Getitem, nodes.Slice,
)  # fmt: skip

_NOT_A_WORD: Final = re.compile(r"\W+")


class TemplateProblem(Exception):
    """A message that cannot be used. `line` counts within the message from 1."""

    def __init__(self, problem: str, line: int = 1, hint: str = "") -> None:
        self.problem, self.line, self.hint = problem, line, hint
        super().__init__(f"line {line}: {problem} ({hint})" if hint else f"line {line}: {problem}")


class RenderError(Exception):
    """A message that cannot be rendered for one person; `reason` says why, in words for the report."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class MissingField(RenderError):
    """A person without a value for a field that has no default."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the field {name} is empty and has no default")


@lru_cache(maxsize=1024)  # JSON lines repeat their keys on every line
def field_name(header: str) -> str:
    """The name by which templates use a column: "First Name" is `first_name`, in any case or composition."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", header).casefold())
    return _NOT_A_WORD.sub("_", folded.strip()).strip("_") or header.strip()


class MessageTemplate:
    """A compiled message. `fields` are the names that it uses, `required` those used somewhere without a default."""

    __slots__ = ("_constant", "_pieces", "fields", "required")

    def __init__(
        self, pieces: "_Pieces", *, constant: str | None, fields: frozenset[str], required: frozenset[str]
    ) -> None:
        self._pieces = pieces
        self._constant = constant
        self.fields = fields
        self.required = required

    def render(self, fields: Mapping[str, str]) -> str:
        """The text for one person; a field that is absent or empty is missing.

        Raises `MissingField` when a missing field has no default, `RenderError` when the text is over 10,000 characters
        or an expression cannot be computed.
        """
        if self._constant is not None:
            return self._constant
        try:
            text = "".join(self._pieces(_Person(fields)))
        except UndefinedError as error:
            raise MissingField(str(error)) from None
        except RenderError:
            raise
        except Exception as error:  # whatever arithmetic on somebody's cells can raise concerns this person alone
            raise RenderError(f"the message cannot be computed: {str(error)[:100]}") from error
        if len(text) > MAX_CHARACTERS:
            raise RenderError(f"the text is over {MAX_CHARACTERS:,} characters")
        return text


class _Person:
    """What a compiled template asks its Jinja context for, without the 2 µs that building a real one takes."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = fields

    def resolve_or_missing(self, key: str) -> Any:
        return self.fields.get(key) or missing


_Pieces = Callable[[_Person], Iterator[str]]


class _Missing(StrictUndefined):
    """Stands for a missing field: `default` replaces it, other uses raise `UndefinedError` with its name."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return str(self._undefined_name)


def compile_message(source: str) -> MessageTemplate:
    """Compile a message; newlines at its end are dropped, as YAML's block texts leave one.

    Raises `TemplateProblem` for broken syntax and for everything but expressions over fields and the known filters.
    """
    source = source.rstrip("\r\n")
    _check_characters(source)
    environment = _environment()
    try:
        for line, token, _value in environment.lex(source):
            if token in ("block_begin", "raw_begin"):
                raise TemplateProblem("a message has no {% ... %}", line, "only {{ field }} with filters is understood")
        tree = environment.parse(source)
        fields, required = _check(tree)
        if all(isinstance(node, nodes.TemplateData) for node in tree.find_all(nodes.Expr)):
            constant = "".join(node.data for node in tree.find_all(nodes.TemplateData))
            return MessageTemplate(_no_pieces, constant=constant, fields=fields, required=required)
        template = environment.from_string(tree)
    except TemplateSyntaxError as error:
        problem, hint = _syntax(source, str(error.message))
        raise TemplateProblem(problem, error.lineno, hint) from error
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        raise TemplateProblem(
            "is too involved to be understood", 1, "use fewer brackets and shorter numbers"
        ) from error
    # A template asks its context for nothing but the names, as `_check` leaves no construct that needs more.
    return MessageTemplate(cast("_Pieces", template.root_render_func), constant=None, fields=fields, required=required)


def _syntax(source: str, message: str) -> tuple[str, str]:
    """Jinja's complaint in plain words, and what to do."""
    if "unexpected end of template" in message or "unexpected end of print" in message:
        return "cannot be understood: {{ is opened and never closed", "close it with }}"
    if "{{{" in source:
        return "cannot be understood: three brackets {{{ stand together", "write {{ field }}"
    if "expected token 'end of print statement'" in message and "got '" in message:
        hint = "write {{ first_name }} for a column First Name, and texts in quotes"
        return "cannot be understood: a space, or a sign, stands where the field should end", hint
    return f"cannot be understood: {message}", 'write {{ field }}, or {{ field | default("...") }}'


def _no_pieces(_person: _Person) -> Iterator[str]:
    return iter(())


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=_Missing)
    known = environment.filters | {"replace": _replace, "date": _date, "round": _round}
    environment.filters = {name: known[name] for name in _FILTERS}
    environment.globals.clear()
    return environment


def _check_characters(source: str) -> None:
    for line, text in enumerate(source.split("\n"), start=1):
        if not is_sendable(text):
            raise TemplateProblem("holds a character that cannot be sent", line, "type the line again")
    if len(source) > MAX_CHARACTERS:
        raise TemplateProblem(f"is over {MAX_CHARACTERS:,} characters long", 1, "a text has at most ten segments")


def _check(tree: nodes.Template) -> tuple[frozenset[str], frozenset[str]]:
    """Refuse every node that is not on the list; names become field names. Returns all fields and the required ones."""
    defaulted = {id(node.node) for node in tree.find_all(nodes.Filter) if node.name == "default"}
    fields: set[str] = set()
    required: set[str] = set()
    uses = 0
    for node in tree.find_all(nodes.Node):
        if isinstance(node, nodes.Filter):
            _check_filter(node)
        elif isinstance(node, nodes.Name):
            uses += 1
            if node.name == "self":
                raise TemplateProblem("a field cannot be called self", node.lineno, "give the column another name")
            node.name = field_name(node.name)
            fields.add(node.name)
            if id(node) not in defaulted:
                required.add(node.name)
        elif not isinstance(node, _ALLOWED_NODES) or (
            isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice)
        ):
            raise _refusal(node)
    if uses > _MAX_FIELD_USES:
        raise TemplateProblem(f"uses fields more than {_MAX_FIELD_USES} times", 1, "shorten the message")
    return frozenset(fields), frozenset(required)


def _check_filter(node: nodes.Filter) -> None:
    if node.name not in _FILTERS:
        near = difflib.get_close_matches(node.name, _FILTERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the filters are {', '.join(_FILTERS)}"
        raise TemplateProblem(f"there is no filter {node.name}", node.lineno, hint)
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise TemplateProblem(f"* and ** are not understood in {node.name}(...)", node.lineno, "write the values out")


def _refusal(node: nodes.Node) -> TemplateProblem:
    if isinstance(node, nodes.Call):
        return TemplateProblem(
            "functions cannot be called in a message", node.lineno, "use a filter: {{ field | upper }}"
        )
    if isinstance(node, nodes.Getattr):
        hint = 'a column "Customer.Name" is written customer_name'
        return TemplateProblem(f"a field has no parts such as .{node.attr}", node.lineno, hint)
    if isinstance(node, nodes.Getitem):
        return TemplateProblem("a field has no parts such as [...]", node.lineno, "{{ field[:1] }} is its first letter")
    if isinstance(node, nodes.Test):
        return TemplateProblem(f'"is {node.name}" is not understood', node.lineno, 'use {{ field | default("...") }}')
    if isinstance(node, (nodes.Mul, nodes.Pow, nodes.Mod)):
        return TemplateProblem(f"the operator {node.operator} is not understood", node.lineno, "use + - / or a filter")
    return TemplateProblem(f"{type(node).__name__} is not understood", node.lineno, "use {{ field }} with filters")


def _replace(value: object, old: str, new: str) -> str:
    text, old, new = str(value), str(old), str(new)
    # The size is known beforehand, so that a chain of replacements cannot fill the memory.
    if len(text) + text.count(old) * max(0, len(new) - len(old)) > MAX_CHARACTERS:
        raise RenderError(f"the text is over {MAX_CHARACTERS:,} characters")
    return text.replace(old, new)


def _round(value: object, precision: int = 0, method: Literal["common", "ceil", "floor"] = "common") -> float:
    """Jinja's own takes no text, which is what a cell is, and computes 10 to any power."""
    number = float(str(value))
    scale: float = 10.0 ** min(abs(int(precision)), 9)
    if method == "common":
        return round(number, min(int(precision), 9))
    whole = math.ceil(number * scale) if method == "ceil" else math.floor(number * scale)
    return whole / scale


def _date(value: object, shape: str) -> str:
    """A date written as in ISO 8601, shaped by strftime codes: `{{ day | date("%d/%m") }}`."""
    text = str(value).strip()
    try:
        return datetime.fromisoformat(text).strftime(shape)
    except ValueError:
        raise RenderError(f"{text[:32]!r} is not a date such as {date(2026, 12, 31)}") from None
