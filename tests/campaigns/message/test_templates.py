"""What a message may say, what it may not, and what a person without a value gets."""

import time
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.message.filters import RenderError
from campaigns.message.refusals import TemplateProblem
from campaigns.message.templates import MissingField, compile_message, field_name

ANNA = {"first_name": "Anna", "city": "", "day": "2026-12-01", "price": "12.50", "visits": "3"}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Sale today\n", "Sale today"),
        ("Hi {{ first_name }}!", "Hi Anna!"),
        ("Hi {{ First_Name }}!", "Hi Anna!"),
        ("{{ city | default('your city') }}", "your city"),
        ("{{ nowhere | default('your city') | upper }}", "YOUR CITY"),
        ("{{ first_name | upper }} {{ first_name | lower }} {{ 'ann-lee' | title }}", "ANNA anna Ann-Lee"),
        ("{{ ' x ' | trim }}{{ 'abc' | capitalize }}", "xAbc"),
        ("{{ first_name | replace('n', 'l') }}", "Alla"),
        ("{{ 'a long name' | truncate(6, true, '') }}", "a long name"),
        ("{{ 'a very long name' | truncate(6, true, '') }}", "a very"),
        ("{{ price | round(1) }} {{ price | float }} {{ visits | int + 1 }}", "12.5 12.5 4"),
        ("{{ price | round(0, 'ceil') | int }} {{ price | round(0, 'floor') | int }}", "13 12"),
        ("{{ price | round(999999999, 'ceil') }}", "12.5"),
        ("{{ day | date('%d/%m') }}", "01/12"),
        ("{{ first_name[:1] }}.", "A."),
        ("{{ 'many' if visits | int > 2 else 'few' }}", "many"),
        ("{{ first_name ~ '!' }}", "Anna!"),
        ("{{ city | default('x', true) }}{{ city | default('y', boolean=True) }} {{ '{#' }} #}", "xy {# #}"),
        ("<b> & 'quotes' {{ '<' }}", "<b> & 'quotes' <"),
        ("{{ 'x' if visits == 3 else 'y' }}{{ 'x' if 3.0 != visits else 'y' }}", "xy"),
        ("{{ 'x' if price > 9 else 'y' }}{{ 'x' if 9 < price <= 12.5 else 'y' }}{{ 'x' if visits >= 4 }}", "xx"),
        ("{{ 'x' if visits | int == 3 else 'y' }}{{ 'x' if price > visits | int }}", "xx"),
        ("{{ 'x' if first_name == 'Anna' and 'nn' in first_name and 'z' not in first_name }}", "x"),
        (
            "{{ 'x' if day >= '2026-11-30' else 'y' }}{{ 'x' if price == '12.50' else 'y' }}{{ 'x' if 3 in visits }}",
            "xxx",
        ),
    ],
)
def test_what_messages_say(source: str, text: str) -> None:
    assert compile_message(source).render(ANNA) == text


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("Hi {% if first_name %}you{% endif %}", 1, "{% ... %}"),
        ("Hi\n{% raw %}{{ x }}{% endraw %}", 2, "{% ... %}"),
        ("Hi\n\n{{ first_name | uper }}", 3, "no filter uper"),
        ("Hi\n{{ first_name", 2, "cannot be understood: {{ is opened and never closed"),
        ("{{ first name }}", 1, "cannot be understood: there is a space or a sign where the field should end"),
        ("Hi {{{first_name}}}", 1, "cannot be understood: there are three brackets {{{ in a row"),
        ("{{ }}", 1, "cannot be understood"),
        ("{{ first_name() }}", 1, "functions cannot be called"),
        ("{{ first_name.__class__ }}", 1, "no parts such as .__class__"),
        ("{{ first_name.upper() }}", 1, "functions cannot be called"),
        ("{{ first_name['__class__'] }}", 1, "no parts such as [...]"),
        ("{{ first_name | attr('__class__') }}", 1, "no filter attr"),
        ("{{ 'x' * 1000000000 }}", 1, "operator *"),
        ("{{ 9 ** 9 ** 9 }}", 1, "operator **"),
        ("{{ '%1000000000d' % 1 }}", 1, "operator %"),
        ("{{ first_name is defined }}", 1, '"is defined"'),
        ("{{ [first_name] }}", 1, "List is not understood"),
        ("{{ first_name | default(*city) }}", 1, "* and ** are not understood"),
        ("{{ self }}", 1, "cannot be called self"),
        ("Hi\n{{ none }}", 2, "cannot be called none"),
        ("{{ None | default('you') }}", 1, "cannot be called none"),
        ("{{ 'Mr' if true else 'Ms' }}", 1, "cannot be called true"),
        ("{{ city | default(False) }}", 1, "cannot be called false"),
        ("Hi\n{# for us #}you", 2, "a message has no {# ... #}"),
        ("Hi {# for us", 1, "a message has no {# ... #}"),
        ("{{ " + "9" * 5000 + " }}", 1, "too complex"),
        ("{{ " + "-" * 5000 + "1 }}", 1, "too complex"),
        ("x" * 10_001, 1, "over 10,000 characters"),
        ("{{ a }}" * 101, 1, "more than 100 times"),
        ("Hi\n\ud83d", 2, "cannot be sent (U+D83D)"),
        ("Hi\n{{ '\\ud800' }}", 2, "cannot be sent (U+D800)"),
        ("{{ x | default('\\x00') }}", 1, "cannot be sent"),
        ("Hi {{ 1/0 }}", 1, "cannot be computed for any recipient: it divides by zero"),
        ("Hi {{ name }},\n{{ 1 // 0 }}", 2, "cannot be computed for any recipient: it divides by zero"),
        ("{{ 'x' | float(1/0) }}", 1, "cannot be computed for any recipient: it divides by zero"),
        ("{{ 'x' | int }}", 1, "cannot be computed for any recipient: a value is not a number"),
        ("{{ '31/31' | date('%d') }}", 1, "cannot be computed for any recipient: a value is not a date"),
        ("Hi\n{{ day | date('%d/%5000d') }}", 2, "%5000d is not a date code that can be used"),
        ("{{ day | date('%-99d') }}", 1, "%-99d is not a date code"),
        ("{{ day | date(shape='%Q') }}", 1, "%Q is not a date code"),
        ("{{ day | date('%Ey') }}", 1, "%E is not a date code"),
        ("{{ day | date('YYYY-MM-DD') }}", 1, "date needs a format with a code such as %d"),
        ("Hi\n{{ day | date(shape='dd/mm/yyyy') }}", 2, "date needs a format with a code such as %d"),
        ("{{ day | date('100%%') }}", 1, "date needs a format with a code such as %d"),
        ("{{ day | date }}", 1, "date needs a format with a code such as %d"),
        ("{{ day | date('100%') }}", 1, "% is not a date code"),
        ("{{ day | default('2026-12-01') | date('%d %') }}", 1, "% is not a date code"),
    ],
)
def test_what_messages_may_not_say(source: str, line: int, problem: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        compile_message(source)

    assert problem in caught.value.problem
    assert caught.value.line == line
    assert caught.value.hint


def test_a_misspelt_filter_comes_with_the_nearest() -> None:
    with pytest.raises(TemplateProblem) as caught:
        compile_message("{{ first_name | captialize }}")

    assert caught.value.hint == "did you mean capitalize?"


@pytest.mark.parametrize(
    "expression",
    ["city", "city | upper", "city | int", "city | round", "city | trim", "city[:1]", "city ~ 'x'", "city | date('%d')",
     "'a' if city else 'b'", "city | replace('a', 'b')", "city == 'Rome'", "-city", "city | truncate(5)"],
)  # fmt: skip
@pytest.mark.parametrize("fields", [{}, {"city": ""}], ids=["absent", "empty"])
def test_a_missing_field_without_default_is_named(expression: str, fields: dict[str, str]) -> None:
    template = compile_message(f"Come to {{{{ {expression} }}}}")

    with pytest.raises(MissingField) as caught:
        template.render(fields)

    assert caught.value.name == "city"
    assert str(caught.value) == 'the field "city" is empty and has no default'


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ first_name | date('%d') }}", "'first_name' is not a date that can be read: write 2026-12-01"),
        ("{{ 1 // (visits | int - 3) }}", "the message cannot be computed: it divides by zero"),
        ("{{ price | float / 0 }}", "the message cannot be computed: it divides by zero"),
        ("{{ first_name + 1 }}", "the message cannot be computed: it adds to a text"),
        ("{{ price + visits }}", "the message cannot be computed: it adds two texts"),
        ("{{ 'x' if first_name == 10 else 'y' }}", "'first_name' is not a number"),
        ("{{ 'x' if 10 <= first_name | trim else 'y' }}", "'first_name' is not a number"),
        (
            "{{ 'x' if price > visits else 'y' }}",
            "the message cannot be computed: it compares two texts, and as text 9 is more",
        ),
        (
            "{{ first_name | upper(3) }}",
            "the message cannot be computed: a filter or a [...] does not accept such a value",
        ),
        ("{{ day | date('%H:%M') }}", "'day' is a day without a time, and the message shows one"),
        ("{{ day | date('%' ~ '9999d') }}", "'day' has a format that `date` does not know"),
        ("{{ first_name | round }}", "'first_name' is not a number"),
        ("{{ first_name | replace('', 'x' ~ '" + "y" * 4000 + "') }}", "over 10,000 characters"),
        ("{{ long }}{{ long }}", "over 10,000 characters"),
    ],
)
def test_what_goes_wrong_for_one_person_is_a_reason(source: str, reason: str) -> None:
    template = compile_message(source)

    with pytest.raises(RenderError) as caught:
        template.render(ANNA | {"long": "x" * 9000})

    assert reason in caught.value.reason
    assert not any(cell in caught.value.reason for cell in ("Anna", "12.50"))


