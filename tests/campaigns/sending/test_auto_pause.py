"""When a run pauses itself."""

import pytest

from campaigns.sending.auto_pause import (
    FAILURES_IN_A_ROW,
    failures_told,
    is_failing,
    is_refused_too_often,
    refusals_told,
)


@pytest.mark.parametrize(
    ("refused", "just_now", "audience", "pauses"),
    [
        (0, 0, 1_000, False),
        (9, 9, 100, False),  # at least ten people
        (10, 1, 100, True),
        (10, 10, 100, True),
        (19, 9, 100, False),  # it was reported at ten
        (20, 1, 100, True),
        (25, 12, 100, True),
        (19, 19, 1_000, False),  # 2 % of the audience
        (20, 1, 1_000, True),
        (39, 19, 1_000, False),
        (40, 1, 1_000, True),
        (20, 10, 1_001, False),  # 2 %, rounded up, are 21
        (21, 1, 1_001, True),
        (100, 0, 1_000, False),  # nobody was refused just now
    ],
)
def test_a_run_pauses_at_every_further_share_of_its_audience_that_is_refused(
    refused: int, just_now: int, audience: int, *, pauses: bool
) -> None:
    assert is_refused_too_often(refused=refused, just_now=just_now, audience=audience) is pauses


def test_a_run_pauses_at_every_fifth_request_in_a_row_that_fails() -> None:
    pauses = [in_a_row for in_a_row in range(21) if is_failing(in_a_row)]
    assert pauses == [FAILURES_IN_A_ROW * times for times in range(1, 5)]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (refusals_told(refused=1_200, audience=60_000), ["refused 1,200 of 60,000", "then resume"]),
        (failures_told(5, status=500, fingerprint=""), ["the last 5 requests failed", "HTTP 500", "then resume"]),
        (
            failures_told(10, status=200, fingerprint="3fa1"),
            ["the last 10 requests failed", "CAMPAIGNS_ERROR_TEXTS=3fa1=account", "campaigns held NAME", "then resume"],
        ),
    ],
)
def test_people_are_told_why_and_what_to_do(told: str, words: list[str]) -> None:
    assert [word for word in words if word not in told] == []
