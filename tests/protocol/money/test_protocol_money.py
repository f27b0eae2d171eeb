"""Prices and budgets of money on the bench: what is charged, who waits until when, and what ends that."""

from datetime import timedelta
from decimal import Decimal

import pytest

from campaigns.codes import PausedBy, WaitsFor
from campaigns.lifecycle import RecipientState, RunState
from campaigns.money.amounts import MoneyAmount
from campaigns.problems import CampaignFileError
from scheduler.actions.reading.runs import read_runs
from scheduler.report.summary import progress_json, spent_words
from tests.protocol.world.harness import SETTLED, exactly_once
from tests.protocol.world.money_bench import PRICES, Make, cost, now, waiting
from tests.protocol.world.scripted_gateway import LOST, Answers, Send, Stores
from tests.support.clocks import START

P = RecipientState
DAY = timedelta(days=1)
BEGIN = START + timedelta(minutes=1)


def test_a_campaign_costs_what_its_plan_says(make: Make) -> None:
    bench = make(PRICES + "49,0.1,EUR\n")
    (bench.folder / "sale.csv").write_text("number\n+393331234567\n+491701234567\n+12025550100\n")
    run_id = bench.drop("campaign: sale\nmessage: Hi\naudience: {file: sale.csv}\n").run_id
    planned = bench.run(run_id).plan_summary["cost"]
    assert (planned["least"], planned["most"], planned["currency"], planned["unpriced"]) == ("0.15", "0.15", "EUR", 1)
    assert [(each["prefix"], each["cost"]) for each in planned["prefixes"]] == [("+49", "0.10"), ("+39", "0.05")]

    bench.finish(run_id)

    [seen] = read_runs(bench.store, "sale", now=bench.clock.now())
    assert progress_json(seen)["cost"] == {"amount": "0.15", "currency": "EUR", "segments_without_price": 1}


def test_without_prices_nobody_speaks_of_money(make: Make) -> None:
    bench = make(None)
    run_id = bench.campaign(3)
    bench.finish(run_id)

    [seen] = read_runs(bench.store, "sale", now=bench.clock.now())
    assert "cost" not in progress_json(seen)
    assert "cost" not in bench.run(run_id).plan_summary


def test_a_budget_of_a_day_is_used_to_the_last_text_and_the_rest_waits(make_on_both: Make) -> None:
    # given 10 texts of 0.05 in requests of 4, and 0.34 a day: six texts
    bench = make_on_both()
    run_id = bench.campaign(10, per_request=4, more="  budget: {daily: 0.34 EUR}\n")
    forecast = bench.run(run_id).plan_summary["forecast"]["days"]

    bench.until(lambda: WaitsFor.BUDGET in waiting(bench, run_id))

    assert cost(bench, run_id) == Decimal("0.30")
    assert "throughput.budget.daily (0.34 EUR a day) is spent" in now(bench, run_id)
    bench.finish_from_due_to_due(run_id)
    assert exactly_once(bench, run_id)
    assert cost(bench, run_id) == Decimal("0.50")
    days = [attempt.started_at.date().isoformat() for attempt in bench.attempts(run_id)]
    assert days == ["2026-12-01"] * 2 + ["2026-12-02"] * 2 or days == ["2026-12-01"] * 2 + ["2026-12-02"]
    assert [(day["date"], day["texts"], day["cost"]) for day in forecast] == [
        ("2026-12-01", 6, "0.30"),
        ("2026-12-02", 4, "0.20"),
    ]


def test_one_request_that_costs_more_than_a_day_may_is_planned_for_two_days(make: Make) -> None:
    bench = make()
    run_id = bench.campaign(18, more="  budget: {daily: 0.50 EUR}\n")
    forecast = bench.run(run_id).plan_summary["forecast"]

    assert [(day["texts"], day["cost"]) for day in forecast["days"]] == [(10, "0.50"), (8, "0.40")]
    assert forecast["limited_by"] == "0.50 EUR a day"


def test_all_campaigns_share_the_budgets_of_the_account(make: Make) -> None:
    bench = make(budget_daily=MoneyAmount(250_000, "EUR"), budget_monthly=MoneyAmount(550_000, "EUR"))
    ids = [bench.campaign(4, name=name, first=first) for name, first in (("one", 0), ("two", 100), ("three", 200))]

    spent = []
    for day in range(4):
        bench.live_until(BEGIN + day * DAY)
        spent.append(cost(bench, *ids))

    assert spent == [Decimal("0.25"), Decimal("0.50"), Decimal("0.55"), Decimal("0.55")]
    assert "CAMPAIGNS_BUDGET_MONTHLY (0.55 EUR a month) is spent" in now(bench, ids[2])
    bench.live_until(BEGIN + 31 * DAY)
    assert exactly_once(bench, *ids)


