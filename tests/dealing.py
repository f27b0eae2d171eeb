"""Which tests of a run stay together in one process, and which begin first.

`--dist loadgroup` would do the first, by the marker `xdist_group`. But pytest-xdist 3.8 ignores it with pytest 9.2,
and says nothing: all fixtures of a module are then made in each process, and six fleets run at once on two cores.
"""

import random
from collections.abc import Iterable
from itertools import groupby
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

CROWDS: Final = (
    "tests/scheduler/services/",
    "tests/prove/short/test_prove_chaos.py",
    "tests/prove/short/test_prove_crashes.py::test_crashes_break_no_promise",
    "tests/prove/short/test_prove_faults.py",
    "tests/prove/short/test_prove_stops.py",
)
CROWDS_AT_ONCE: Final = 3
"""A fleet is five processes or more: six fleets at once, on two cores, make each other time out."""

SHARING: Final = frozenset({
    "tests/protocol/runs/test_protocol_week.py",
    "tests/scheduler/cli/control/test_cli_account.py",
    "tests/scheduler/cli/upkeep/test_cli_move.py",
    "tests/scheduler/operator/test_operator_why_doubts.py",
    "tests/scheduler/operator/test_operator_why_ledger.py",
    "tests/scheduler/verify/test_verify.py",
    "tests/scheduler/web/api/test_api_access.py",
    "tests/scheduler/web/api/test_api_actions.py",
    "tests/scheduler/web/api/test_api_document.py",
    "tests/scheduler/web/api/test_api_events.py",
    "tests/scheduler/web/api/test_api_texts.py",
    "tests/scheduler/web/api/test_api_files.py",
    "tests/scheduler/web/api/test_api_oversight.py",
    "tests/scheduler/web/api/test_api_reads.py",
    "tests/scheduler/web/desk/test_desk_figures.py",
    "tests/scheduler/web/desk/test_desk_hostile.py",
    "tests/scheduler/web/desk/test_desk_live.py",
    "tests/scheduler/web/desk/test_desk_pages.py",
    "tests/scheduler/web/desk/test_desk_steering.py",
    "tests/scheduler/web/desk/test_desk_walk.py",
    "tests/scheduler/web/desk/test_desk_week.py",
    "tests/test_rules.py",  # the source, parsed
    "tests/worker/sandbox/faults/test_fault_proxy.py",
    "tests/worker/sandbox/faults/test_fault_proxy_life.py",
    "tests/worker/sandbox/faults/test_fault_reads.py",
    "tests/worker/sandbox/faults/test_fault_rows.py",
    "tests/worker/sandbox/faults/test_fault_sends.py",
    "tests/worker/sandbox/test_sandbox_refusals.py",
    "tests/worker/sandbox/test_sandbox_samples.py",
    "tests/worker/sandbox/test_sandbox_webhook.py",
})  # fmt: skip
"""Modules whose tests share what takes time to make."""

ALONE: Final = frozenset({"tests/deploy/test_deploy_monitoring.py"})
"""Modules with a fixture of their own that few of their tests use: each test may go anywhere."""

LONGEST: Final = (
    "tests/protocol/runs/",
    "tests/scheduler/web/api/test_api_pipeline.py",
    "tests/prove/short/",
    "tests/bench/",
    "tests/protocol/following/test_protocol_replies.py",
    "tests/protocol/following/test_protocol_stuck.py",
    "tests/protocol/upkeep/test_protocol_clock_jumps.py",
    "tests/scheduler/web/api/test_api_kill.py",
    "tests/scheduler/cli/files/test_cli_examples.py",
    "tests/deploy/test_deploy_heartbeat.py",
)
"""These begin first, so that a run does not end with one long test and idle processes. All others keep their order."""


def longest_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests in the order in which they should begin."""

    def turn(item: pytest.Item) -> int:
        return [item.nodeid.startswith(CROWDS), item.nodeid.startswith(LONGEST), True].index(True)

    return sorted(items, key=turn)


def one_proof_of_each(items: Iterable[pytest.Item], seed: str) -> list[pytest.Item]:
    """The tests, with one of the cases marked `proof` of each test, chosen by the seed; all others are left out."""
    kept: list[pytest.Item] = []
    for _, cases in groupby(items, lambda item: item.nodeid.partition("[")[0]):
        found = list(cases)
        proofs = [item for item in found if item.get_closest_marker("proof")]
        chosen = random.Random(seed).choice(proofs) if proofs else None
        kept += [item for item in found if item is chosen or item not in proofs]
    return kept


def module_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


class Dealing(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Deals the tests to processes: crowds to a few of them, a module that shares something to one, others singly."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # it would let the modules with the most tests begin first
        self._crowds: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of what a test is kept together with."""
        if nodeid.startswith(CROWDS):
            return self._crowds.setdefault(nodeid, f"crowd-{len(self._crowds) % CROWDS_AT_ONCE}")
        module = module_of(nodeid)
        return module if module in SHARING else nodeid
