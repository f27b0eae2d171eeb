"""YAML as texts with places; whatever the bytes, the answer is a document or problems."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.definition.document import Place, merged
from campaigns.definition.loader import load_document, parse_document
from campaigns.definition.reading import load_definition
from campaigns.problems import MOST_PROBLEMS, CampaignFileError, Problem

KEYS = ("campaign", "message", "audience", "schedule", "window", "from", "throughput", "rate", "devices", "use", "x")
VALUES = (
    "",
    "~",
    "no",
    "22:30",
    "+39333",
    "30/minute",
    "auto",
    "[",
    "{a: ",
    "&a b",
    "*a",
    "- x",
    "|",
    ">-",
    "'",
    "{{ x }}",
)
lines = st.builds(
    lambda indent, key, value: f"{' ' * indent}{key}: {value}",
    st.integers(0, 6),
    st.sampled_from(KEYS),
    st.sampled_from(VALUES) | st.text(max_size=20),
)


@pytest.mark.parametrize(
    "written", ["22:30", "+393331234567", "no", "0x1F", "2026-12-01", "1_000", "Null", "3.0", "=", "<<"]
)
def test_what_was_written_is_what_is_read(written: str) -> None:
    assert parse_document(f"key: {written}\n", "f.yaml").data == {"key": written}


@pytest.mark.parametrize("nothing", ["", "~", "null", "# a comment"])
def test_nothing_is_read_as_not_given(nothing: str) -> None:
    assert parse_document(f"key: {nothing}\n", "f.yaml").data == {"key": None}


@pytest.mark.parametrize("text", ["''", '""', "'null'", "'~'"])
def test_a_quoted_nothing_is_a_text(text: str) -> None:
    assert parse_document(f"key: {text}\n", "f.yaml").data == {"key": text.strip("'\"")}


def test_every_value_and_key_has_its_place() -> None:
    document = parse_document("a:\n  - b: 1\n    c: {d: 2}\n", "f.yaml")

    assert document.value_place(("a", 0, "c", "d")) == Place("f.yaml", 3, 12)
    assert document.key_place(("a", 0, "c", "d")) == Place("f.yaml", 3, 9)
    assert document.key_place(("a", 0, "missing")) == Place("f.yaml", 2, 5)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "marked.yaml"
    path.write_bytes(b"\xef\xbb\xbfcampaign: sale\r\nkind: marketing\r\n")

    assert load_document(path).data == {"campaign": "sale", "kind": "marketing"}


def test_a_text_of_several_lines_is_kept_as_the_file_writes_it() -> None:
    document = parse_document("message: >-\n  Hi {{ name }},\n  welcome\nkind: marketing\n", "f.yaml")

    assert document.data["message"] == "Hi {{ name }}, welcome"
    assert document.raw == {("message",): "\n  Hi {{ name }},\n  welcome"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_file_of_any_editor_is_read(tmp_path: Path, encoding: str, ends: str) -> None:
    path = tmp_path / "sale.yaml"
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    path.write_bytes(
        mark + f"campaign: sale{ends}message: >-{ends}  caf\u00e9{ends}  \U0001f389{ends}".encode(encoding)
    )

    document = load_document(path)

    assert document.data == {"campaign": "sale", "message": "caf\u00e9 \U0001f389"}
    assert document.problems == ()


def test_an_alias_bomb_is_refused_without_being_expanded() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20))

    document = parse_document(bomb, "f.yaml")

    assert len(document.problems) == MOST_PROBLEMS
    assert document.more_problems == 20 + 19 * 9 - MOST_PROBLEMS


def test_the_first_of_two_equal_keys_counts_with_its_own_place() -> None:
    document = parse_document("a: {b: 1}\na: {b: 2}\n", "f.yaml")

    assert document.data == {"a": {"b": "1"}}
    assert document.value_place(("a", "b")) == Place("f.yaml", 1, 8)


def test_merging_keeps_mappings_together_and_replaces_lists_whole() -> None:
    defaults = parse_document("devices: {use: [1, 2], random: no}\nfollow: {until: 1h}\n", "defaults.yaml")
    document = parse_document("devices:\n  use: [3]\nfollow:\n", "sale.yaml")

    both = merged(defaults, document)

    assert both.data == {"devices": {"use": ["3"], "random": "no"}, "follow": {"until": "1h"}}
    assert both.value_place(("devices", "random")) == Place("defaults.yaml", 1, 32)
    assert both.value_place(("devices", "use", 0)) == Place("sale.yaml", 2, 9)
    assert both.value_place(("follow", "until")) == Place("defaults.yaml", 2, 17)


contents = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(str.encode),
    st.lists(lines, max_size=12).map(lambda some: "\n".join(some).encode()),
)


@given(contents)
def test_any_bytes_are_a_definition_or_problems(content: bytes) -> None:
    problems: tuple[Problem, ...] = ()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.yaml"
        path.write_bytes(content)
        try:
            load_definition(path, timezone="UTC", region=None)
        except CampaignFileError as error:
            problems = error.problems

    assert problems  # none of these contents has everything that a campaign needs
    assert all(found.line >= 1 and found.column >= 1 for found in problems)
