"""What a campaign costs with its steps: planned, and spent."""

import pytest

from scheduler.actions.plans.facts import preview_json
from scheduler.actions.plans.preview import plan
from scheduler.cli.rendering.plan import print_preview
from tests.protocol.steps.test_protocol_steps import ANNA, BEN
from tests.protocol.world.money_bench import Make


def test_a_plan_says_what_it_costs_with_its_steps(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    bench = make()
    (bench.folder / "sale.csv").write_text(f"number\n{ANNA}\n{BEN}\n")
    path = bench.folder / "sale.yaml"
    path.write_text(
        "campaign: sale\nmessage: Ciao\naudience: {file: sale.csv}\nthroughput: {budget: {total: 0.15 EUR}}\nsteps:\n"
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
    assert warning.startswith(
        "with the steps that everybody gets it costs 0.20 EUR, but throughput.budget.total is 0.15"
    )
    print_preview(seen)
    printed = capsys.readouterr().out
    assert "segments: 2 (2 texts GSM-7); 4 to 6 with its steps" in printed
    assert "0.10 EUR; 0.20 to 0.30 EUR with its steps" in printed
    # What the run was planned with says it, too.
    run_id = bench.drop(path.read_text()).run_id
    assert warning in bench.run(run_id).plan_summary["warnings"]
