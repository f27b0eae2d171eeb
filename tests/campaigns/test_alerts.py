"""Which figures raise which alert, how long it must hold, and when it is cleared."""

from datetime import timedelta

import pytest

from campaigns.alerts.conditions import CONDITIONS, GONE_SECONDS, MOST_SUBJECTS, Key, Watch, found
from campaigns.alerts.figures import FAST, SLOW, AlertName, BurnRate, Figures, Share, Supply
from campaigns.alerts.money import MoneySpent
from campaigns.money.amounts import MoneyAmount

N = AlertName
HOUR = 3600.0


def figures(**some: object) -> Figures:
    return Figures(300.0, **some)  # type: ignore[arg-type]  # one table for all figures


def supply(left: int, wanted: int, spent: int = 300, hours: float = 8) -> Supply:
    return Supply("account", left, wanted, spent, HOUR / 2, hours * HOUR)


def spent(percent: int) -> MoneySpent:
    return MoneySpent(percent * 400_000, MoneyAmount(40_000_000, "EUR"), "throughput.budget.total", "big")


def late(long: Share, short: Share, rate: BurnRate = FAST) -> Figures:
    spans = {FAST.long: Share(), FAST.short: Share(), SLOW.long: Share(), SLOW.short: Share()}
    return figures(late=spans | {rate.long: long, rate.short: short})


@pytest.mark.parametrize(
    ("name", "given", "subjects"),
    [
        (N.BOOKS, figures(), []),
        (N.BOOKS, figures(wrong_books={"spring": 3}), ["spring"]),
        (N.LATE_ARRIVAL, figures(), []),
        (N.LATE_ARRIVAL, figures(late_arrivals=1), [""]),
        (N.ACCOUNT_PAUSED, figures(), []),
        (N.ACCOUNT_PAUSED, figures(paused_because="no credits"), [""]),
        (N.NO_TICK, figures(ticks={"follow": 300.0}), []),
        (N.NO_TICK, figures(ticks={"follow": 301.0, "drain": 1.0}), ["follow"]),
        (N.NO_LEASE_HOLDER, figures(), []),
        (N.NO_LEASE_HOLDER, figures(nobody_leads=True), [""]),
        (N.DATABASE_AWAY, figures(troubles={N.REDIS_AWAY: "gone"}), []),
        (N.DATABASE_AWAY, figures(troubles={N.DATABASE_AWAY: "gone"}), [""]),
        (N.REDIS_AWAY, figures(troubles={N.REDIS_AWAY: "gone"}), [""]),
        (N.IN_DOUBT, figures(in_doubt_seconds=600.0), []),
        (N.IN_DOUBT, figures(in_doubt_seconds=601.0), [""]),
        (N.HELD, figures(held_seconds=HOUR), []),
        (N.HELD, figures(held_seconds=HOUR + 1), [""]),
        (N.PHONE_STUCK, figures(stuck={"7": 40}), ["7"]),
        (N.PHONE_FAILS, figures(phones={"7": (Share(20, 9), Share(1000, 0))}), []),  # too few
        (N.PHONE_FAILS, figures(phones={"7": (Share(400, 20), Share(1000, 0))}), []),  # 5 % happens
        (N.PHONE_FAILS, figures(phones={"7": (Share(100, 10), Share(1000, 40))}), []),  # it was bad before
        (N.PHONE_FAILS, figures(phones={"7": (Share(100, 10), Share(1000, 33))}), ["7"]),
        (N.PHONE_FAILS, figures(phones={"7": (Share(100, 10), Share())}), ["7"]),  # a new phone
        (N.PEOPLE_LOW, figures(people={"7": Share(250, 199)}), []),
        (N.PEOPLE_LOW, figures(people={"7": Share(250, 200), "8": Share(250, 250)}), ["7"]),
        (N.PEOPLE_USED_UP, figures(people={"7": Share(250, 249), "8": Share(250, 250)}), ["8"]),
        (N.OPT_OUTS, figures(opt_outs={"spring": Share(1000, 19)}), []),
        (N.OPT_OUTS, figures(opt_outs={"spring": Share(1000, 20)}, opt_outs_before=Share(5000, 50)), []),
        (N.OPT_OUTS, figures(opt_outs={"spring": Share(1000, 31)}, opt_outs_before=Share(5000, 50)), ["spring"]),
        (N.OPT_OUTS, figures(opt_outs={"spring": Share(3000, 30)}), []),  # one in a hundred happens
        (N.BUDGET, figures(budgets=[supply(left=1000, wanted=1000)]), []),
        (N.BUDGET, figures(budgets=[supply(left=1000, wanted=5000)]), ["account"]),
        (N.BUDGET, figures(budgets=[supply(left=1000, wanted=5000, hours=1)]), []),  # 600 until the window ends
        (N.BUDGET, figures(budgets=[supply(left=1000, wanted=5000, spent=0)]), []),  # nothing is being spent
        (N.BUDGET, figures(budgets=[supply(left=0, wanted=1, spent=0)]), ["account"]),
        (N.CREDITS, figures(), []),
        (N.CREDITS, figures(credits=supply(left=100, wanted=101, spent=20)), [""]),
        (N.CREDITS, figures(credits=supply(left=100, wanted=101, spent=19)), []),
        (N.MONEY_LOW, figures(money={"day": spent(79)}), []),
        (N.MONEY_LOW, figures(money={"day": spent(80), "month": spent(99)}), ["day"]),
        (N.MONEY_SPENT, figures(money={"day": spent(98)}), []),
        (N.MONEY_SPENT, figures(money={"day": spent(80), "month": spent(100)}), ["month"]),
        (N.PRICES, figures(), []),
        (N.PRICES, figures(prices_problem="prices.csv:2: price: is empty"), [""]),
        (N.CALLS_OUT, figures(calls_out={"example.com": 2}), ["example.com"]),
        (N.LATE_FAST, late(Share(100, 9), Share(10, 9)), []),  # too few
        (N.LATE_FAST, late(Share(1000, 72), Share(10, 9)), []),  # 7.2 % is 14.4 times 0.5 %
        (N.LATE_FAST, late(Share(1000, 73), Share(10, 0)), []),  # it is over
        (N.LATE_FAST, late(Share(1000, 73), Share(10, 1)), [""]),
        (N.LATE_SLOWLY, late(Share(1000, 30), Share(10, 1), SLOW), []),
        (N.LATE_SLOWLY, late(Share(1000, 31), Share(10, 1), SLOW), [""]),
    ],
)
def test_a_condition(name: AlertName, given: Figures, subjects: list[str]) -> None:
    holds = found(given)

    assert [subject for key, subject in holds if key is name] == subjects
    for (_, subject), detail in holds.items():
        says = CONDITIONS[name].sentence(subject, detail) if subjects else ""
        assert "?" not in says


