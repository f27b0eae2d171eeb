"""What a message may say, what it may not, and what a person without a value gets."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.templates import MissingField, RenderError, TemplateProblem, compile_message, field_name

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
        ("{# for us #}Hi", "Hi"),
        ("<b> & 'quotes' {{ '<' }}", "<b> & 'quotes' <"),
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
        ("{{ first name }}", 1, "cannot be understood: a space, or a sign, stands where the field should end"),
        ("Hi {{{first_name}}}", 1, "cannot be understood: three brackets {{{ stand together"),
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
        ("{{ " + "9" * 5000 + " }}", 1, "too involved"),
        ("{{ " + "-" * 5000 + "1 }}", 1, "too involved"),
        ("x" * 10_001, 1, "over 10,000 characters"),
        ("{{ a }}" * 101, 1, "more than 100 times"),
        ("Hi\n\ud83d", 2, "cannot be sent"),
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
    assert str(caught.value) == "the field city is empty and has no default"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ first_name | date('%d') }}", "'Anna' is not a date such as 2026-12-31"),
        ("{{ 1 // (visits | int - 3) }}", "the message cannot be computed"),
        ("{{ first_name + 1 }}", "the message cannot be computed"),
        ("{{ first_name | round }}", "the message cannot be computed: could not convert string to float: 'Anna'"),
        ("{{ first_name | replace('', 'x' ~ '" + "y" * 4000 + "') }}", "over 10,000 characters"),
        ("{{ long }}{{ long }}", "over 10,000 characters"),
    ],
)
def test_what_goes_wrong_for_one_person_is_a_reason(source: str, reason: str) -> None:
    template = compile_message(source)

    with pytest.raises(RenderError) as caught:
        template.render(ANNA | {"long": "x" * 9000})

    assert reason in caught.value.reason


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