def test_txt_int_and_txt_sum_numbers_are_read_or_refused() -> None:
    points, due = compile_message("{{ points | int }} points"), compile_message("{{ due | float }} EUR")

    assert compile_message("You pay {{ (a | float) + (b | float) }} EUR").render({"a": "0.1", "b": "0.2"}) == (
        "You pay 0.3 EUR"
    )
    with pytest.raises(RenderError, match=r"'points' can be read as more than one number: write 1200 or 1.2"):
        points.render({"points": "1,200"})
    assert (points.render({"points": "850"}), due.render({"due": "20"})) == ("850 points", "20 EUR")
    assert due.render({"due": "43,50"}) == "43.5 EUR"


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1234567", "1234567"), ("-5", "-5"), ("\u22125", "-5"), ("+12.50", "12.5"), (".5", "0.5"), ("0,125", "0.125"),
        ("1.234,50", "1234.5"), ("1,234.50", "1234.5"), ("1 234,50", "1234.5"), ("1\u202f234", "1234"),
        ("1'234.50", "1234.5"), ("1,234,567", "1234567"), ("1.250", "1.25"), ("1234,567", "1234.567"),
        ("0.0000001", "0.0000001"), ("9" * 24, "9" * 24), ("-0", "0"),
    ],
)  # fmt: skip
def test_numbers_as_people_and_programs_write_them(cell: str, number: str) -> None:
    assert compile_message("{{ n | float }}").render({"n": cell}) == number


