"""The operator's rules hold, whatever a campaign file says."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaigns.checking import check_file
from campaigns.definition import Definition, Kind
from campaigns.policy import ALL_KINDS, Policy, parse_cap, parse_hours, parse_kinds
from campaigns.problems import CampaignFileError
from worker.settings.settings import Settings, SettingsError, load_settings

HEAD = 'campaign: sale\nmessage: Hi\naudience: {recipients: [{number: "+393331234567"}]}\n'
NOW = datetime(2026, 12, 1, 10, tzinfo=UTC)
STRICT = Policy(
    approval=frozenset({Kind.MARKETING}), hours=parse_hours("mon\u2013sat 09:00-20:00; sun 10:00-13:00"),
    cap=parse_cap("2/7d"), kinds=frozenset({Kind.MARKETING, Kind.REMINDER}),
)  # fmt: skip


def checked(tmp_path: Path, more: str, policy: Policy = STRICT) -> Definition:
    path = tmp_path / "sale.yaml"
    path.write_text(HEAD + more, encoding="utf-8")
    return check_file(path, timezone="Europe/Rome", region=None, now=NOW, policy=policy)


def test_a_file_that_says_nothing_or_the_contrary_gets_what_the_operator_insists_on(tmp_path: Path) -> None:
    # given team defaults that lift all of them
    (tmp_path / "defaults.yaml").write_text("approval: false\n", encoding="utf-8")

    for more in ("", "approval: false\n"):
        definition = checked(tmp_path, more)

        assert definition.approval
        assert definition.schedule.window == STRICT.hours
        assert definition.frequency_cap == STRICT.cap
        assert definition.folder == tmp_path


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("kind: transactional\n", "kind"),
        ("schedule: {window: {from: '08:00', to: '20:00'}}\n", "schedule.window"),
        ("schedule: {window: {days: sun, from: '09:00', to: '13:00'}}\n", "schedule.window"),
        ("schedule: {window: {from: '20:00', to: '09:00'}}\n", "schedule.window"),
        ("schedule: {window: {from: '00:00', to: '24:00'}}\n", "schedule.window"),
        ("schedule: {window: [{from: '10:00', to: '12:00'}, {days: mon, from: '19:00', to: '20:01'}]}\n",
         "schedule.window"),
        ("frequency_cap: {messages: 3, per: 7d}\n", "frequency_cap"),
        ("frequency_cap: {messages: 2, per: 6d}\n", "frequency_cap"),
    ],
)  # fmt: skip
def test_a_file_that_wants_more_is_refused_at_its_place(more: str, path: str, tmp_path: Path) -> None:
    with pytest.raises(CampaignFileError) as told:
        checked(tmp_path, more)

    assert path in {problem.path for problem in told.value.problems}


def test_what_cannot_go_with_a_rule_of_the_operator_names_its_setting_and_a_key_of_the_file(tmp_path: Path) -> None:
    def told(text: str) -> list[str]:
        path = tmp_path / "sale.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(CampaignFileError) as caught:
            check_file(path, timezone="Europe/Rome", region=None, now=NOW, policy=STRICT)
        return [str(problem).partition("sale.yaml:")[2] for problem in caught.value.problems]

    by = "4:41: schedule.by: gateway cannot be used with the operator's "
    assert sorted(told(HEAD + "schedule: {start: 2026-12-05 09:30, by: gateway}\n")) == [
        f"{by}frequency cap (CAMPAIGNS_FREQUENCY_CAP) (write by: service)",
        f"{by}hours (CAMPAIGNS_HOURS) (write by: service)",
    ]
    (listed,) = told("campaign: club\nmessage: Hi\naudience: [{contact_list: 7}]\n")
    assert "cannot be used with the operator's frequency cap (CAMPAIGNS_FREQUENCY_CAP)" in listed
    assert "contact_list: " in listed


@pytest.mark.parametrize("text", ["mon 25:00-26:00", "moon 09:00-10:00", "09:00-09:00", "mon"])
def test_hours_that_cannot_be_read_come_with_what_the_setting_takes(text: str) -> None:
    with pytest.raises(ValueError, match="; write days and times of day from 00:00 to 24:00, such as mon-sat 09:00"):
        parse_hours(text)


@pytest.mark.parametrize(
    "more",
    [
        "schedule: {window: {days: mon-sat, from: '09:00', to: '20:00'}}\n",
        "schedule: {window: {from: '10:00', to: '13:00'}}\n",
        "frequency_cap: {messages: 2, per: 8d}\n",
        "frequency_cap: {messages: 1, per: 7d, otherwise: defer}\n",
    ],
)
def test_a_file_that_is_stricter_keeps_its_own(more: str, tmp_path: Path) -> None:
    own, free = checked(tmp_path, more), checked(tmp_path, more, Policy())

    assert own.schedule.window == (free.schedule.window or STRICT.hours)
    assert own.frequency_cap == (free.frequency_cap or STRICT.cap)


def test_what_cannot_be_approved_is_refused_where_approval_is_required(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("phone,at\n+393331234567,2026-12-05 10:00\n", encoding="utf-8")
    text = "campaign: visits\nmessage: Hi\naudience: {file: people.csv}\nschedule: {remind: {column: at, before: 1d}}\n"
    path = tmp_path / "visits.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(CampaignFileError, match="the operator requires approval of marketing campaigns"):
        check_file(path, timezone="Europe/Rome", region=None, now=NOW, policy=STRICT)


def test_transactional_texts_have_no_hours_and_no_cap(tmp_path: Path) -> None:
    definition = checked(tmp_path, "kind: transactional\n", Policy(hours=STRICT.hours, cap=STRICT.cap))

    assert (definition.schedule.window, definition.frequency_cap) == (None, None)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("require_approval", "true", ALL_KINDS),
        ("require_approval", "false", frozenset()),
        ("require_approval", "Marketing, reminder", frozenset({Kind.MARKETING, Kind.REMINDER})),
        ("hours", "none", None),
        ("hours", "09:00-20:00", parse_hours("daily 09:00-20:00")),
        ("frequency_cap", "", None),
        ("frequency_cap", "1/1d12h", parse_cap("1/36h")),
        ("kinds", "", frozenset()),
        ("kinds", "reminder", parse_kinds("reminder")),
    ],
)
def test_settings(name: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CAMPAIGNS_{name.upper()}", text)

    assert getattr(Settings(), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("require_approval", "yes please"),
        ("hours", "22:00-02:00"),
        ("hours", "mon"),
        ("hours", "09:00-09:00"),
        ("hours", "moon 09:00-10:00"),
        ("hours", ";"),
        ("frequency_cap", "2"),
        ("frequency_cap", "0/7d"),
        ("frequency_cap", "2/"),
        ("kinds", "adverts"),
        ("kinds", ","),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CAMPAIGNS_{name.upper()}", text)

    with pytest.raises(SettingsError, match=f"^CAMPAIGNS_{name.upper()}: "):
        load_settings()
