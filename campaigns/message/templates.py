"""Message templates: `{{ field | filter }}` in a text and nothing more powerful. Compiled once, rendered per person."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Final, cast

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes, pass_context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

from campaigns.message.expressions import Exact, fallbacks
from campaigns.message.filters import (
    BINARY,
    COMPARISONS,
    MAX_CHARACTERS,
    UNARY,
    RenderError,
    replace,
    to_date,
    to_float,
    to_int,
    to_round,
)
from campaigns.message.refusals import TemplateProblem, is_word, no_field, refusal, refuse_shape, syntax_problem
from campaigns.message.segments import is_blank, unsendable
from campaigns.timing.dates import DATE, DayOrder

_MAX_FIELD_USES: Final = 100  # with cells of at most 10,000 characters this bounds the size of one rendering

_FILTERS: Final = (
    "default", "upper", "lower", "title", "capitalize", "trim", "replace", "truncate", "round", "int", "float", "date",
)  # fmt: skip

_ALLOWED_NODES: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Filter, nodes.Keyword,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat,
    nodes.Add, nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Neg, nodes.Pos, nodes.Getitem, nodes.Slice,
)  # fmt: skip

CANNOT: Final = "the message cannot be computed: "
_UNSENDABLE: Final = "contains a character that cannot be sent"
_NOT_A_WORD: Final = re.compile(r"\W+")


class MissingField(RenderError):
    """A person has no value for a field without a default."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'the field "{name}" is empty and has no default')


@lru_cache(maxsize=1024)  # JSON lines repeat their keys on every line
def field_name(header: str) -> str:
    """Return the name of a column in templates: "First Name" is `first_name`, in any case or Unicode composition."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", header).casefold())
    return _NOT_A_WORD.sub("_", folded.strip()).strip("_") or header.strip()


class MessageTemplate:
    """A compiled message. `fields` are the names that it uses, `required` those used somewhere without a default.

    `literal` is what stands in it as it is sent, and the fallbacks; `shows_dates`: it needs to know by whose clocks.
    """

    __slots__ = ("_constant", "_order", "_pieces", "fields", "literal", "required", "shows_dates")

    def __init__(
        self,
        pieces: "Pieces",
        *,
        literal: str,
        fields: frozenset[str],
        required: frozenset[str],
        shows_dates: bool,
        is_constant: bool,
        order: DayOrder | None,
    ) -> None:
        self._pieces = pieces
        self._constant = literal if is_constant else None
        self._order = order
        self.literal = literal
        self.fields = fields
        self.required = required
        self.shows_dates = shows_dates

    def render(self, fields: Mapping[str, str], zone: Callable[[], tzinfo] | None = None) -> str:
        """Return the text for one person. A field that is absent or shows nothing is missing.

        A time with an offset is shown in `zone`; None: as written. Raises `MissingField` if a missing field has no
        default, and `RenderError` if the text is over 10,000 characters or an expression cannot be computed. Neither
        shows the content of a field.
        """
        if self._constant is not None:
            return self._constant
        return joined(self._pieces, RowContext(fields, zone, self._order))


class RowContext:
    """The part of a Jinja context that a compiled template needs, without the 2 µs that building a real one takes."""

    __slots__ = ("fields", "order", "zone")

    def __init__(self, fields: Mapping[str, str], zone: Callable[[], tzinfo] | None, order: DayOrder | None) -> None:
        self.fields = fields
        self.zone = zone
        self.order = order

    def resolve_or_missing(self, key: str) -> Any:
        value = self.fields.get(key, "")
        if "(" <= value < "\x7f":  # begins with visible ASCII and no apostrophe, as nearly all do
            return value
        if value[:1] == "'" and DATE.fullmatch(value):
            value = value[1:]  # with which a spreadsheet keeps a date as typed; 's-Hertogenbosch keeps its own
        return missing if is_blank(value) else value


Pieces = Callable[[RowContext], Iterator[str]]


def joined(pieces: Pieces, person: RowContext) -> str:
    """Return what an expression shows of one row. Raises `RenderError`, which never shows the content of a field."""
    try:
        text = "".join(pieces(person))
    except UndefinedError as error:
        raise MissingField(str(error)) from None
    except RenderError:
        raise
    except ArithmeticError:
        raise RenderError(f"{CANNOT}it divides by zero") from None
    except Exception:  # whatever a filter makes of somebody's cells concerns this person alone
        raise RenderError(f"{CANNOT}a filter or a [...] does not accept such a value") from None
    if len(text) > MAX_CHARACTERS:
        raise RenderError(f"the text is over {MAX_CHARACTERS:,} characters")
    return text


class _Missing(StrictUndefined):
    """Stands for a missing field. `default` replaces it; other uses raise `UndefinedError` with its name."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return str(self._undefined_name)


