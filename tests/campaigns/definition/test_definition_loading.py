"""From files to a definition: defaults, settings, the way through the database, the hash, the schema."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from campaigns.definition import ContactListSource, Definition, DeviceMode, FileSource, InlineSource, Kind, Rate, Target
from campaigns.definition.loader import parse_document
from campaigns.definition.reading import load_definition
from campaigns.definition.schema import json_schema
from campaigns.definition.sources import ExcludedFile
from campaigns.problems import CampaignFileError

SMALLEST = "campaign: sale\nmessage: Hello\naudience: {file: people.csv}\n"

EXAMPLE = """\
campaign: spring-sale             # the identity of the campaign
description: Spring sale, all shops
kind: marketing

message: >-
  Hi {{ first_name | default("there") }}, our spring sale starts today. Reply STOP to opt out.

audience:
  - file: spring-customers.csv
    number: phone
  - recipients:
      - {number: "+39 333 123 4567", first_name: Anna}
exclude:
  - file: already-bought.csv
default_region: IT

schedule:
  start: 2026-12-01 09:00
  timezone: Europe/Rome
  window: {days: mon-sat, from: "09:00", to: "20:00"}
  local_time: campaign

throughput:
  rate: 30/minute
  batch_size: auto

devices:
  use: [1, "2|0"]
  mode: specified
  random: false

follow:
  until: 72h
  on_unknown: reconcile
approval: false
"""

Load = Callable[..., Definition]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(text: str, *, defaults: str = "", timezone: str = "UTC", region: str | None = None) -> Definition:
        (tmp_path / "sale.yaml").write_text(text, encoding="utf-8")
        if defaults:
            (tmp_path / "defaults.yaml").write_text(defaults, encoding="utf-8")
        return load_definition(tmp_path / "sale.yaml", timezone=timezone, region=region)

    return loaded


def test_the_example_says_what_it_says(load: Load) -> None:
    definition = load(EXAMPLE)

    assert definition.campaign == "spring-sale"
    assert definition.kind is Kind.MARKETING
    assert definition.message.startswith("Hi {{ first_name")
    assert definition.audience == (
        FileSource(file="spring-customers.csv", number="phone"),
        InlineSource(recipients=({"number": "+39 333 123 4567", "first_name": "Anna"},)),
    )
    assert definition.exclude == (ExcludedFile(file="already-bought.csv"),)
    assert definition.default_region == "IT"
    assert definition.schedule.start_at() == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert definition.throughput.rate == Rate(30, timedelta(minutes=1))
    assert definition.throughput.batch_size is None
    assert definition.devices.use == (Target(1), Target(2, 0))
    assert definition.devices.mode is DeviceMode.SPECIFIED
    assert definition.follow.until == timedelta(hours=72)


def test_three_keys_are_enough(load: Load, tmp_path: Path) -> None:
    definition = load(SMALLEST)

    assert definition.audience == (FileSource(file="people.csv", number="number"),)
    assert definition.schedule.start_at() is None
    assert definition.schedule.window is None
    assert definition.throughput.rate is None
    assert definition.folder == tmp_path


def test_what_the_files_leave_open_comes_from_the_settings(load: Load) -> None:
    definition = load(SMALLEST, timezone="Europe/Rome", region="IT")

    assert (definition.schedule.timezone, definition.default_region) == ("Europe/Rome", "IT")


def test_norway_is_a_country(load: Load) -> None:
    assert load(SMALLEST + "default_region: no\n", region="IT").default_region == "NO"


def test_the_file_wins_over_the_defaults_and_they_over_the_settings(load: Load) -> None:
    defaults = "kind: reminder\nschedule: {timezone: Asia/Tokyo}\nthroughput: {rate: 1/second, batch_size: 7}\n"

    definition = load(SMALLEST + "throughput: {rate: none}\nkind:\n", defaults=defaults, timezone="Europe/Rome")

    assert definition.kind is Kind.REMINDER
    assert definition.schedule.timezone == "Asia/Tokyo"
    assert definition.throughput.rate is None
    assert definition.throughput.batch_size == 7


def test_a_contact_list_is_an_audience_by_itself(load: Load) -> None:
    definition = load("campaign: sale\nmessage: Hello\naudience: {contact_list: 12}\n")

    assert definition.audience == (ContactListSource(contact_list=12),)


def test_empty_fields_of_a_recipient_are_not_given(load: Load) -> None:
    definition = load("campaign: s\nmessage: Hi\naudience: {recipients: [{number: 1, name: , city: ''}]}\n")

    assert definition.audience == (InlineSource(recipients=({"number": "1", "city": ""},)),)


@pytest.mark.parametrize(
    "more",
    [
        "",
        EXAMPLE.partition("default_region")[2].partition("\n")[2],
        "schedule: {start: 2026-12-01T09:00+01:00, window: {days: daily, from: '20:00', to: '24:00'}}\n",
        "throughput: {rate: none, batch_size: 500}\ndevices: {mode: all_sims, random: yes}\n",
        "follow: {until: 90s}\ndescription: 'ünïcode 🎉'\n",
    ],
)
def test_a_definition_comes_back_from_the_database_as_it_went_in(load: Load, more: str) -> None:
    definition = load(SMALLEST + more, timezone="Europe/Rome")

    back = Definition.model_validate_json(definition.model_dump_json())

    assert back.in_folder(definition.folder) == definition
    assert back.content_hash == definition.content_hash
    assert str(definition.folder) not in definition.model_dump_json()


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), st.integers(1, 500), st.integers(1, 10_000))
def test_any_text_comes_back_from_the_database(message: str, size: int, seconds: int) -> None:
    definition = Definition.model_validate(
        {
            "campaign": "any",
            "message": message,
            "audience": [{"recipients": [{"number": "1", "name": message}]}],
            "throughput": {"batch_size": str(size)},
            "follow": {"until": f"{seconds}s"},
        }
    )

    assert Definition.model_validate_json(definition.model_dump_json()) == definition


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (SMALLEST.replace("campaign: sale\n", "") + "campaign: sale\n# only moved\n", True),
        (SMALLEST + "kind: marketing\nfollow: {until: 3d}\n", True),  # the defaults, spelt out
        (SMALLEST.replace("Hello", "hello"), False),
        (SMALLEST + "schedule: {window: {from: '09:00', to: '20:00'}}\n", False),
        (SMALLEST + "default_region: IT\n", False),
        (SMALLEST + "encoding: as_is\nmobile_only: false\n", True),
        (SMALLEST + "encoding: gsm\n", False),
    ],
)
def test_the_hash_changes_with_what_is_said_and_not_with_how(load: Load, text: str, same: bool) -> None:
    assert (load(text).content_hash == load(SMALLEST).content_hash) is same


class _EditorLoader(yaml.SafeLoader):
    """YAML 1.2 as editors read it: numbers and true/false, but neither dates nor sexagesimals."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (the base class declares it so)
        first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@pytest.mark.parametrize("text", [EXAMPLE, SMALLEST, SMALLEST + "approval: true\n"])