@pytest.mark.parametrize(
    "cell", ["1,200", "-1,200", "two", "1,200,50", "1.2.3", "12,34,56", "1e5", "1E+05", "nan", "inf", "12 %", "€ 5",
             "1_000", "9" * 25, "9" * 9_000, ".", "-", ",", "1.", "+1 202-555-0101", "0x10"],
)  # fmt: skip
@pytest.mark.parametrize("use", ["int", "float", "round", "round(2)"])
def test_what_can_be_read_as_no_number_or_several_is_refused_and_not_shown(cell: str, use: str) -> None:
    with pytest.raises(RenderError, match=r"^'n' (is not a number|can be read as more than one number: .*)$") as caught:
        compile_message(f"{{{{ n | {use} }}}}").render({"n": cell})

    assert cell not in caught.value.reason or len(cell) < 3


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ n | float / 3 }}", "0.333333333333333"), ("{{ n | float / 3 + 2 / 3 }}", "1"), ("{{ 7 // 2 }}", "3"),
        ("{{ -7 // 2 }}", "-4"), ("{{ (0 - 7.5) // 2 }}", "-4"), ("{{ 7 / 2 }}", "3.5"), ("{{ 100 / 0.01 }}", "10000"),
        ("{{ 'x' if n | float / 10 == 0.1 else 'y' }}", "x"), ("{{ 'x' if n | float > 0.5 else 'y' }}", "x"),
        ("{{ 2.5 | round }} {{ 3.5 | round }} {{ 1250 | round(-2) }}", "3 4 1300"), ("{{ 'abc'[:n | int + 1] }}", "ab"),
        ("{{ 'a' + 'b' }}", "ab"), ("{{ +(n | float) }} {{ -(n | float) }}", "1 -1"), ("{{ word | int(7) }}", "7"),
        ("{{ word | float(0.5) }}", "0.5"), ("{{ n | float - 0.9 }}", "0.1"), ("{{ 1e-7 }}", "0.0000001"),
    ],
)  # fmt: skip
def test_arithmetic_is_that_of_decimals(source: str, text: str) -> None:
    assert compile_message(source).render({"n": "1", "word": "two"}) == text


