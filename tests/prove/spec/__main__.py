"""Explore the model, and each of its mutants: `python -m tests.prove.spec [--only NAME] [--traces]`.

Exit code 1: a promise is broken in the model, or a mutant is not found out.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from tests.prove.record.lines import recording
from tests.prove.spec.explore import Explored, explore
from tests.prove.spec.mutants import MUTANTS, SCOPES
from tests.prove.spec.world import World


def _line(name: str, found: Explored, seconds: float) -> str:
    figures = f"{found.states:>9,}{found.transitions:>13,}{found.depth:>7}{seconds:>9.1f}"
    return f"{name:<42}{figures}  {found.wrong or 'kept'}\n"


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.spec", description=__doc__)
    parser.add_argument("--only", metavar="NAME", default="", help="part of the name of a world or a rule")
    parser.add_argument("--traces", action="store_true", help="show the steps that lead to each broken promise")
    chosen = parser.parse_args(arguments)
    worlds = [(scope.name, World(scope), False) for scope in SCOPES.values()]
    worlds += [(f"without: {each.name}", World(SCOPES[each.scope], each.without), True) for each in MUTANTS]
    sys.stdout.write(f"{'world':<42}{'states':>9}{'transitions':>13}{'depth':>7}{'seconds':>9}\n")
    failed = states = transitions = caught = 0
    began = time.monotonic()
    with recording("spec") as record:
        for name, world, is_mutant in worlds:
            if chosen.only not in name:
                continue
            since = time.monotonic()
            found = explore(world)
            sys.stdout.write(_line(name, found, time.monotonic() - since))
            if chosen.traces or (found.wrong and not is_mutant):
                sys.stdout.write("".join(f"    {step}\n" for step in found.trace))
            sys.stdout.flush()
            is_failed = bool(found.wrong) is not is_mutant
            failed += is_failed
            caught += is_mutant and not is_failed
            states, transitions = states + found.states, transitions + found.transitions
            figures = {"states": found.states, "steps": found.transitions, "mutants": int(is_mutant and not is_failed)}
            record.add(figures, broken=int(is_failed))
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{states:,} states, {transitions:,} transitions, {caught} mutants found out, {seconds:.1f} seconds\n"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
