"""What some fields of a source can say, so that a condition about them that can never be true is a mistake."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jinja2 import nodes

from campaigns.message.refusals import TemplateProblem, is_word
from campaigns.message.templates import field_name
from campaigns.values.scalars import nearest, shown

YES_OR_NO: Final = ("yes", "no")

_ORDER: Final = frozenset({"lt", "lteq", "gt", "gteq"})
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`words`: the values of fields that have few. A field of yes and no can be asked alone: `not replied`.

    `moments`: fields such as `2026-12-01 09:30+01:00`, or empty. Without any, every field may say anything.
    """

    words: tuple[tuple[str, tuple[str, ...]], ...] = ()
    moments: frozenset[str] = frozenset()

    def is_flag(self, node: nodes.Node | None) -> bool:
        """Return whether this is a field that says yes or no."""
        return self._words(node) == YES_OR_NO

    def is_open(self, field: nodes.Name) -> bool:
        """Return whether nothing is known of what this field can say."""
        return not self._words(field) and not self._is_moment(field)

    def compared(self, comparison: nodes.Compare) -> nodes.Expr:
        """Return a comparison as it is computed. Raises `TemplateProblem` if it compares with what a field never says.

        Whoever has no moment is neither before nor after another one.
        """
        sides = [comparison.expr, *(operand.expr for operand in comparison.ops)]
        found: nodes.Expr = comparison
        for left, operand in zip(sides, comparison.ops, strict=False):
            for field, value in ((left, operand.expr), (operand.expr, left)):
                self._check(field, operand.op, value)
                if operand.op in _ORDER and self._is_moment(field):
                    is_known = nodes.Compare(field, [nodes.Operand("ne", nodes.Const(""))], lineno=comparison.lineno)
                    found = nodes.And(is_known, found, lineno=comparison.lineno)
        return found

    def _check(self, field: nodes.Node, operator: str, value: nodes.Node) -> None:
        if not isinstance(field, nodes.Name) or not isinstance(value, nodes.Const):
            return
        name, words = field.name, self._words(field)
        said = str(value.value).lower() if is_word(value) else str(value.value)
        if words == YES_OR_NO and (is_word(value) or said not in words):
            hint = f"write {name}, or not {name}"
            raise TemplateProblem(f"compares {name} with {shown(said)}, but it says yes or no", field.lineno, hint)
        if words and operator in ("eq", "ne") and said not in words:
            near = nearest(said, list(words))
            hint = f"did you mean {near}?" if near else f"it can be {', '.join(words)}"
            raise TemplateProblem(f"compares {name} with {shown(said)}, which it never is", field.lineno, hint)
        if self._is_moment(field) and operator in ("eq", "ne") and said:
            problem = f"asks whether {name} is {shown(said)}, but it is a time with minutes and an offset"
            raise TemplateProblem(problem, field.lineno, f'write "2026-12-01" in {name}, or compare it with >= and <')
        if self._is_moment(field) and operator in _ORDER and not _is_date(said):
            problem = f"compares {name} with {shown(said)}, which is not a date"
            raise TemplateProblem(problem, field.lineno, 'write it as "2026-12-01" or "2026-12-01 09:30"')

    def _words(self, node: nodes.Node | None) -> tuple[str, ...]:
        return dict(self.words).get(field_name(node.name), ()) if isinstance(node, nodes.Name) else ()

    def _is_moment(self, node: nodes.Node) -> bool:
        return isinstance(node, nodes.Name) and field_name(node.name) in self.moments


def _is_date(text: str) -> bool:
    try:
        return _MOMENT.fullmatch(text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


ANYTHING: Final = Vocabulary()
