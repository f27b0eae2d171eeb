"""What a campaign costs with its steps: planned, and spent."""

from datetime import timedelta

import pytest

from campaigns.money.amounts import parse_amount
from scheduler.actions.plans.capacity import capacity
from scheduler.actions.plans.facts import capacity_json, preview_json
from scheduler.actions.plans.preview import plan
from scheduler.actions.reading.runs import read_runs
from scheduler.cli.commands.sending.run import print_outcome
from scheduler.cli.rendering.capacity import print_capacity
from scheduler.cli.rendering.plan import print_preview
from scheduler.exits import Exit
from scheduler.inbox.wording import RunStatus, status_text
from scheduler.processes.leader import leader_lock
from scheduler.processes.progress import counted, look
from scheduler.processes.run_to_end import Outcome, OwnRuns, stopped_by
from scheduler.processes.stopping import Stop
from scheduler.report.summary import spent_words, waits_for
from tests.protocol.steps.test_protocol_steps import ANNA, BEN
from tests.protocol.world.money_bench import PRICES, Make


@pytest.mark.parametrize(
    ("total", "warned"),
    [
        ("0.15", "with the steps that everybody gets it costs 0.20 EUR, but throughput.budget.total is 0.15"),
        ("0.25", "with all of its steps it costs up to 0.30 EUR, but throughput.budget.total is 0.25"),
    ],
)
def test_a_plan_says_what_it_costs_with_its_steps(
    make: Make, capsys: pytest.CaptureFixture[str], total: str, warned: str
) -> None:
    bench = make()
    (bench.folder / "sale.csv").write_text(f"number\n{ANNA}\n{BEN}\n")
    path = bench.folder / "sale.yaml"
    path.write_text(
        "campaign: sale\nmessage: Ciao\naudience: {file: sale.csv}\n"
        f"throughput: {{budget: {{total: {total} EUR}}}}\nfollow: {{until: 1h}}\nsteps:\n"
        "  - {name: one, after: 1d, message: One}\n  - {name: two, after: 1d, only_if: delivered, message: Two}\n"
    )
    seen = plan(path, bench.settings, rehearsal=False, now=bench.clock.now())
    shown = preview_json(seen)
    assert (shown["segments"], shown["cost"]["most"]) == (2, "0.10")
    assert shown["with_steps"] == {
        "segments": {"least": 4, "most": 6},
        "cost": {"currency": "EUR", "least": "0.20", "most": "0.30"},
    }
    [warning] = [each for each in shown["warnings"] if "EUR" in each]
    assert warning.startswith(warned)
    print_preview(seen)
    printed = capsys.readouterr().out
    assert "segments: 2 (2 texts GSM-7); 4 to 6 with its steps" in printed
    assert "0.10 EUR; 0.20 to 0.30 EUR with its steps" in printed
    # What the run was planned with says it, too.
    run_id = bench.drop(path.read_text()).run_id
    run = bench.run(run_id)
    assert any("step two asks whether the text before was delivered" in each for each in shown["warnings"])
    assert run.plan_summary["warnings"] == shown["warnings"]
    assert run.plan_summary["with_steps"] == shown["with_steps"]
    status = status_text("", RunStatus(run, {}, "", seen.definition.schedule, None), bench.clock.now())
    assert "Cost: 0.10 EUR at most, 0.30 with its steps" in status.splitlines()


def test_what_a_campaign_has_cost_is_told_with_its_steps(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    bench = make()
    run_id = bench.campaign(2, more="steps:\n  - {name: one, after: 1h, message: One}\n")
    bench.pass_time(30)
    [seen] = read_runs(bench.store, "sale", now=bench.clock.now())
    assert spent_words(seen) == "0.10 EUR of 0.10 planned"
    bench.pass_time(timedelta(hours=1, minutes=1), step=30)
    bench.gateway.set_all("Delivered")
    bench.until(lambda: bench.run(run_id).finished_at is not None)
    [seen] = read_runs(bench.store, "sale", now=bench.clock.now())
    assert spent_words(seen) == "0.10 EUR; 0.20 EUR with its steps"
    # An earlier process has sent the step: `run` that is taken up again tells the same.
    own = OwnRuns(bench.runtime, leader_lock(bench.store), Stop(), set())
    own.add(bench.run(run_id), is_planned=False)
    assert own.ids == {run_id, *(run.id for run, _ in seen.steps)}
    print_outcome(Outcome(Exit.DONE, counted(bench.runtime, look(bench.runtime, own.ids))), as_json=False)
    costs = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines() if line.startswith("cost ")]
    assert costs == ["0.10 EUR; 0.20 EUR with its steps", "0.10 EUR"]