def test_the_schema_accepts_what_people_may_write(text: str) -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    assert list(validator.iter_errors(parse_document(text, "f.yaml").data)) == []
    assert list(validator.iter_errors(yaml.load(text, Loader=_EditorLoader))) == []  # noqa: S506  (a SafeLoader)


@pytest.mark.parametrize(
    "more",
    [
        "mesage: x\n",
        "kind: remindr\n",
        "throughput: {rate: 30}\n",
        "throughput: {batch_size: 501}\n",
        "schedule: {window: {from: 9, to: 10}}\n",
        "devices: {use: [x]}\n",
        "exclude: [{flie: a.csv}]\n",
        "default_region: Italy\n",
        "follow: {until: soon}\n",
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(load: Load, more: str) -> None:
    document = yaml.load(SMALLEST + more, Loader=_EditorLoader)  # noqa: S506  (a SafeLoader)

    assert list(Draft202012Validator(json_schema()).iter_errors(document))
    with pytest.raises(CampaignFileError):
        load(SMALLEST + more)


def test_every_key_of_the_schema_is_described() -> None:
    schema = json_schema()
    parts = [schema, *schema["$defs"].values()]

    undescribed = [
        f"{part.get('title')}.{key}"
        for part in parts
        for key, entry in part.get("properties", {}).items()
        if "description" not in entry and "$ref" not in entry
    ]

    assert undescribed == []
    assert all(part["additionalProperties"] is False for part in parts if part.get("type") == "object")