def compile_message(source: str, order: DayOrder | None = None) -> MessageTemplate:
    """Compile a message. Trailing newlines are dropped, because YAML's block texts leave one.

    `order` says what dates such as 01/02/2026 mean. Raises `TemplateProblem` for broken syntax and for everything
    except expressions over fields and the known filters.
    """
    source = source.rstrip("\r\n")
    _check_characters(source)
    environment = sandboxed()
    try:
        for line, token, _value in environment.lex(source):
            if token in ("block_begin", "raw_begin"):
                raise TemplateProblem("a message has no {% ... %}", line, "only {{ field }} with filters is understood")
            if token in ("comment_begin",):
                hint = "remove it; to send these signs, write {{ '{#' }}"
                raise TemplateProblem("a message has no {# ... #}: nobody would get what it contains", line, hint)
        tree = environment.parse(source)
        fields, required = check_nodes(tree)
        is_constant = all(isinstance(node, nodes.TemplateData) for node in tree.find_all(nodes.Expr))
        literal = "\n" if not is_constant else ""  # no field of another program goes over two lines
        literal = literal.join((*(node.data for node in tree.find_all(nodes.TemplateData)), *fallbacks(tree)))
        shows_dates = any(node.name == "date" for node in tree.find_all(nodes.Filter))
        tree = Exact().visit(tree)
        _check_constants(tree, environment)
        pieces = _no_pieces if is_constant else environment.from_string(tree).root_render_func
    except TemplateSyntaxError as error:
        problem, hint = syntax_problem(source, str(error.message))
        raise TemplateProblem(problem, error.lineno, hint) from error
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        raise TemplateProblem("is too complex to be understood", 1, "use fewer brackets and shorter numbers") from error
    # A template only asks its context for names, because `_check` allows no construct that needs more.
    return MessageTemplate(
        cast("Pieces", pieces),
        literal=literal,
        fields=fields,
        required=required,
        shows_dates=shows_dates,
        is_constant=is_constant,
        order=order,
    )


def _no_pieces(_person: RowContext) -> Iterator[str]:
    return iter(())


def sandboxed() -> SandboxedEnvironment:
    """Return an environment with our filters and operators alone."""
    environment = SandboxedEnvironment(undefined=_Missing)
    ours = {"replace": replace, "date": _date, "round": to_round, "int": to_int, "float": to_float}
    environment.filters = {name: (environment.filters | ours)[name] for name in _FILTERS}
    environment.filters |= COMPARISONS
    environment.globals.clear()
    environment.intercepted_binops, environment.intercepted_unops = frozenset(BINARY), frozenset(UNARY)
    environment.binop_table |= BINARY
    environment.unop_table |= UNARY
    return environment


def _check_characters(source: str) -> None:
    for line, text in enumerate(source.split("\n"), start=1):
        if found := unsendable(text):
            raise TemplateProblem(f"{_UNSENDABLE} ({found})", line, "type the line again")
    if len(source) > MAX_CHARACTERS:
        raise TemplateProblem(f"is over {MAX_CHARACTERS:,} characters long", 1, "a text has at most ten segments")


def check_nodes(tree: nodes.Template) -> tuple[frozenset[str], frozenset[str]]:
    """Refuse every node that is not on the list; names become field names. Return all fields and the required ones."""
    filters = list(tree.find_all(nodes.Filter))
    defaulted = {id(node.node) for node in filters if node.name == "default"}
    flags = {id(each) for node in filters for each in (*node.args[1:], *(pair.value for pair in node.kwargs))}
    fields: set[str] = set()
    required: set[str] = set()
    uses = 0
    for node in tree.find_all(nodes.Node):
        if isinstance(node, nodes.Filter):
            _check_filter(node)
        elif isinstance(node, nodes.Name):
            uses += 1
            if node.name == "self":
                raise no_field("self", node.lineno)
            node.name = field_name(node.name)
            fields.add(node.name)
            if id(node) not in defaulted:
                required.add(node.name)
        elif isinstance(node, nodes.Const) and isinstance(node.value, str) and (found := unsendable(node.value)):
            hint = "write the character itself, without a backslash"
            raise TemplateProblem(f"{_UNSENDABLE} ({found})", node.lineno, hint)
        elif is_word(node) and id(node) not in flags:
            raise no_field(str(node.value).lower(), node.lineno)  # Jinja reads none and None alike
        elif not isinstance(node, _ALLOWED_NODES) or (
            isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice)
        ):
            raise refusal(node)
    if uses > _MAX_FIELD_USES:
        raise TemplateProblem(f"uses fields more than {_MAX_FIELD_USES} times", 1, "shorten the message")
    return frozenset(fields), frozenset(required)


def _check_constants(tree: nodes.Template, environment: SandboxedEnvironment) -> None:
    """Compute expressions without fields, which are the same for everybody: if one fails, nobody could get the text."""
    for node in (node for output in tree.find_all(nodes.Output) for node in output.nodes):
        if isinstance(node, (nodes.TemplateData, nodes.Name)) or node.find(nodes.Name):
            continue
        alone = nodes.Template([nodes.Output([node], lineno=node.lineno)], lineno=1)
        try:
            joined(cast("Pieces", environment.from_string(alone).root_render_func), RowContext({}, None, None))
        except RenderError as error:
            problem = f"cannot be computed for any recipient: {error.reason.removeprefix(CANNOT)}"
            raise TemplateProblem(problem, node.lineno, "correct what is in the {{ }}") from None


def _check_filter(node: nodes.Filter) -> None:
    if node.name not in _FILTERS:
        near = difflib.get_close_matches(node.name, _FILTERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the filters are {', '.join(_FILTERS)}"
        raise TemplateProblem(f"there is no filter {node.name}", node.lineno, hint)
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise TemplateProblem(f"* and ** are not understood in {node.name}(...)", node.lineno, "write the values out")
    if node.name == "date":
        refuse_shape(node)


@pass_context
def _date(person: RowContext, value: object, shape: object, *, name: str = "a value") -> str:
    """The filter `date`: a date cell, formatted with strftime codes: `{{ day | date("%d/%m") }}`."""
    return to_date(str(value), str(shape), name, zone=person.zone, order=person.order)
