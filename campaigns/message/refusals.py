"""Why a message cannot be used, in plain words, and what to do."""

from typing import TypeGuard

from jinja2 import nodes

from campaigns.message.filters import has_code, unknown_code


class TemplateProblem(Exception):
    """A message that cannot be used. `line` counts within the message from 1."""

    def __init__(self, problem: str, line: int = 1, hint: str = "") -> None:
        self.problem, self.line, self.hint = problem, line, hint
        super().__init__(f"line {line}: {problem} ({hint})" if hint else f"line {line}: {problem}")


def syntax_problem(source: str, message: str) -> tuple[str, str]:
    """Return Jinja's complaint in plain words, and what to do."""
    if "unexpected end of template" in message or "unexpected end of print" in message:
        return "cannot be understood: {{ is opened and never closed", "close it with }}"
    if "{{{" in source:
        return "cannot be understood: there are three brackets {{{ in a row", "write {{ field }}"
    if "expected token 'end of print statement'" in message and "got '" in message:
        hint = "write {{ first_name }} for a column First Name, and texts in quotes"
        return "cannot be understood: there is a space or a sign where the field should end", hint
    return f"cannot be understood: {message}", 'write {{ field }}, or {{ field | default("...") }}'


def refusal(node: nodes.Node) -> TemplateProblem:
    """Return the problem of a construct that no message may contain."""
    if isinstance(node, nodes.Call):
        return TemplateProblem("functions cannot be called", node.lineno, "use a filter: field | upper")
    if isinstance(node, nodes.Getattr):
        hint = 'a column "Customer.Name" is written customer_name'
        return TemplateProblem(f"a field has no parts such as .{node.attr}", node.lineno, hint)
    if isinstance(node, nodes.Getitem):
        return TemplateProblem("a field has no parts such as [...]", node.lineno, "field[:1] is its first letter")
    if isinstance(node, nodes.Test):
        return TemplateProblem(f'"is {node.name}" is not understood', node.lineno, 'use field | default("...")')
    if isinstance(node, (nodes.Mul, nodes.Pow, nodes.Mod)):
        return TemplateProblem(f"the operator {node.operator} is not understood", node.lineno, "use + - / or a filter")
    return TemplateProblem(f"{type(node).__name__} is not understood", node.lineno, "use fields with filters")


def refuse_shape(date: nodes.Filter) -> None:
    """Raise `TemplateProblem` if the filter `date` is given a format that it cannot show."""
    shape = next(iter((*date.args, *(pair.value for pair in date.kwargs))), None)
    if shape is None or (isinstance(shape, nodes.Const) and not has_code(str(shape.value))):
        problem = "date needs a format with a code such as %d: otherwise everybody would get the same text"
        raise TemplateProblem(problem, date.lineno, 'write date("%Y-%m-%d"), or %d/%m/%Y, or %H:%M')
    if isinstance(shape, nodes.Const) and (code := unknown_code(str(shape.value))):
        hint = "write codes such as %d/%m/%Y or %H:%M, without a width; for a percent sign write %%"
        raise TemplateProblem(f"{code[:20]} is not a date code that can be used", date.lineno, hint)


def is_word(node: nodes.Node) -> TypeGuard[nodes.Const]:
    """Return whether Jinja read a word as true, false or none: everybody would get that instead of their cell."""
    return isinstance(node, nodes.Const) and (node.value is None or isinstance(node.value, bool))


def no_field(name: str, line: int) -> TemplateProblem:
    """Return the problem of a word that Jinja reserves."""
    return TemplateProblem(f"a field cannot be called {name}", line, "give the column another name")
