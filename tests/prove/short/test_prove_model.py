"""The model: its promises hold in every state of its worlds, and each rule is needed, in the model and in the code."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.prove.spec import protocol
from tests.prove.spec.explore import explore
from tests.prove.spec.mutants import MUTANTS, SCOPES, WITHOUT_A_MUTANT, Mutant
from tests.prove.spec.state import Scope
from tests.prove.spec.world import World
from tests.prove.steps import ablated
from tests.prove.world import circumstances, fence, removals

STEPS_ABLATED = "steps.ablated"
SEED = 3


@pytest.mark.parametrize("scope", SCOPES.values(), ids=lambda scope: scope.name)
def test_every_promise_holds_in_every_state(scope: Scope) -> None:
    # given / when
    found = explore(World(scope))
    # then
    assert (found.wrong, found.trace) == ("", ())
    assert found.states > 50


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_model_without_the_rule_breaks_a_promise(mutant: Mutant) -> None:
    # given / when
    found = explore(World(SCOPES[mutant.scope], mutant.without))
    # then
    assert found.wrong
    assert found.trace


def test_no_promise_breaks_without_the_rules_that_have_no_mutant() -> None:
    # given / when
    found = explore(World(SCOPES["two schedulers"], frozenset(WITHOUT_A_MUTANT)))
    # then
    assert (found.wrong, found.trace) == ("", ())


def test_every_rule_has_a_mutant_in_model_and_code() -> None:
    # given
    tried = {rule.name: rule.removal for rule in circumstances.rules(SEED)}
    tried |= {fence.RULE: fence.REMOVAL, ablated.RULE: STEPS_ABLATED}
    # when
    of_model = {mutant.name: mutant.removal for mutant in MUTANTS}
    # then
    assert of_model == tried
    assert set().union(*(mutant.without for mutant in MUTANTS)) | WITHOUT_A_MUTANT.keys() == protocol.RULES


def test_every_removal_finds_what_it_removes() -> None:
    """One that patches a name that is gone ends its process, which then looks as if texts were lost."""
    # given
    names = {mutant.removal for mutant in MUTANTS} - {STEPS_ABLATED}
    calls = "".join(f"removals.{name}()\n" for name in sorted(names))
    # when
    code = f"from tests.prove.world import removals\n{calls}"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(removals.__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    # then
    assert (ended.returncode, ended.stderr) == (0, "")
