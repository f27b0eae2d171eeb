"""Keys that cannot apply to a contact list, or to a start that the gateway waits for, are refused with the reason."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]

LIST = "message: Hello\naudience: {contact_list: 12}\n"
TABLE = "message: Hello\naudience: {file: people.csv, number: phone}\n"
GATEWAY = "schedule: {start: 2090-01-01 09:00, by: gateway%s}\n"
KEEPS = "the gateway does not reveal its numbers and sends to all"
LISTS = [
    (
        "exclude: {file: people.csv, number: phone}",
        "4:10",
        "exclude",
        f"a contact list: {KEEPS} of them",
    ),
    ("holdout: 5", "4:10", "holdout", f"a contact list: {KEEPS} of them"),
    (
        "frequency_cap: {messages: 1, per: 7d}",
        "4:16",
        "frequency_cap",
        f"a contact list: {KEEPS} of them",
    ),
    ("schedule: {local_time: recipient, start: 2090-01-01 09:00}", "4:24", "schedule.local_time", KEEPS),
    ("schedule: {spread: 3h}", "4:20", "schedule.spread", "the gateway sends to all of it with one request"),
    ("schedule: {remind: {column: day, before: 1d}}", "4:20", "schedule.remind", "a contact list has no columns"),
]
HANDED_OVER = [
    ("schedule: {by: gateway}", "4:16", "schedule.by", "needs a start"),
    ("schedule: {by: gateway, start: now}", "4:16", "schedule.by", "needs a start"),
    (GATEWAY % ", window: {from: '09:00', to: '20:00'}", "4:58", "schedule.window", "no sending hours"),
    (GATEWAY % ", spread: 3h", "4:58", "schedule.spread", "one moment for everybody"),
    (GATEWAY % ", local_time: recipient", "4:62", "schedule.local_time", "one moment for everybody"),
    (GATEWAY % ", repeat: {cron: '@daily'}", "4:58", "schedule.repeat", "nothing is handed over in advance"),
    (GATEWAY % ", remind: {column: first_name, before: 1d}", "4:58", "schedule.remind", "cannot follow an appointment"),
    (GATEWAY % "" + "frequency_cap: {messages: 1, per: 7d}", "5:16", "frequency_cap", "not when it is sent"),
]


@pytest.mark.parametrize(
    ("audience", "more", "place", "path", "why"),
    [*((LIST, *case) for case in LISTS), *((TABLE, *case) for case in HANDED_OVER)],
    ids=[*(f"list, {path}" for _, _, path, _ in LISTS), *(f"gateway, {more[:60]}" for more, *_ in HANDED_OVER)],
)
def test_a_key_that_cannot_apply_is_refused_with_its_reason(
    run: Run, campaign_file: Path, audience: str, more: str, place: str, path: str, why: str
) -> None:
    campaign_file.write_text(f"campaign: sale\n{audience}{more}\n")

    result = run("check", campaign_file.name)

    (line,) = [line for line in result.stderr.splitlines() if f" {path}: " in line]
    assert result.exit_code == 2
    assert line.startswith(f"{campaign_file.name}:{place}: {path}: ")
    assert why in line
    assert line.endswith(")")  # what to do instead


def test_a_list_cannot_have_variants(run: Run, campaign_file: Path) -> None:
    variants = "variants: [{name: a, share: 50, message: x}, {name: b, share: 50, message: y}]"
    campaign_file.write_text(f"campaign: sale\naudience: {{contact_list: 12}}\n{variants}\n")

    assert (
        "3:11: variants: cannot be used with a contact list: the gateway sends one text"
        in run("check", campaign_file.name).stderr
    )


@pytest.mark.parametrize(
    "schedule",
    [
        "start: 2090-01-01 09:00",
        "repeat: {cron: '@daily'}",
        "window: {from: '09:00', to: '20:00'}",
        "start: 2090-01-01 09:00, by: gateway",
        "start: 2090-01-01 09:00, if_late: {within: 2h}",
    ],
)
def test_what_can_apply_to_a_contact_list_does(run: Run, campaign_file: Path, schedule: str) -> None:
    campaign_file.write_text(f"campaign: sale\n{LIST}schedule: {{{schedule}}}\n")

    assert run("check", campaign_file.name).exit_code == 0


def test_a_plan_says_what_it_means_that_the_gateway_keeps_the_time(run: Run, campaign_file: Path) -> None:
    campaign_file.write_text(f"campaign: sale\n{TABLE}{GATEWAY % ''}")

    shown = run("plan", campaign_file.name).stdout

    assert "by the gateway's clock, as fast as its phones can" in shown
    assert "what the gateway has is sent: no pause, cancel, edit or STOP takes it back" in shown


def test_a_start_that_has_passed_cannot_be_handed_over(run: Run, campaign_file: Path) -> None:
    campaign_file.write_text(f"campaign: sale\n{TABLE}schedule: {{start: 2020-01-01 09:00, by: gateway}}\n")

    assert "the start has passed" in run("plan", campaign_file.name).stderr


PRICES = "prefix,price,currency\n39,0.05,EUR\n"
BUDGETS = [
    (
        "throughput: {budget: {daily: 0.04 EUR}}",
        {},
        "4:30: throughput.budget.daily: ",
        "the dearest text costs 0.05 EUR",
    ),
    (
        "throughput:\n  budget: {total: 9 USD}",
        {},
        "5:19: throughput.budget.total: ",
        "is in USD, but the prices (CAMPAIGNS_PRICES)",
    ),
    ("", {"BUDGET_DAILY": "0.04 EUR"}, "1:1: ", "but CAMPAIGNS_BUDGET_DAILY is 0.04 EUR a day"),
    (
        "throughput: {daily: 1}\nsteps: []\nencoding: as_is",
        {},
        "4:21: throughput.daily: ",
        "costs 2 segments, but at most 1",
    ),
    (
        f"throughput: {{budget: {{daily: 0.06 EUR}}}}\nsteps: [{{name: two, after: 1d, message: {'я' * 80}}}]",
        {},
        "4:30: throughput.budget.daily: ",
        "the dearest text of step two costs 0.10 EUR",
    ),
    (
        f"throughput: {{daily: 1}}\nsteps: [{{name: two, after: 1d, message: {'я' * 80}}}]",
        {},
        "4:21: throughput.daily: ",
        "the longest text of step two costs 2 segments, but at most 1",
    ),
]


@pytest.mark.parametrize(("more", "settings", "place", "why"), BUDGETS, ids=[why for *_, why in BUDGETS])
def test_what_a_plan_is_refused_for_is_an_error_of_the_check_at_the_same_key(
    run: Run,
    campaign_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: str,
    settings: dict[str, str],
    place: str,
    why: str,
) -> None:
    text = "x" * 161 if why.startswith("costs 2 segments") else "Hello"
    campaign_file.write_text(f"campaign: sale\n{TABLE.replace('Hello', text)}{more}\n")
    campaign_file.with_name("prices.csv").write_text(PRICES)
    for name, value in {"PRICES": "prices.csv", **settings}.items():
        monkeypatch.setenv(f"CAMPAIGNS_{name}", value)

    checked, planned = run("check", campaign_file.name), run("plan", campaign_file.name)

    assert checked.stderr.startswith(f"{campaign_file.name}:{place}")
    assert why in checked.stderr
    assert planned.stderr == checked.stderr
    assert (planned.exit_code, checked.exit_code) == (2, 2)


@pytest.mark.parametrize(("is_there", "exit_code"), [(False, 0), (True, 2)], ids=["no database", "a database"])
def test_a_campaign_that_the_database_does_not_know_is_an_error_of_the_check(
    run: Run, campaign_file: Path, is_there: bool, exit_code: int
) -> None:
    if is_there:
        assert run("migrate").exit_code == 0
    campaign_file.write_text("campaign: sale\nmessage: Hello\naudience: {campaign: spring}\n")

    checked = run("check", campaign_file.name)

    said = "3:22: audience.campaign: there is no campaign spring (list them with: campaigns status)\n"
    assert checked.stderr == (f"{campaign_file.name}:{said}" if is_there else "")
    assert checked.exit_code == exit_code


def test_a_price_file_that_cannot_be_read_and_a_budget_mean_that_nothing_is_sent(
    run: Run, campaign_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_file.write_text(f"campaign: sale\n{TABLE}throughput: {{budget: {{total: 9 EUR}}}}\n")
    campaign_file.with_name("prices.csv").write_text("prefix,price,currency\n39,dear,EUR\n")
    monkeypatch.setenv("CAMPAIGNS_PRICES", "prices.csv")

    broken, nothing = run("check", campaign_file.name).stdout.splitlines()[-2:]

    assert "prices.csv:2:1: price: must be a price" in broken
    assert nothing.startswith(f"warning: {campaign_file.name}:4:30: throughput.budget.total: nothing is sent, because ")