@given(st.decimals(-(10**9), 10**9, places=2), st.decimals(-(10**9), 10**9, places=2))
def test_sums_are_exact(a: Decimal, b: Decimal) -> None:
    shown = compile_message("{{ (a | float) + (b | float) }}").render({"a": str(a), "b": str(b)})

    assert Decimal(shown) == a + b


@given(st.text(alphabet="0123456789.,' +-e\u2212\u00a0", max_size=30))
def test_any_cell_is_a_number_or_a_reason(cell: str) -> None:
    with suppress(RenderError):
        assert Decimal(compile_message("{{ n | float }}").render({"n": cell})).is_finite()


@pytest.mark.parametrize("cell", ["\u200b", "\u00a0", "\u3164", "\u2800\ufe0f", " \t", "\u00ad\ufeff"])
def test_txt_zero_width_what_shows_nothing_is_empty(cell: str) -> None:
    assert compile_message("Hi {{ first_name | default('there') }}.").render({"first_name": cell}) == "Hi there."
    with pytest.raises(MissingField):
        compile_message("Hi {{ first_name }}.").render({"first_name": cell})


@pytest.mark.parametrize(
    "expression",
    ["x|replace('a','a'*9)", "x|date('%5000000d')", "x|truncate(10**9)", "range(10**9)", "x|center(10**9)", "x|join(x)",
     "[x]*10", "x|date('%c' ~ x)", "'%s'|format(x)", "(x~x)|replace('a',x)|replace('a',x)", "lipsum(1000)"],
)  # fmt: skip
def test_no_expression_takes_long_or_grows(expression: str) -> None:
    started = time.monotonic()
    with suppress(TemplateProblem, RenderError):
        assert len(compile_message(f"{{{{ {expression} }}}}").render({"x": "a" * 9_999})) <= 10_000
    assert time.monotonic() - started < 2


def test_fields_and_which_of_them_need_a_column() -> None:
    template = compile_message("{{ a }} {{ b | default('x') }} {{ c | default(d) }} {{ e | upper | default('x') }}")

    assert template.fields == {"a", "b", "c", "d", "e"}
    assert template.required == {"a", "d", "e"}


def test_a_field_once_with_and_once_without_default_is_required() -> None:
    assert compile_message("{{ a | default('x') }} {{ a }}").required == {"a"}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("First Name", "first_name"),
        (" first-name ", "first_name"),
        ("FIRST_NAME", "first_name"),
        ("Name (short)", "name_short"),
        ("Citta\u0300", "citt\u00e0"),
        ("Straße", "strasse"),
        ("\uff2e\uff41\uff4d\uff45", "name"),
        ("€", "€"),
        ("  ", ""),
    ],
)
def test_names_of_columns(header: str, name: str) -> None:
    assert field_name(header) == name


@given(st.text())
def test_any_name_stays_what_it_became(header: str) -> None:
    assert field_name(field_name(header)) == field_name(header)


@given(st.one_of(st.text(), st.text(alphabet="{}%#|()[]'\"ab.~+-_ \n", max_size=60).map(lambda text: "{{" + text)))
def test_any_text_compiles_or_is_a_template_problem(source: str) -> None:
    with suppress(TemplateProblem, RenderError):
        template = compile_message(source)

        assert len(template.render({"a": "x", "b": "y"})) <= 10_000


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0\r{")))
def test_a_text_without_expressions_is_sent_as_it_is(source: str) -> None:
    template = compile_message(source)

    assert template.fields == frozenset()
    assert template.render({}) == source.rstrip("\n")
