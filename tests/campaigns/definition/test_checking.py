"""What `check` finds beyond the keys: the message, the files, and whether they fit together."""

import time
from pathlib import Path

import pytest

from campaigns.checking import check_file
from campaigns.planning.planner import plan_recipients
from campaigns.problems import CampaignFileError, Problem

HEAD = "campaign: sale\n"
PEOPLE = "number,first_name,City\n+393331234567,Anna,Rome\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / "secret.csv").write_text(PEOPLE, encoding="utf-8")
    (inbox / "people.csv").write_text(PEOPLE, encoding="utf-8")
    (inbox / "header.csv").write_text("number,first_name\n", encoding="utf-8")
    (inbox / "nothing.csv").write_text("", encoding="utf-8")
    (inbox / "phones.csv").write_text("phone,first_name\n1,Anna\n", encoding="utf-8")
    (inbox / "people.txt").write_text(PEOPLE, encoding="utf-8")
    (inbox / "binary.csv").write_bytes(b"number,x\x00\x01\xff\xfe\n" * 10)
    (inbox / "sub").mkdir()
    (inbox / "linked.csv").symlink_to(tmp_path / "secret.csv")
    (inbox / "loop.csv").symlink_to(inbox / "loop.csv")
    return inbox


def problems_of(folder: Path, text: str) -> list[str]:
    """Every problem as `line:column: path: ...`."""
    path = folder / "sale.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CampaignFileError) as caught:
        check_file(path, timezone="UTC", region=None)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_a_campaign_that_fits_together_passes(folder: Path) -> None:
    path = folder / "sale.yaml"
    path.write_text(
        HEAD + "message: Hi {{ first_name }} of {{ city }}{{ title | default('') }}\n"
        "audience:\n  - file: people.csv\n"
        "  - recipients: [{number: '+393337654321', First Name: Ada, city: Turin}]\n"
        "  - file: sub/../people.csv\n"
        "exclude: {file: header.csv}\n",
        encoding="utf-8",
    )

    definition = check_file(path, timezone="UTC", region=None)

    assert definition.campaign == "sale"
    assert definition.folder == folder


def test_every_variant_is_checked_against_the_tables(folder: Path) -> None:
    found = problems_of(
        folder,
        HEAD + "audience: {file: people.csv}\nvariants:\n  - {name: a, share: 50, message: 'Hi {{ first_nam }}'}\n"
        "  - name: b\n    share: 50\n    message: >-\n      Ciao\n      {{ town }}\n",
    )

    not_there = "which 'people.csv' does not have"
    assert found == [
        f"4:35: variants[0].message: uses {{{{ first_nam }}}}, {not_there} (did you mean first_name?)",
        f"9:10: variants[1].message: uses {{{{ town }}}}, {not_there} (there is number, first_name, city)",
    ]


