"""Conditions about a row, in the language of messages: `country == "IT" and points | int > 100`."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from jinja2 import TemplateSyntaxError, nodes
from jinja2.lexer import Token, describe_token
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

from campaigns.message.expressions import Exact
from campaigns.message.filters import RenderError
from campaigns.message.refusals import TemplateProblem, is_word
from campaigns.message.segments import is_blank
from campaigns.message.templates import CANNOT, Pieces, RowContext, check_nodes, field_name, joined, sandboxed
from campaigns.message.vocabulary import ANYTHING, YES_OR_NO, Vocabulary
from campaigns.timing.dates import DayOrder

MAX_CHARACTERS: Final = 1_000
"""The longest condition: a comparison with each of 40 countries."""

_SHOWN: Final = 200  # characters of a condition in the reason of every row that it leaves out
_PHONE_NUMBER: Final = re.compile(r"(?<=\+)\d(?:[ ().-]?\d){6,}|\d{10,}")  # readers of a reason may see none
_EXAMPLE: Final = 'write it like this: country == "IT" and points | int > 100'


class RowCondition:
    """A compiled condition. `fields` are the names that it uses, `rule` is what it says, on one line and not too long.

    `sought`: fields that may say anything, each with a text that it is compared with.

    An empty cell is an empty text. What needs a number or a date of it fails, unless it has a default.
    """

    __slots__ = ("_order", "_pieces", "fields", "rule", "sought")

    def __init__(
        self,
        pieces: Pieces,
        *,
        fields: frozenset[str],
        rule: str,
        order: DayOrder | None,
        sought: frozenset[tuple[str, str]],
    ) -> None:
        self._pieces = pieces
        self._order = order
        self.fields = fields
        self.rule = rule
        self.sought = sought

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Return whether it is true of a row. Raises `RenderError` if it cannot be computed; no cell is shown."""
        try:
            return bool(joined(self._pieces, _TextContext(fields, None, self._order)))
        except RenderError as error:
            raise RenderError(f"`where` cannot be computed: {error.reason.removeprefix(CANNOT)}") from None


class _TextContext(RowContext):
    """A row whose empty cells are texts: one that is empty differs from "IT" as any other does."""

    __slots__ = ()

    def resolve_or_missing(self, key: str) -> Any:
        value = super().resolve_or_missing(key)
        return "" if value is missing else value


@lru_cache(maxsize=256)
def compile_condition(source: str, order: DayOrder | None = None, vocabulary: Vocabulary = ANYTHING) -> RowCondition:
    """Compile a condition. `order` says what dates such as 01/02/2026 mean. Raises `TemplateProblem`.

    Nothing but comparisons, joined by `and`, `or` and `not`, is a condition: a cell that says "no" is not false. Only
    a field that says yes or no by the `vocabulary` is one by itself.
    """
    if len(source) > MAX_CHARACTERS:
        raise TemplateProblem(f"is over {MAX_CHARACTERS:,} characters long", 1, "add a column to the table instead")
    if source.lstrip().startswith("{%") or source.rstrip().endswith("%}"):
        raise TemplateProblem("contains {%, but a condition is a comparison", 1, _EXAMPLE)
    if source.lstrip().startswith("{{") or source.rstrip().endswith("}}"):
        raise TemplateProblem("is written without {{ }}", 1, _EXAMPLE)
    environment = _environment()
    try:
        condition = _truth(_parsed(source, environment), vocabulary)
        shown = nodes.CondExpr(condition, nodes.Const("1"), nodes.Const(""), lineno=1)
        tree = nodes.Template([nodes.Output([shown], lineno=1)], lineno=1)
        _check_in(tree)
        fields, _ = check_nodes(tree)
        if not fields:
            hint = "write columns without quotes, and texts in quotes"
            raise TemplateProblem("uses no column, so it is the same for every row", 1, hint)
        sought = frozenset(_sought(tree, vocabulary))
        pieces = environment.from_string(Exact().visit(tree)).root_render_func
    except TemplateSyntaxError as error:
        too_early = re.search("unexpected '?end of", error.message or "")
        problem = "ends too early" if too_early else f"cannot be understood: {error.message}"
        raise TemplateProblem(problem, error.lineno, _EXAMPLE) from error
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        raise TemplateProblem("is too complex to be understood", 1, "use fewer brackets and shorter numbers") from error
    rule = _PHONE_NUMBER.sub("…", " ".join(source.split()))
    rule = rule if len(rule) <= _SHOWN else f"{rule[: _SHOWN - 1]}…"
    return RowCondition(cast("Pieces", pieces), fields=fields, rule=rule, order=order, sought=sought)