def test_every_name_is_in_the_table_once() -> None:
    assert list(CONDITIONS) == list(AlertName)


def test_what_could_not_be_looked_at_changes_nothing() -> None:
    key: Key = (N.BOOKS, "spring")
    watch = Watch()

    assert found(figures(wrong_books={"spring": 1}), unknown=[N.BOOKS]) == {}
    assert watch.look({}, [key], 0.0, unknown=[N.BOOKS]) == ([], [])
    assert watch.look({}, [key], 10_000.0, unknown=[N.BOOKS]) == ([], [])


@pytest.mark.parametrize("name", list(AlertName))
def test_an_alert_is_raised_once_it_has_held_and_cleared_once_it_is_over(name: AlertName) -> None:
    key, watch = (name, ""), Watch()
    holds = CONDITIONS[name].holds.total_seconds()

    assert watch.look({key: {}}, [], 100.0) == ([] if holds else [key], [])
    assert watch.look({key: {}}, [], 100.0 + holds) == ([key], [])
    assert watch.look({key: {}}, [key], 200.0 + holds) == ([], [])
    assert watch.look({}, [key], 300.0 + holds) == ([], [])
    assert watch.look({key: {}}, [key], 301.0 + holds) == ([], [])  # it came back: that is one alert
    assert watch.look({}, [key], 302.0 + holds) == ([], [])
    assert watch.look({}, [key], 302.0 + holds + GONE_SECONDS) == ([], [key])


def test_what_was_warned_of_replaces_its_warning() -> None:
    low, used_up, watch = (N.PEOPLE_LOW, "2|0"), (N.PEOPLE_USED_UP, "2|0"), Watch()

    assert watch.look({low: {}}, [], 0.0) == ([low], [])
    assert watch.look({used_up: {}}, [low], 10.0) == ([used_up], [low])


def test_a_budget_of_money_has_one_alert_at_a_time() -> None:
    watch, (low,) = Watch(), found(figures(money={"big": spent(80)}))
    gone = found(figures(money={"big": spent(99)}))

    assert watch.look(gone, [low], 100.0) == ([(N.MONEY_SPENT, "big")], [low])
    assert [CONDITIONS[N.MONEY_SPENT].sentence("", detail) for detail in gone.values()] == [
        "big has spent throughput.budget.total, 39.60 of 40.00 EUR: what is left may be less than a text costs"
    ]


def test_a_condition_that_does_not_last_raises_nothing() -> None:
    key, watch = (N.REDIS_AWAY, ""), Watch()

    for at in range(0, 600, 50):
        assert watch.look({key: {}} if at % 100 else {}, [], float(at)) == ([], [])


def test_a_thousand_phones_are_a_few_alerts() -> None:
    watch = Watch()
    stuck = found(figures(stuck={str(phone): 1 for phone in range(1000)}))

    new, _ = watch.look(stuck, [], 0.0)
    assert len(new) == MOST_SUBJECTS
    assert watch.look(stuck, new, 10.0) == ([], [])
    for key in new[:5]:
        del stuck[key]
    assert watch.look(stuck, new, 20.0) == ([], [])
    more, over = watch.look(stuck, new, 20.0 + GONE_SECONDS)
    assert (more, over) == ([], new[:5])
    assert len(watch.look(stuck, new[5:], 90.0)[0]) == 5


def test_a_subject_fits_its_column() -> None:
    [(_, subject)] = found(figures(calls_out={"x" * 300: 1}))

    assert len(f"rehearsal {subject}") == 100


def test_the_times_of_an_objective_are_those_of_a_month() -> None:
    month = timedelta(days=30)

    assert FAST.times * FAST.long / month == pytest.approx(0.02)
    assert SLOW.times * SLOW.long / month == pytest.approx(0.05)