def test_a_step_that_a_spent_budget_pauses_is_shown_with_its_campaign(make: Make) -> None:
    """The budget holds for the campaign's text and its steps together: of 0.15 EUR, one text of the step is paid."""
    bench = make()
    steps = "steps:\n  - {name: one, after: 1h, message: One}\n"
    run_id = bench.campaign(2, more="  budget: {total: 0.15 EUR}\n" + steps)
    bench.pass_time(30)
    [seen] = read_runs(bench.store, "sale", now=bench.clock.now())
    assert spent_words(seen) == "0.10 EUR of 0.10 planned; 0.10 of a budget of 0.15 EUR with its steps"
    bench.gateway.set_all("Delivered")
    bench.pass_time(timedelta(hours=1, minutes=1), step=30)
    bench.gateway.set_all("Delivered")
    bench.until(lambda: bench.run(run_id).followed_at is not None)

    [seen] = read_runs(bench.store, "sale", now=bench.clock.now())
    assert spent_words(seen) == "0.10 EUR of 0.10 planned; 0.15 of a budget of 0.15 EUR with its steps"
    because = "step one is paused: throughput.budget.total (0.15 EUR in all) is spent: raise it"
    [listed] = read_runs(bench.store, None, now=bench.clock.now())
    for each in (seen, listed):
        assert waits_for(each, bench.settings.zone).startswith(f"waits for its steps; {because}")
    runs = tuple((run, books.by_state) for run, books in seen.steps)
    schedule = bench.runtime.definitions.get(seen.run.definition_id).schedule
    status = status_text("", RunStatus(seen.run, {}, "", schedule, None, steps=runs), bench.clock.now())
    assert status.startswith(f"sale: everything is sent and followed but its steps; {because}")
    # `run` with more money, before it resumes, says how to go on
    said = stopped_by(look(bench.runtime, {run_id, *(run.id for run, _ in runs)}), "", bench.clock.now())
    assert said.endswith("; resume it with: campaigns resume sale")


PRICELESS = (
    "throughput.budget.total is set, but no prices are: nothing is sent; name a file of prices in CAMPAIGNS_PRICES"
)


@pytest.mark.parametrize(
    ("key", "prices", "unsent", "because"),
    [
        ("throughput.budget.daily", PRICES, 0, None),
        ("CAMPAIGNS_BUDGET_DAILY", PRICES, 0, None),
        ("throughput.budget.total", PRICES, 3, "throughput.budget.total is 0.15 EUR, and all 6 cost 0.30 EUR"),
        ("throughput.budget.total", None, 6, PRICELESS),
    ],
)
def test_capacity_counts_money(
    make: Make, capsys: pytest.CaptureFixture[str], key: str, prices: str | None, unsent: int, because: str | None
) -> None:
    """Of six texts at 0.05 EUR, a budget of 0.15 EUR lets three go today, or at all: more phones would not help."""
    of_file, _, name = key.rpartition(".")
    bench = make(prices) if of_file else make(prices, budget_daily=parse_amount("0.15 EUR"))
    (bench.folder / "sale.csv").write_text("number\n" + "".join(f"+39333000000{place}\n" for place in range(6)))
    path = bench.folder / "sale.yaml"
    budget = f"throughput: {{budget: {{{name}: 0.15 EUR}}}}\n" if of_file else ""
    path.write_text(f"campaign: sale\nmessage: Ciao\naudience: {{file: sale.csv}}\n{budget}devices: {{use: [1]}}\n")
    now = bench.clock.now()
    by = (now + timedelta(hours=1)).astimezone(bench.settings.zone)
    found = capacity(path, bench.settings, by=f"{by:%Y-%m-%d %H:%M}", rehearsal=False, now=now)
    assert not found.is_in_time
    needed = [(key, "0.15 EUR", "0.30 EUR")] if prices else []
    assert [(each.key, each.now, each.needed) for each in found.changes] == needed
    shown = capacity_json(found)
    assert (shown["unsent"], shown["unsent_because"]) == (unsent, because)
    assert (shown["last_send_at"] is None) == bool(unsent)
    assert "cost" not in shown if prices is None else shown["cost"]["most"] == "0.30"
    print_capacity(found)
    printed = capsys.readouterr().out
    assert ("\nunsent " in printed) == bool(unsent)
    assert ("nothing is sent before there are prices." in printed) == (prices is None)
