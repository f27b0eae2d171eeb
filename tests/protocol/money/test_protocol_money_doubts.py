"""Money that is kept for texts of which nobody knows yet whether the gateway has them."""

from decimal import Decimal

from campaigns.codes import WaitsFor
from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.harness import SETTLED
from tests.protocol.world.money_bench import Make, cost, waiting
from tests.protocol.world.scripted_gateway import LOST, Answers, Send

P = RecipientState


def test_whom_a_reply_leaves_out_stays_charged_because_they_may_have_the_text(make: Make) -> None:
    bench = make()
    bench.gateway.script.append(Send(Answers.HIDDEN))
    run_id = bench.campaign(4, per_request=2, more="  budget: {total: 0.15 EUR}\n")

    bench.until(lambda: bench.run(run_id).state is RunState.PAUSED)

    assert bench.states(run_id)[P.FAILED] == 1
    assert cost(bench, run_id) == Decimal("0.15")
    assert len({number for send in bench.gateway.sends for number in send}) == 3


def test_a_budget_that_texts_in_doubt_hold_is_waited_for_and_given_back(make_on_both: Make) -> None:
    bench = make_on_both()
    before = bench.campaign(1, name="before", first=900)
    bench.finish(before)
    bench.gateway.script.append(LOST)
    run_id = bench.campaign(4, per_request=2, more="  budget: {total: 0.15 EUR}\n")

    bench.send()
    bench.send()

    assert bench.run(run_id).state is RunState.RUNNING
    assert WaitsFor.BUDGET in waiting(bench, run_id)
    bench.until(lambda: bench.run(run_id).state is RunState.PAUSED, within=10 * SETTLED)
    assert cost(bench, run_id) == Decimal("0.15")
