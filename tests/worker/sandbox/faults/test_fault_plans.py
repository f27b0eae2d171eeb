"""What a plan means: which requests get faults, which ones, how often; and how it is written."""

from collections import Counter

import pytest

from worker.sandbox.errors import SandboxError
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.case import FaultTimes
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.faults.table import FAULTS, HTTP_FAULTS, TCP_FAULTS, faults_of

SEND, READ, BALANCE = RequestKind.SEND, RequestKind.READ, RequestKind.BALANCE
RULES = (FaultRule((SEND,), 0.2), FaultRule((READ, BALANCE), 0.05))


def drawn(plan: FaultPlan, kind: RequestKind, count: int, elapsed_seconds: float = 0.0) -> list[str | None]:
    return [plan.draw(kind, nth, elapsed_seconds)[0] for nth in range(1, count + 1)]


def test_nothing_faults_by_default() -> None:
    assert not any(drawn(FaultPlan(seed=7), kind, 1_000) != [None] * 1_000 for kind in RequestKind)


def test_the_same_seed_draws_the_same_faults_and_the_same_choices_within_them() -> None:
    # given
    first, again, other = FaultPlan(7, RULES), FaultPlan(7, RULES), FaultPlan(8, RULES)
    # when / then
    assert drawn(first, SEND, 500) == drawn(again, SEND, 500) != drawn(other, SEND, 500)
    assert first.draw(SEND, 3, 0.0)[1].random() == again.draw(SEND, 3, 0.0)[1].random()


def test_a_draw_depends_on_no_other_request() -> None:
    # given
    plan = FaultPlan(7, RULES)
    # when
    tenth = plan.draw(SEND, 10, 0.0)[0]
    drawn(plan, READ, 100)
    # then
    assert plan.draw(SEND, 10, 59.0)[0] == tenth == drawn(plan, SEND, 10)[-1]


def test_rates_and_weights_come_out_about_right() -> None:
    # given
    plan = FaultPlan(1, (FaultRule((SEND, READ), 0.2, {"html_before": 3.0, "empty_before": 1.0}),))
    # when
    counts = Counter(drawn(plan, SEND, 20_000))
    # then: 20 % of 20,000, three to one; the standard deviations are 57 and 27
    assert 3_700 < 20_000 - counts[None] < 4_300
    assert 0.70 < counts["html_before"] / (20_000 - counts[None]) < 0.80
    assert set(counts) == {None, "html_before", "empty_before"}


def test_without_names_every_http_fault_of_the_kind_is_drawn_alike() -> None:
    # when
    counts = Counter(drawn(FaultPlan(1, (FaultRule((READ,), 1.0),)), READ, 10_000))
    # then
    assert set(counts) == set(faults_of(READ))
    assert max(counts.values()) < 1.3 * min(counts.values())


def test_a_rule_takes_from_its_faults_what_can_befall_the_kind() -> None:
    # given
    plan = FaultPlan(1, (FaultRule((SEND, READ), 1.0, {"lies_empty": 1.0, "rows_hidden": 1.0}),))
    # when / then
    assert set(drawn(plan, SEND, 50)) == {"rows_hidden"}
    assert set(drawn(plan, READ, 50)) == {"lies_empty"}


@pytest.mark.parametrize(
    ("rule", "faulting"),
    [
        (FaultRule((SEND,), 1.0, from_seconds=10), {(1, 10.0), (5, 10.0), (9, 60.0)}),
        (FaultRule((SEND,), 1.0, until_seconds=10), {(1, 9.9)}),
        (FaultRule((SEND,), 1.0, from_request=5), {(5, 10.0), (9, 60.0)}),
        (FaultRule((SEND,), 1.0, until_request=5), {(1, 9.9), (1, 10.0), (5, 10.0)}),
        (FaultRule((SEND,), 1.0, from_seconds=5, until_seconds=20, from_request=5), {(5, 10.0)}),
        (FaultRule((READ,), 1.0), set()),
    ],
)
def test_a_rule_holds_for_its_times_and_requests(rule: FaultRule, faulting: set[tuple[int, float]]) -> None:
    # given
    moments = [(1, 9.9), (1, 10.0), (5, 10.0), (9, 60.0)]
    # when / then
    assert {(nth, at) for nth, at in moments if FaultPlan(0, (rule,)).draw(SEND, nth, at)[0]} == faulting


def test_the_first_rule_that_holds_decides() -> None:
    # given
    first = FaultRule((SEND,), 1.0, {"html_after": 1.0}, until_request=2)
    plan = FaultPlan(0, (first, FaultRule((SEND,), 0.0, until_request=4), FaultRule((SEND,), 1.0, {"drop_after": 1.0})))
    # when / then
    assert drawn(plan, SEND, 6) == ["html_after", "html_after", None, None, "drop_after", "drop_after"]


def test_a_plan_survives_being_written_down() -> None:
    # given
    rule = FaultRule((SEND, READ), 0.25, {"html_before": 2.0, "request_cut": 1.0}, 1.5, 60.0, 2, 1_000)
    plan = FaultPlan(42, (rule, *RULES), FaultTimes(slow_seconds=1.0, cut_byte=-3))
    # when / then
    assert FaultPlan.from_json(plan.to_json()) == plan
    assert FaultPlan.from_json("{}") == FaultPlan()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no JSON", "the whole: Invalid JSON"),
        ("[]", "the whole: "),
        ('{"sede": 1}', "sede: "),
        ('{"seed": "x"}', "seed: "),
        ('{"rules": [{"requests": ["sent"], "rate": 0.1}]}', "rules.0.requests.0: "),
        ('{"rules": [{"requests": ["send"]}]}', "rules.0.rate: Field required"),
        ('{"times": {"slow": 1}}', "times.slow: "),
        ('{"rules": [{"requests": ["send"], "rate": 1.1}]}', "a rate from 0 to 1"),
        ('{"rules": [{"requests": [], "rate": 1}]}', "needs kinds of requests"),
        ('{"rules": [{"requests": ["send"], "rate": 1, "faults": {"html_befor": 1}}]}', "did you mean 'html_before'"),
        ('{"rules": [{"requests": ["send"], "rate": 1, "faults": {"html_before": 0}}]}', "weight"),
        ('{"rules": [{"requests": ["send"], "rate": 1, "faults": {"lag": 1}}]}', "'lag' affects only read"),
        (
            '{"rules": [{"requests": ["send", "read"], "rate": 1, "faults": {"lag": 1}}]}',
            "no fault that can affect send",
        ),
        ('{"rules": [{"requests": ["connect"], "rate": 1}]}', "no fault that can affect connect"),
        ('{"times": {"late_min_seconds": 3}}', "times of a late commit"),
        ('{"times": {"hold_seconds": -1}}', "0 seconds or more"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(SandboxError) as refused:
        FaultPlan.from_json(text)
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("fault", "needs_proxy"), [*dict.fromkeys(HTTP_FAULTS, False).items(), *dict.fromkeys(TCP_FAULTS, True).items()]
)
def test_only_faults_below_http_need_the_proxy(fault: str, needs_proxy: bool) -> None:
    # given
    (kind, *_) = FAULTS[fault].befalls
    # when / then
    assert FaultPlan(0, (FaultRule((kind,), 1.0, {fault: 1.0}),)).needs_proxy is needs_proxy