def test_all_that_a_campaign_may_cost_pauses_it_until_it_may_cost_more(make: Make) -> None:
    bench = make()
    run_id = bench.campaign(6, per_request=4, more="  budget: {total: 0.25 EUR}\n")
    assert any("it costs 0.30 EUR" in warning for warning in bench.run(run_id).plan_summary["warnings"])

    bench.until(lambda: bench.run(run_id).state is RunState.PAUSED)

    run = bench.run(run_id)
    assert run.paused_by is PausedBy.BUDGET
    assert "throughput.budget.total (0.25 EUR in all) is spent: raise it" in run.reason
    assert cost(bench, run_id) == Decimal("0.25")
    [seen] = read_runs(bench.store, "sale", now=bench.clock.now())
    assert spent_words(seen) == "0.25 of a budget of 0.25 EUR (0.30 planned)"
    bench.resume(run_id)
    bench.pass_time(timedelta(minutes=1))
    assert bench.run(run_id).state is RunState.PAUSED
    # when it may cost more
    bench.campaign(6, per_request=4, more="  budget: {total: 0.30 EUR}\n")
    bench.resume(run_id)
    bench.finish(run_id)
    assert exactly_once(bench, run_id)
    assert cost(bench, run_id) == Decimal("0.30")


def test_whoever_has_no_price_gets_nothing_where_a_budget_is_set(make: Make) -> None:
    bench = make()
    (bench.folder / "sale.csv").write_text("number\n+393331234567\n+491701234567\n")
    run_id = bench.drop(
        "campaign: sale\nmessage: Hi\naudience: {file: sale.csv}\nthroughput: {budget: {total: 1 EUR}}\n"
    ).run_id

    bench.finish(run_id)

    assert bench.states(run_id) == {P.DELIVERED: 1, P.INVALID: 1}
    [refused] = [row for row in bench.recipients(run_id) if row.state is P.INVALID]
    assert "no price" in refused.reason


def test_a_price_that_is_lost_after_planning_is_waited_for(make: Make) -> None:
    bench = make()
    run_id = bench.campaign(4, more="  budget: {total: 1 EUR}\n")
    (bench.folder / "prices.csv").write_text("prefix,price,currency\n+49,0.1,EUR\n")
    bench.clock.advance(2)

    bench.tick()
    assert waiting(bench, run_id) == {WaitsFor.PRICE}
    assert "there is no price for +3933…: add its prefix to the file in CAMPAIGNS_PRICES" in now(bench, run_id)

    (bench.folder / "prices.csv").write_text(PRICES + "\n")
    bench.finish(run_id)
    assert cost(bench, run_id) == Decimal("0.20")


def test_who_has_no_price_is_told_so_although_the_budget_of_the_day_is_spent_too(make: Make) -> None:
    bench = make(PRICES + "49,0.05,EUR\n")
    (bench.folder / "sale.csv").write_text("number\n+491701234567\n+393331234567\n+393331234568\n")
    run_id = bench.drop(
        "campaign: sale\nmessage: Hi\naudience: {file: sale.csv}\n"
        "throughput: {batch_size: 1, budget: {daily: 0.05 EUR}}\n"
    ).run_id
    (bench.folder / "prices.csv").write_text(PRICES)
    bench.clock.advance(2)

    bench.pass_time(timedelta(seconds=30))

    assert waiting(bench, run_id) == {WaitsFor.PRICE, WaitsFor.BUDGET}
    assert "there is no price for +4917…" in now(bench, run_id)


def test_a_budget_without_usable_prices_sends_nothing(make: Make) -> None:
    bench = make("prefix,price,currency\n39,0,05,EUR\n", budget_daily=MoneyAmount(10**9, "EUR"))
    run_id = bench.campaign(4)

    bench.pass_time(timedelta(minutes=2))
    assert bench.states(run_id) == {P.PENDING: 4}
    assert waiting(bench, run_id) == {WaitsFor.PRICE}
    assert "prices.csv:2: has 4 cells" in now(bench, run_id)

    (bench.folder / "prices.csv").write_text(PRICES)
    bench.finish(run_id)
    assert cost(bench, run_id) == Decimal("0.20")


