"""`init`, `check`, `plan`, `schema`."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def test_init_makes_what_is_missing_and_says_what_to_do_next(run: Run, folder: Path) -> None:
    result = run("init")

    assert result.exit_code == 0
    inbox = folder / "campaigns" / "inbox"
    assert sorted(path.name for path in inbox.iterdir()) == [
        "defaults.yaml",
        "spring-customers.csv",
        "spring-sale.yaml.example",
    ]
    assert "campaigns check campaigns/inbox/spring-sale.yaml" in result.stdout
    assert "campaigns up --sandbox" in result.stdout


def test_init_overwrites_nothing(run: Run, folder: Path) -> None:
    (folder / ".env").write_text("CAMPAIGNS_RATE=7/minute\n")
    (folder / "box").mkdir()
    (folder / "box" / "defaults.yaml").write_text("kind: reminder\n")

    made = json.loads(run("init", "box", "--json").stdout)

    assert (folder / ".env").read_text() == "CAMPAIGNS_RATE=7/minute\n"
    assert (folder / "box" / "defaults.yaml").read_text() == "kind: reminder\n"
    assert made["kept"] == ["box/defaults.yaml", str(folder / ".env")]
    assert made["made"] == ["box/spring-sale.yaml.example", "box/spring-customers.csv"]


@pytest.mark.parametrize(("inbox", "named"), [("taken", "taken"), ("taken/box", "taken"), ("nowhere", "nowhere")])
def test_init_where_something_else_stands_says_what_and_makes_nothing(
    run: Run, folder: Path, inbox: str, named: str
) -> None:
    (folder / "taken").write_text("somebody's")
    (folder / "nowhere").symlink_to("gone")

    refused = run("init", inbox)

    assert refused.exit_code == 2
    sentence = f"{named} is not a folder, so the inbox {inbox} cannot be made; name another one: campaigns init DIR"
    assert " ".join(refused.stderr.split()) == sentence
    assert (folder / "taken").read_text() == "somebody's"
    assert sorted(path.name for path in folder.iterdir()) == ["nowhere", "taken"]


def test_init_of_an_empty_name_makes_nothing(run: Run, folder: Path) -> None:
    refused = run("init", "")

    assert (refused.exit_code, [*folder.iterdir()]) == (2, [])
    assert "is empty; name a folder" in refused.stderr


def test_the_settings_file_is_private_and_changes_nothing_as_it_stands(run: Run, folder: Path) -> None:
    run("init")

    lines = (folder / ".env").read_text().splitlines()

    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert [line for line in lines if line and not line.startswith("#")] == []
    assert "# CAMPAIGNS_DATABASE_URL=sqlite:///campaigns.db" in lines
    assert "# CAMPAIGNS_DEVICE_RATE=30/minute" in lines


def test_every_line_of_the_settings_file_can_be_switched_on(run: Run, folder: Path) -> None:
    run("init", "box")
    env = folder / ".env"
    values = [line for line in env.read_text().splitlines() if line.startswith("# CAMPAIGNS_") and line[-1] != "="]
    env.write_text("\n".join(line.removeprefix("# ") for line in values))

    assert len(values) > 5
    assert run("status").exit_code == 0


def test_the_example_is_valid_once_renamed(run: Run, folder: Path) -> None:
    run("init", "box")
    campaign = (folder / "box" / "spring-sale.yaml.example").rename(folder / "box" / "spring-sale.yaml")

    assert run("check", str(campaign)).exit_code == 0
    plan = json.loads(run("plan", str(campaign), "--sandbox", "--json").stdout)
    assert plan["recipients"] == {"audience": 10, "pending": 8, "invalid": 1, "duplicate": 1}


def test_check_lists_every_problem_of_every_file_on_standard_error(run: Run, campaign_file: Path) -> None:
    first, second = campaign_file.with_name("first.yaml"), campaign_file.with_name("second.yaml")
    first.write_text("campaign: first\nmesage: Hi\naudience:\n  - file: people.csv\n    number: phone\n")
    second.write_text(
        "campaign: second\nmessage: Hi {{ frist_name }}\naudience:\n  - {file: people.csv, number: phone}\n"
    )

    result = run("check", str(first), str(campaign_file), str(second))

    assert result.exit_code == 2
    assert result.stdout == f"{campaign_file}: valid\n"
    assert f"{first}:2:1: mesage: " in result.stderr
    assert "did you mean first_name?" in result.stderr
    assert all(line.startswith((f"{first}:", f"{second}:")) for line in result.stderr.splitlines())


def test_check_names_every_one_of_121_files_and_at_most_100_problems_of_each(run: Run, folder: Path) -> None:
    files = [folder / f"c{number}.yaml" for number in range(100, 221)]
    for file in files:
        file.write_text("campaign: Bad N\nmessage: Hi\naudience: {recipients: [{number: '+393331231000'}]}\n")
    files[7].write_text("".join(f"k{n}: 1\n" for n in range(300)))

    told = run("check", *map(str, files)).stderr.splitlines()

    counts = Counter(line.partition(":")[0] for line in told[:-1])
    assert [counts[str(file)] for file in files] == [1] * 7 + [100] + [1] * 113
    assert told[-1].startswith("and ")


def test_l2_what_a_file_says_moves_nothing_on_the_terminal(run: Run, folder: Path) -> None:
    path = folder / "a\x1b[2J.yaml"
    path.write_text('"\\e]0;pwn\\a": 1\n"\u202e": 2\n', encoding="utf-8")

    result = run("check", str(path))

    assert result.exit_code == 2
    assert "is not a known key" in result.stderr
    assert not [sign for sign in result.stderr if sign != "\n" and not sign.isprintable()]


def test_check_json_has_one_object_for_each_file(run: Run, campaign_file: Path) -> None:
    missing = campaign_file.with_name("missing.yaml")

    result = run("check", str(campaign_file), str(missing), "--json")

    good, bad = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == 2
    assert good == {"file": str(campaign_file), "valid": True, "problems": [], "more": 0, "warnings": []}
    assert (bad["file"], bad["valid"]) == (str(missing), False)
    assert bad["problems"][0].keys() == {"file", "line", "column", "path", "problem", "hint"}


def test_txt_typo_check_and_plan_warn_of_a_field_that_no_column_has(run: Run, campaign_file: Path) -> None:
    (campaign_file.parent / "typo.csv").write_text("number,first_name\n+393331234501,Anna\n")
    path = campaign_file.with_name("typo.yaml")
    path.write_text("campaign: typo\nmessage: Hi {{ frist_name | default('there') }}.\naudience: {file: typo.csv}\n")

    checked, told = run("check", str(path)), json.loads(run("check", str(path), "--json").stdout)
    planned = json.loads(run("plan", str(path), "--json").stdout)

    assert checked.exit_code == 0
    assert f"{path}: valid\nwarning: {path}:2:10: message: no column frist_name in 'typo.csv'" in checked.stdout
    assert told["warnings"][0]["hint"] == "did you mean first_name?"
    assert planned["warnings"][0].startswith("no column frist_name in typo.csv (did you mean first_name?)")


def test_a_plan_adds_up_and_needs_neither_gateway_nor_database(run: Run, folder: Path, campaign_file: Path) -> None:
    before = set(folder.iterdir())

    plan = json.loads(run("plan", str(campaign_file), "--json").stdout)

    assert set(folder.iterdir()) == before
    assert plan["recipients"] == {"audience": 4, "pending": 2, "invalid": 1, "duplicate": 1}
    assert plan["segments"] == 2
    assert plan["encodings"] == {"GSM-7": 2}
    assert plan["samples"] == [{"number": "+39…01", "text": "Hi Anna"}, {"number": "+39…02", "text": "Hi there"}]
    assert plan["longest_text"] == "Hi there"
    assert plan["devices"] == "the gateway's primary phone"
    assert (plan["rates"], plan["batch_size"], plan["requests"]) == (["30/minute"], 100, 2)
    assert len(plan["plan"]) == 64


def test_a_plan_says_when_it_starts_and_how_long_it_takes(run: Run, folder: Path, campaign_file: Path) -> None:
    # given one segment a minute, starting on a day far in the future
    (folder / "people.csv").write_text("phone,first_name\n" + "".join(f"+3933310000{n},\n" for n in range(10, 71)))
    text = campaign_file.read_text().replace("2026-12-01", "2098-12-01")
    campaign_file.write_text(f"{text}throughput:\n  rate: 60/hour\n")

    plan = json.loads(run("plan", str(campaign_file), "--sandbox", "--json").stdout)

    assert plan["first_send_at"] == "2098-12-01T08:00:00Z"
    assert plan["last_send_at"] == "2098-12-01T09:00:00Z"
    assert plan["followed_until"] == "2098-12-04T09:00:00Z"


@pytest.mark.parametrize(
    ("more", "warnings"),
    [("", 1), ("  if_late: {within: 2h}\n", 0), ("  repeat: {cron: '0 9 * * mon'}\n", 0)],
)
def test_a_plan_warns_of_a_start_that_has_passed_where_nothing_else_decides(
    run: Run, campaign_file: Path, more: str, warnings: int
) -> None:
    text = campaign_file.read_text().replace("2026-12-01", "2021-12-01")
    campaign_file.write_text(text.replace("schedule:\n", f"schedule:\n{more}"))

    plan = json.loads(run("plan", str(campaign_file), "--json").stdout)

    assert len(plan["warnings"]) == warnings
    assert all("has passed: texts are sent at once" in warning for warning in plan["warnings"])
    assert all("set schedule.if_late to how late they may leave" in warning for warning in plan["warnings"])


HTTPS, PRIVATE = (
    "it must begin with https://",
    "its address is private, and CAMPAIGNS_ALLOW_PRIVATE_WEBHOOKS is not set",
)


@pytest.mark.parametrize(
    ("address", "settings", "why"),
    [
        ("http://127.0.0.1/x", {}, HTTPS),
        ("http://example.com/x", {}, HTTPS),
        ("https://localhost/", {}, PRIVATE),
        ("https://shop.LOCALHOST.:8443/", {}, PRIVATE),
        ("https://10.0.0.1/x", {}, PRIVATE),
        ("https://[::ffff:10.0.0.1]/x", {}, PRIVATE),
        ("http://10.0.0.1/x", {"CAMPAIGNS_ALLOW_PRIVATE_WEBHOOKS": "true"}, ""),
        ("http://10.0.0.1/x", {"CAMPAIGNS_REPORT_WEBHOOK": "http://10.0.0.1/x"}, ""),
        ("https://10.0.0.2/x", {"CAMPAIGNS_REPORT_WEBHOOK": "http://10.0.0.1/x"}, PRIVATE),
        ("https://example.com", {}, ""),
        ("https://93.184.215.14/x", {}, ""),
    ],
)
def test_a_webhook_that_would_never_be_called_is_refused_by_the_rule_of_the_call(
    run: Run, campaign_file: Path, monkeypatch: pytest.MonkeyPatch, address: str, settings: dict[str, str], why: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    campaign_file.write_text(campaign_file.read_text() + f"report: {{webhook: '{address}'}}\n")

    checked, planned = run("check", str(campaign_file)), run("plan", str(campaign_file))

    assert (checked.exit_code, planned.exit_code) == ((2, 2) if why else (0, 0))
    assert (f": report.webhook: would never be called: {why} (write one" in checked.stderr) == bool(why)


def test_a_plan_names_the_characters_that_cost_more(run: Run, campaign_file: Path) -> None:
    campaign_file.write_text(campaign_file.read_text().replace("message: Hi", "message: It’s time,"))

    plan = json.loads(run("plan", str(campaign_file), "--json").stdout)
    result = run("plan", str(campaign_file))

    assert plan["forced_by"] == [
        {"character": "’", "code": "U+2019", "name": "RIGHT SINGLE QUOTATION MARK", "texts": 2}
    ]
    assert "U+2019 RIGHT SINGLE QUOTATION MARK in 2 texts" in result.stdout


def test_a_plan_says_that_a_text_dearer_than_a_request_goes_alone(run: Run, campaign_file: Path) -> None:
    campaign_file.write_text(campaign_file.read_text().replace("message: Hi", f"message: {'long ' * 70} Hi"))

    told = run("plan", str(campaign_file)).stdout

    assert "(each at most 100 texts and 1 segment, or one text that takes more)" in told


def test_a_plan_for_people_shows_no_full_number(run: Run, campaign_file: Path) -> None:
    result = run("plan", str(campaign_file))

    assert result.exit_code == 0
    assert "3331000001" not in result.stdout
    assert "to +39…01\n  Hi Anna\n" in result.stdout
    assert "duplicate: same number as row 2 of people.csv" in result.stdout


SPLIT = "; the gateway splits the texts, and all phones together keep the limits of one"


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ("use: [1]", "phone 1"),
        ('use: [1, "2|0"]', "phone 1, phone 2 (SIM slot 0), in turns"),
        ("use: [1, 2]\n  stick: recipient", "phone 1, phone 2; everybody always by the same one"),
        ("mode: all_devices", f"every phone, with its default SIM{SPLIT}"),
        ("mode: all_sims", f"every SIM of every phone{SPLIT}"),
        ("use: [1, 2]\n  random: true", f"one of phone 1, phone 2, by chance for each request{SPLIT}"),
    ],
)
def test_a_plan_says_which_phones_send(run: Run, campaign_file: Path, devices: str, words: str) -> None:
    campaign_file.write_text(f"{campaign_file.read_text()}devices:\n  {devices}\n")

    assert json.loads(run("plan", str(campaign_file), "--json").stdout)["devices"] == words


def test_a_plan_says_how_many_people_each_phone_takes_and_when_one_may_text_nobody_new(
    run: Run, campaign_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_file.write_text(f"{campaign_file.read_text()}devices:\n  use: [7]\n")
    monkeypatch.setenv("CAMPAIGNS_DEVICE_PEOPLE_MONTHLY", "1")
    monkeypatch.setenv("CAMPAIGNS_TIMEZONE", "Europe/Rome")

    seen = json.loads(run("plan", str(campaign_file), "--json").stdout)

    (phone,) = seen["phones"]
    assert phone == {
        "device": "7", "texts": 2, "people": 1, "people_before": 0, "people_monthly": 1,
        "exhausted_at": seen["first_send_at"],
    }  # fmt: skip
    assert seen["limited_by"] == "1 people a month"
    assert (datetime.fromisoformat(seen["last_send_at"]) + timedelta(hours=12)).day == 1
    words = run("plan", str(campaign_file)).stdout
    assert "phone 7: 2 texts, 1 new person (0 of 1 this month so far); nobody new from" in words


def test_a_contact_list_is_refused_with_a_budget_of_people(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "list.yaml"
    file.write_text("campaign: list\nmessage: Hi\naudience:\n  - contact_list: 1\n")
    monkeypatch.setenv("CAMPAIGNS_DEVICE_PEOPLE_MONTHLY", "250")

    assert "CAMPAIGNS_DEVICE_PEOPLE_MONTHLY limits how many people" in run("plan", str(file)).stderr


def test_devices_that_take_turns_add_up(run: Run, campaign_file: Path) -> None:
    campaign_file.write_text(f"{campaign_file.read_text()}devices:\n  use: [1, 2]\n")

    assert json.loads(run("plan", str(campaign_file), "--json").stdout)["rates"] == ["60/minute"]


def test_a_contact_list_is_one_request_to_nobody_knows_whom(run: Run, folder: Path) -> None:
    file = folder / "list.yaml"
    file.write_text("campaign: list\nmessage: Hi\naudience:\n  - contact_list: 1\n")

    plan = json.loads(run("plan", str(file), "--json").stdout)

    assert (plan["requests"], plan["recipients"]) == (1, {"audience": 0})
    assert "only the gateway knows how many" in run("plan", str(file)).stdout


def test_an_empty_audience_is_refused(run: Run, campaign_file: Path) -> None:
    campaign_file.with_name("people.csv").write_text("phone,first_name\n")

    result = run("plan", str(campaign_file))

    assert result.exit_code == 2
    assert "has no recipients" in result.stderr


def test_the_schema_is_printed_or_written(run: Run, folder: Path) -> None:
    printed = run("schema")
    written = run("schema", "--output", "campaign.schema.json")

    assert json.loads(printed.stdout)["title"] == "SMS campaign"
    assert (folder / "campaign.schema.json").read_text() == printed.stdout
    assert written.stdout == ""