@pytest.mark.parametrize(
    ("file", "phrase"),
    [
        ("poeple.csv", "'poeple.csv' does not exist (did you mean people.csv?)"),
        ("elsewhere.csv", "'elsewhere.csv' does not exist (put it beside the campaign file"),
        ("../secret.csv", "is outside the folder of the campaign file"),
        ("/etc/hosts", "is outside the folder of the campaign file"),
        ("sub/../../secret.csv", "is outside the folder of the campaign file"),
        ("linked.csv", "is outside the folder of the campaign file"),
        ("loop.csv", "'loop.csv'"),
        ("x" * 300 + ".csv", "cannot be opened"),
        ("sub", "is a folder"),
        ("people.txt", "not a kind of table"),
        ("nothing.csv", "is empty"),
        ("binary.csv", "NUL"),
        ("phones.csv", "there is no column number"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_place(folder: Path, file: str, phrase: str) -> None:
    problems = problems_of(folder, HEAD + f"message: Hello\naudience:\n  - file: people.csv\n  - file: {file}\n")

    assert len(problems) == 1
    assert problems[0].startswith("5:11: audience[1].file: ")
    assert phrase in problems[0]


def test_an_exclude_file_is_opened_as_well(folder: Path) -> None:
    problems = problems_of(folder, HEAD + "message: Hi\naudience: {file: people.csv}\nexclude: {file: phones.csv}\n")

    assert [problem.split(": ")[:2] for problem in problems] == [["4:17", "exclude.file"]]


def test_a_column_is_suggested_for_the_number(folder: Path) -> None:
    problems = problems_of(folder, HEAD + "message: Hi\naudience:\n  file: phones.csv\n  number: phon\n")

    (problem,) = problems
    assert problem.startswith("5:11: audience.number: "), "at the column's line, not at the table's"
    assert "did you mean number: phone?" in problem


def test_an_audience_without_anybody_is_refused(folder: Path) -> None:
    problems = problems_of(folder, HEAD + "message: Hi\naudience:\n  - file: header.csv\n  - file: header.csv\n")

    assert problems == ["4:3: audience: has no recipients (add recipients to its file)"]


def test_a_field_that_no_column_has_is_shown_where_the_message_uses_it(folder: Path) -> None:
    message = "message: >-\n  Hello, we write to you today:\n\n  Dear {{ title }} {{ frist_name | upper }}\n"

    problems = problems_of(folder, HEAD + message + "audience: {file: people.csv}\n")

    assert problems == [
        f"{place}: message: uses {{{{ {field} }}}}, which 'people.csv' does not have ({hint})"
        for place, field, hint in [
            ("5:11", "title", "there is number, first_name, city"),
            ("5:23", "frist_name", "did you mean first_name?"),
        ]
    ]


def test_a_field_that_a_recipient_lacks_is_shown_at_the_recipient(folder: Path) -> None:
    audience = "audience:\n  - recipients:\n    - {number: 1, first_name: Ada}\n    - {number: 2, frist_name: Bob}\n"

    problems = problems_of(folder, HEAD + "message: Hi {{ first_name }}\n" + audience)

    assert len(problems) == 1
    assert problems[0].startswith("6:7: audience[0].recipients[1]: has no first_name, which the message uses")
    assert problems[0].endswith("(did you mean first_name instead of frist_name?)")


def test_a_field_that_no_recipient_has_is_one_mistake(folder: Path) -> None:
    audience = "audience:\n  - recipients:\n    - {number: 1, first_name: Ada}\n    - {number: 2, first_name: Bob}\n"

    problems = problems_of(folder, HEAD + "message: Hi {{ frist_name }}\n" + audience)

    assert problems == ["2:10: message: uses {{ frist_name }}, which no recipient has (did you mean first_name?)"]


def test_a_contact_list_has_no_fields(folder: Path) -> None:
    problems = problems_of(folder, HEAD + "message: Hi {{ name | default('you') }}\naudience: {contact_list: 1}\n")

    assert len(problems) == 1
    assert problems[0].startswith("2:10: message: uses {{ name }}, but a contact list has no fields")


@pytest.mark.parametrize(
    ("message", "place", "phrase"),
    [
        ("message: Hi {{ first_name | uper }}\n", "2:10", "did you mean upper?"),
        ("message: |\n  Hi\n  {{ first_name | uper }}\n", "4:3", "did you mean upper?"),
        ("message: >-\n  One\n  two\n  three {{ first_name\n", "5:3", ""),
        ("message: >-\n  {% if x %}\n", "3:3", "{% ... %}"),
        ('message: "{{ first_name | uper(\\"a\\") }}\n  and more"\n', "2:10", "did you mean upper?"),
    ],
)
def test_a_message_that_does_not_compile_is_shown_at_its_line(
    folder: Path, message: str, place: str, phrase: str
) -> None:
    problems = problems_of(folder, HEAD + message + "audience: {file: people.csv}\n")

    assert len(problems) == 1
    assert problems[0].startswith(f"{place}: message: ")
    assert phrase in problems[0]


def test_a_wrong_key_hides_no_wrong_file_and_no_wrong_field(folder: Path) -> None:
    problems = problems_of(
        folder,
        "campaign: Sale 1\nmessage: Hi {{ nam }}\naudience:\n  - flie: x.csv\n"
        "  - file: gone.csv\n  - file: people.csv\nfollow: {until: soon}\n",
    )

    assert [problem.split(": ")[:2] for problem in problems] == [
        ["1:11", "campaign"],
        ["2:10", "message"],
        ["4:5", "audience[0].flie"],
        ["5:11", "audience[1].file"],
        ["7:17", "follow.until"],
    ]


def test_no_problem_shows_a_number_or_a_text(folder: Path) -> None:
    text = HEAD + "message: Hi {{ a }} secret\naudience: {recipients: [{number: '+393331234567', b: secret}]}\n"

    shown = "\n".join(problems_of(folder, text))

    assert "3331234567" not in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("name", "kept_for"),
    [
        ("help-answers", "the answers to people who write HELP"),
        ("messages", "single texts that programs ask for"),
    ],
)
def test_names_by_which_other_texts_are_sent_are_taken(folder: Path, name: str, kept_for: str) -> None:
    problems = problems_of(folder, f"campaign: {name}\nmessage: Hi\naudience: {{file: people.csv}}\n")

    assert problems == [f"1:11: campaign: is {name}: this name is reserved for {kept_for} (choose another name)"]


@pytest.mark.parametrize(
    "written", ["{first_name}", "[First Name]", "<first_name>", "%FIRST_NAME%", "«city»", "{ city }"]
)
def test_a_field_in_the_brackets_of_another_program_is_refused(folder: Path, written: str) -> None:
    problems = problems_of(folder, HEAD + f"message: >-\n  Hi\n  you, {written}!\naudience: {{file: people.csv}}\n")

    column = "city" if "city" in written else "first_name"
    hint = f"(write {{{{ {column} }}}}, with two curly brackets on each side)"
    assert problems == [f"4:8: message: contains {written}, which everybody would receive exactly as written {hint}"]


FOREIGN = (
    "{FirstName}", "((first_name))", "*|FIRST_NAME|*", "*|FNAME|*", "{Frist_Name}", "[[first_name]]", "<<First Name>>",
    "%%first_name%%", "%FRIST_NAME%", "${first_name}", "#{first_name}", "{$first_name}", "{!Contact.FirstName}",
    "{contact.first_name}", "<%= first_name %>", "[%first_name%]", "@first_name@", "@first_name", "$first_name",
    "(first_name)", "#first_name#", "__first_name__", "[Contact.FirstName]", "{first_name|there}", "%first_name|there%",
    "[[FirstName|there]]", "*|FIRST_NAME:there|*", "${first_name:-there}", "{first_name, fallback=there}",
    '{first_name default="there"}', '${firstName!"there"}', "{FIRST_NAME or there}", "5% off, %FIRST_NAME%",
    "%(first_name)s", ":first_name:", ":firstname:", ":first_name", "‹first_name›", "｛｛first_name｝｝",
    "＜First Name＞", "{{ city | default('{first_name}') }}",
)  # fmt: skip
ORDINARY = (
    "100% off and 50% on", "[SALE]", "<3", "(city)", "#city", "@city", "Sale* today *conditions", "*** SALE ***",
    "a <b and c> d", "info@shop.it and sales@shop.it", "https://x.it/?city=a&first_name=b%20c#city", "5 > 3 < 7",
    "[today] {shop}", "$5 or 5$", "~city~", "come (in the city) now", "{1}", "»City«", "*city*", "50% [CITIES] 20%",
    "{{ '{city}' }}", "{{ '{#' }} {1} #}",
    ":city", ":smile:", "at 12:30:15", "note:city:here", "Details: first name: city",
)  # fmt: skip


@pytest.mark.parametrize("written", FOREIGN)
def test_txt_foreign_a_column_in_the_marks_of_any_program_is_refused(folder: Path, written: str) -> None:
    message = f"message: >-\n  Hi {written}, see you.\n"
    problems = problems_of(folder, HEAD + message + "audience: {file: people.csv}\n")

    assert len(problems) == 1
    assert ": message: contains " in problems[0]
    assert "write {{ first_name }}, with two curly brackets on each side" in problems[0]


@pytest.mark.parametrize("written", ORDINARY)
def test_an_ordinary_text_stays_one(folder: Path, written: str) -> None:
    path = folder / "sale.yaml"
    path.write_text(HEAD + f"message: >-\n  Hi {written}, see you.\naudience: {{file: people.csv}}\n", encoding="utf-8")

    assert check_file(path, timezone="UTC", region=None).campaign == "sale"


def test_txt_typo_a_field_that_no_column_has_is_warned_of_behind_a_default(folder: Path) -> None:
    path, warnings = folder / "sale.yaml", list[Problem]()
    rows = "audience: [{file: people.csv}, {recipients: [{number: 3331234567, frist_name: Ada}]}]\n"
    path.write_text(HEAD + "message: Hi {{ frist_name | default('there') }}.\n" + rows, encoding="utf-8")

    definition = check_file(path, timezone="UTC", region="IT", warnings=warnings)

    place, column = "2:10: message", "no column frist_name in 'people.csv': everybody there gets the default"
    assert list(map(str, warnings)) == [f"{path}:{place}: {column} (did you mean first_name?)"]
    plan = plan_recipients(definition)
    list(plan)
    told = "no column frist_name in people.csv (did you mean first_name?): everybody there gets the default"
    assert plan.summary.warnings == (f"{told}, if there is one",)


@pytest.mark.parametrize(("region", "warned"), [(None, 2), ("IT", 1)])
def test_a_number_in_the_file_that_cannot_be_used_is_warned_of(folder: Path, region: str | None, warned: int) -> None:
    path, warnings = folder / "sale.yaml", list[Problem]()
    rows = "audience: {recipients: [{number: 3331231000}, {number: '+393331231000'}, {number: hello}]}\n"
    path.write_text(HEAD + "message: Hi.\n" + rows, encoding="utf-8")

    check_file(path, timezone="UTC", region=region, warnings=warnings)

    told = [str(warning).removeprefix(f"{path}:3:") for warning in warnings]
    says = "this recipient gets nothing: contains letters (write the number with + and the country code)"
    assert len(told) == warned
    assert told[-1] == f"83: audience.recipients[2].number: {says}"


@pytest.mark.parametrize(("until", "warned"), [("1h", 2), ("2d", 1), ("3d", 0)])
def test_a_step_that_asks_for_what_is_not_followed_is_warned_of(folder: Path, until: str, warned: int) -> None:
    path, warnings = folder / "sale.yaml", list[Problem]()
    steps = """\
audience: {file: people.csv}
steps:
  - {name: a, after: 2d, unless: [replied, delivered], message: a}
  - {name: b, after: 3d, only_if: failed, message: b}
  - {name: c, after: 30d, unless: replied, message: c}
"""
    path.write_text(f"{HEAD}message: Hi.\nfollow: {{until: {until}}}\n{steps}", encoding="utf-8")
    check_file(path, timezone="UTC", region="IT", warnings=warnings)

    assert [warning.path for warning in warnings] == ["steps[0]", "steps[1]"][2 - warned :]
    assert all(f"follow.until ends after {until}" in warning.problem for warning in warnings)


@pytest.mark.parametrize("message", ["Hi {nome}", "Hi {{ nome }}", "Hi {{ numbr }}"])
def test_the_column_of_numbers_is_never_suggested_as_a_field(folder: Path, message: str) -> None:
    told = "".join(problems_of(folder, f"{HEAD}message: '{message}'\naudience: {{file: header.csv}}\n"))

    assert "write {{ number }}" not in told
    assert "did you mean number" not in told
    assert told.startswith("2:10: message: contains {nome}" if message == "Hi {nome}" else "2:10: message: uses {{ n")


def test_a_table_of_people_to_exclude_without_rows_is_warned_of(folder: Path) -> None:
    path, warnings = folder / "sale.yaml", list[Problem]()
    path.write_text(HEAD + "message: Hi.\naudience: {file: people.csv}\nexclude: {file: header.csv}\n")

    definition = check_file(path, timezone="UTC", region=None, warnings=warnings)
    plan = plan_recipients(definition)

    told = "header.csv has no rows and so excludes nobody"
    assert [str(warning) for warning in warnings] == [f"{path}:4:17: exclude.file: {told}"]
    assert len(list(plan)) == 1
    assert plan.summary.warnings == (told,)


def test_a_comment_of_any_length_costs_nothing_to_look_for_a_field_in(folder: Path) -> None:
    text = 'message: "a\n  \\x7b\\x7b nofield \\x7d\\x7d {{ }} {{ other }}"  # ' + "{{" * 100_000 + "\n"
    started = time.monotonic()

    problems = problems_of(folder, HEAD + text.replace("{{ }} ", "") + "audience: {file: people.csv}\n")

    assert time.monotonic() - started < 5  # with quadratic cost it would take minutes
    assert [problem.split(": message")[0] for problem in problems] == ["2:10", "3:32"]


def test_brackets_that_hold_no_column_are_a_text_like_any_other(folder: Path) -> None:
    path = folder / "sale.yaml"
    message = "\"Up to 50% [today], {{ '{city}' }} {shop} <3 {{ first_name }}, 20 %\""
    path.write_text(HEAD + f"message: {message}\naudience: {{file: people.csv}}\n", encoding="utf-8")

    assert check_file(path, timezone="UTC", region=None).campaign == "sale"


def test_an_expression_without_fields_that_cannot_be_computed_is_refused_at_its_place(folder: Path) -> None:
    problems = problems_of(folder, HEAD + 'message: "Hi {{ 1/0 }}"\naudience: {file: people.csv}\n')

    assert problems == [
        "2:10: message: cannot be computed for any recipient: it divides by zero (correct what is in the {{ }})"
    ]


@pytest.mark.parametrize("escape", ["\\x00", "\\ud800", "\\ufffe"])
def test_a_character_that_cannot_be_sent_is_one_problem(folder: Path, escape: str) -> None:
    problems = problems_of(folder, HEAD + f'message: "Hi {escape} you"\naudience: {{file: people.csv}}\n')

    assert [problem.split(":")[0] for problem in problems] == ["2"]


def test_a_text_without_fields_that_is_too_long_for_everybody_is_refused(folder: Path) -> None:
    problems = problems_of(folder, HEAD + f"message: {'x' * 1531}\naudience: {{file: people.csv}}\n")

    assert problems == ["2:10: message: takes 11 segments, but at most 10 are allowed (shorten it)"]


@pytest.mark.parametrize("message", ["'We are #1 in town' # ours", ">-\n  We are\n  #1 in town", "We are at town#1"])
def test_a_hash_that_cuts_no_text_short_is_allowed(folder: Path, message: str) -> None:
    path = folder / "sale.yaml"
    path.write_text(HEAD + f"message: {message}\naudience: {{file: people.csv}}\n", encoding="utf-8")

    assert "1" in check_file(path, timezone="UTC", region=None).message