def test_the_last_good_prices_stay_in_force(make: Make) -> None:
    bench = make(budget_daily=MoneyAmount(10**9, "EUR"))
    (bench.folder / "prices.csv").write_text("prefix,price\n")
    bench.clock.advance(2)
    run_id = bench.campaign(4)
    bench.finish(run_id)

    assert "has no column currency" in bench.runtime.prices.problem()
    assert cost(bench, run_id) == Decimal("0.20")


def test_one_currency_counts(make: Make) -> None:
    bench = make()
    bench.finish(bench.campaign(1, name="first"))
    (bench.folder / "prices.csv").write_text("prefix,price,currency\n39,0.05,USD\n")
    bench.clock.advance(2)

    with pytest.raises(CampaignFileError, match="is in EUR, but the prices"):
        bench.campaign(2, more="  budget: {total: 1 EUR}\n")
    unlimited = bench.campaign(2, name="second", first=50)
    bench.finish(unlimited)
    assert cost(bench, unlimited) == 0
    limited = bench.campaign(2, name="third", first=70, more="  budget: {total: 1 USD}\n")
    bench.pass_time(timedelta(minutes=1))
    assert bench.states(limited) == {P.PENDING: 2}
    assert "one currency" in now(bench, limited)


def test_a_text_that_costs_more_than_a_budget_is_refused_in_the_plan(make: Make) -> None:
    bench = make()
    with pytest.raises(CampaignFileError, match=r"the dearest text costs 0\.05 EUR, but throughput\.budget\.daily"):
        bench.campaign(2, more="  budget: {daily: 0.04 EUR}\n")


def test_what_never_left_costs_nothing_and_leaves_its_budget(make: Make) -> None:
    bench = make()
    bench.finish(bench.campaign(1, name="before", first=900))
    bench.gateway.script.extend([Send(Answers.NO_CONNECTION, Stores.NONE)] * 3)
    run_id = bench.campaign(2, per_request=1, more="  budget: {daily: 0.10 EUR}\n")

    bench.until(lambda: bench.run(run_id).sent_at is not None)

    assert sorted(bench.outcomes(run_id)) == ["accepted", "accepted", "not_sent"]
    assert cost(bench, run_id) == Decimal("0.10")


def test_what_is_in_doubt_counts_until_it_is_proven_not_sent(make_on_both: Make) -> None:
    bench = make_on_both()
    before = bench.campaign(1, name="before", first=900)
    bench.finish(before)
    bench.gateway.script.append(LOST)
    run_id = bench.campaign(2, per_request=2, more="  budget: {daily: 0.10 EUR}\n")
    bench.send()
    assert cost(bench, run_id) == Decimal("0.10")

    bench.finish(run_id, within=10 * SETTLED)

    assert exactly_once(bench, before, run_id)
    assert len(bench.attempts(run_id)) == 2
    assert cost(bench, run_id) == Decimal("0.10")


def test_devices_have_prices_of_their_own(make: Make) -> None:
    bench = make("prefix,device,price,currency\n39,1,0.04,EUR\n39,2,0.06,EUR\n")
    run_id = bench.campaign(4, per_request=1, more="devices: {use: [1, 2]}\n")
    planned = bench.run(run_id).plan_summary["cost"]
    assert (planned["least"], planned["most"]) == ("0.16", "0.24")

    bench.finish(run_id)
    assert cost(bench, run_id) == Decimal("0.20")


def test_where_the_gateway_chooses_the_phone_the_dearest_counts(make: Make) -> None:
    bench = make("prefix,device,price,currency\n39,1,0.04,EUR\n39,2,0.06,EUR\n")
    run_id = bench.campaign(4, more="devices: {mode: all_devices}\n")
    assert any("the dearest is counted" in warning for warning in bench.run(run_id).plan_summary["warnings"])

    bench.finish(run_id)
    assert cost(bench, run_id) == Decimal("0.24")


def test_a_contact_list_is_charged_once_its_people_are_known(make: Make) -> None:
    bench = make()
    bench.gateway.lists[7] = ["+393331234567", "+393331234568", "+491701234567"]
    run_id = bench.drop("campaign: sale\nmessage: Hi\naudience: {contact_list: 7}\n").run_id
    bench.finish(run_id)

    assert cost(bench, run_id) == Decimal("0.10")
    bench = make(budget_daily=MoneyAmount(10**9, "EUR"))
    with pytest.raises(CampaignFileError, match="only the gateway knows how many people"):
        bench.drop("campaign: other\nmessage: Hi\naudience: {contact_list: 7}\n", "other")