def _parsed(source: str, environment: SandboxedEnvironment) -> nodes.Expr:
    parser = Parser(environment, source, state="variable")
    condition = parser.parse_expression()
    if not parser.stream.eos:
        raise _left_over(parser.stream.current)
    return condition


def _left_over(token: Token) -> TemplateProblem:
    words = describe_token(token)
    hint = _EXAMPLE
    if token.type == "assign":
        hint = "compare with two signs: =="
    elif words.lower() in ("and", "or", "not"):
        hint = f"write {words.lower()} in small letters"
    return TemplateProblem(f"contains an unexpected {words[:40]}", token.lineno, hint)


def _truth(node: nodes.Expr, vocabulary: Vocabulary) -> nodes.Expr:
    """Return a condition as it is computed. What is not a comparison is refused: nobody knows whether a text such as
    "no" or "0" means yes."""
    match node:
        case nodes.And() | nodes.Or():
            node.left, node.right = _truth(node.left, vocabulary), _truth(node.right, vocabulary)
        case nodes.Not():
            node.node = _truth(node.node, vocabulary)
        case nodes.Compare():
            found = vocabulary.compared(node)
            for side in (node.expr, *(operand.expr for operand in node.ops)):
                if isinstance(side, nodes.List | nodes.Tuple):
                    raise TemplateProblem("compares with a list, which is not understood", node.lineno, _each(node))
                if is_word(side):
                    word = str(side.value).lower()
                    problem = f"compares with {word}, but every cell is a text"
                    raise TemplateProblem(problem, node.lineno, f'write it in quotes: == "{word}"')
            return found
        case nodes.Name() if vocabulary.is_flag(node):
            return nodes.Compare(node, [nodes.Operand("eq", nodes.Const(YES_OR_NO[0]))], lineno=node.lineno)
        case nodes.Name():
            hint = f'compare it: {node.name} == "yes", or {node.name} != ""'
            raise TemplateProblem(f"asks whether {node.name} is true, but every cell is a text", node.lineno, hint)
        case _:
            raise TemplateProblem("is not a comparison", node.lineno, _EXAMPLE)
    return node


def _sought(tree: nodes.Template, vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """Yield what a field has to be, or not to be. What fields of the `vocabulary` can say is known without the rows."""
    for comparison in tree.find_all(nodes.Compare):
        operand = comparison.ops[0]
        for field, value in ((comparison.expr, operand.expr), (operand.expr, comparison.expr)):
            if isinstance(field, nodes.Name) and isinstance(value, nodes.Const) and operand.op in ("eq", "ne"):
                text = value.value
                if isinstance(text, str) and not is_blank(text) and vocabulary.is_open(field):
                    yield field_name(field.name), text


def _check_in(tree: nodes.Template) -> None:
    """Refuse `country in "IT, FR"`: it looks like a list, and is true of "I" as well."""
    for comparison in tree.find_all(nodes.Compare):
        for side in comparison.ops:
            if side.op in ("in", "notin") and not (isinstance(side.expr, nodes.Name) or side.expr.find(nodes.Name)):
                problem = "looks for the cell in a text, where a part of a word is found, too"
                raise TemplateProblem(problem, side.lineno, _each(comparison))


def _each(comparison: nodes.Compare) -> str:
    """Return how to compare with each of two texts. Those of the condition are quoted if they are words."""
    left, side = comparison.expr, comparison.ops[0]
    name = left if isinstance(left, nodes.Name) else left.find(nodes.Name)
    column, words = name.name if name else "country", ["IT", "FR"]
    if isinstance(side.expr, nodes.Const) and isinstance(side.expr.value, str):
        written = [part.strip() for part in side.expr.value.split(",")]
        words = written[:2] if len(written) > 1 and all(map(str.isalpha, written[:2])) else words
    sign, joined = ("!=", " and ") if side.op in ("ne", "notin") else ("==", " or ")
    return "write " + joined.join(f'{column} {sign} "{word}"' for word in words)


def _is_in(part: object, whole: object, *_names: str) -> bool:
    """The comparison `in`: an empty cell is in no text, though Python finds it in every one."""
    return not is_blank(str(part)) and str(part) in str(whole)


def _default(value: object, fallback: object = "", _boolean: object = None) -> object:
    """The filter `default`: for a cell that is empty, with and without Jinja's third argument."""
    return fallback if isinstance(value, str) and is_blank(value) else value


def _environment() -> SandboxedEnvironment:
    environment = sandboxed()
    environment.filters |= {"default": _default, "in": _is_in, "notin": lambda *sides: not _is_in(*sides)}
    return environment
