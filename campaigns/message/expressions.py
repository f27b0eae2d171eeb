"""The expressions of a message as they are computed: with decimals, and with the name of the field for a reason."""

from collections.abc import Iterator
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from typing import Final, cast

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

_NAMING: Final = frozenset({"round", "int", "float", "date"})
"""Filters that may refuse a value, and then name its field."""


class Exact(NodeTransformer):
    """Makes decimals of numbers with a point, as cells are, and tells filters which field they are asked about.

    Of comparisons it makes filters of `COMPARISONS`: in Python the cell "10" is no 10.
    """

    def visit_Const(self, node: nodes.Const) -> nodes.Node:  # noqa: N802 - Jinja calls it by the node's name
        if not isinstance(node.value, float):
            return node
        plain = nodes.Const(f"{Decimal(str(node.value)):f}")
        return nodes.Filter(plain, "float", [], [], None, None, lineno=node.lineno)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802 - as above
        if node.name in _NAMING and (name := _asked_about(node)):
            node.kwargs.append(cast("nodes.Pair", nodes.Keyword("name", nodes.Const(f"'{name}'"))))
        return self.generic_visit(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - as above
        fields = map(_asked_about, (node.expr, *(operand.expr for operand in node.ops)))
        names = [nodes.Const(f"'{field}'" if field else "a value") for field in fields]
        self.generic_visit(node)
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        tests: list[nodes.Expr] = [
            nodes.Filter(left, operand.op, [operand.expr, *of_both], [], None, None, lineno=node.lineno)
            for left, operand, of_both in zip(sides, node.ops, pairwise(names), strict=False)
        ]
        return reduce(lambda before, test: nodes.And(before, test, lineno=node.lineno), tests)


def _asked_about(node: nodes.Node | None) -> str:
    """The field whose value a filter, or a chain of them, is given; empty where it is not a field."""
    while isinstance(node, nodes.Filter):
        node = node.node
    return node.name if isinstance(node, nodes.Name) else ""


def fallbacks(tree: nodes.Template) -> Iterator[str]:
    """The texts that `default` shows in the place of a field. Others are meant as they stand: `{{ '{city}' }}`."""
    for node in tree.find_all(nodes.Filter):
        if node.name == "default" and node.args and isinstance(node.args[0], nodes.Const):
            yield str(node.args[0].value)
