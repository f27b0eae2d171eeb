"""The sandbox as a command: one line with its URL on standard output, everything else on standard error."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from worker.sandbox.errors import SandboxError
from worker.sandbox.faults.plan import FaultPlan
from worker.sandbox.running.options import Profile, SandboxOptions
from worker.sandbox.running.server import serve

OPTIONS_FROM_STDIN: Final = "--options-from-stdin"


def run(options: SandboxOptions) -> None:
    """Serve and print the URL; if the key was made here, also print the two lines that set a shell up for it.

    Raises `SandboxError` as `serve` does.
    """
    has_own_key = options.key is not None
    options = options.with_key()

    def announce(url: str) -> None:
        if not has_own_key:
            sys.stderr.write(f"export CAMPAIGNS_GATEWAY_URL={url}\nexport CAMPAIGNS_API_KEY={options.key}\n")
            sys.stderr.flush()
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    serve(options, on_ready=announce)


def main(arguments: Sequence[str]) -> int:
    """Run `python -m worker.sandbox`; return the exit code: 0 ended as asked, 2 cannot run like this."""
    try:
        if list(arguments) == [OPTIONS_FROM_STDIN]:
            options = options_from_json(sys.stdin.readline())
            threading.Thread(target=_end_with_stdin, name="parent", daemon=True).start()
        else:
            options = _parse(arguments)
        run(options)
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def options_to_json(options: SandboxOptions) -> str:
    """Return one line from which `options_from_json` makes equal options: so a key travels without showing in `ps`."""
    return json.dumps(asdict(options), default=str)


def options_from_json(line: str) -> SandboxOptions:
    """Return the options in a line from `options_to_json`."""
    values = json.loads(line)
    for name in ("ledger", "fault_log"):
        values[name] = None if values[name] is None else Path(values[name])
    values["profile"] = Profile(values["profile"])
    faults = json.dumps(values["faults"])
    # Reading a plan imports pydantic, which takes 0.2 s (measured): skipped if there are no faults.
    values["faults"] = FaultPlan() if faults == FaultPlan().to_json() else FaultPlan.from_json(faults)
    return SandboxOptions(**values)


def _end_with_stdin() -> None:
    # The parent holds the other end: however it ends, including kill -9, the system closes the pipe. This reads the
    # descriptor, not `sys.stdin`, whose lock this thread would hold when the interpreter shuts down.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _parse(arguments: Sequence[str]) -> SandboxOptions:
    default = SandboxOptions()
    parser = argparse.ArgumentParser(
        prog="python -m worker.sandbox", description="A local SMS gateway that sends nothing to any phone."
    )
    parser.add_argument("--port", type=int, default=default.port, help="0 (default) takes a free one")
    parser.add_argument("--key", help="the API key; without it, one is made and printed")
    parser.add_argument("--ledger", type=Path, help="file for what was accepted; an existing one is continued")
    parser.add_argument("--profile", type=Profile, choices=list(Profile), default=default.profile)
    parser.add_argument("--webhook", help="address on this machine that inbound messages are pushed to")
    parser.add_argument("--pace", type=float, default=default.pace_per_second, help="messages per second and SIM")
    parser.add_argument("--failed", type=float, default=default.failed, help="share (0..1) that fails")
    parser.add_argument("--no-report", type=float, default=default.no_report, help="share without delivery report")
    parser.add_argument("--credits", type=int, help="unlimited without it")
    parser.add_argument("--group-per-device", action="store_true", help="a group per device instead of per request")
    parser.add_argument("--seed", type=int, default=default.seed, help="changes which numbers the shares affect")
    parser.add_argument(
        "--clock-ahead", type=float, default=default.clock_ahead_seconds, help="seconds; may be below 0"
    )
    parser.add_argument("--all-times", action="store_true", help="reads ignore the requested time window")
    parser.add_argument(
        "--faults", type=Path, help="JSON file that says what goes wrong: see the README of this package"
    )
    parser.add_argument("--fault-log", type=Path, help="file for the faults that were drawn, one JSON object per line")
    parser.add_argument("--proxy", action="store_true", help="be ready for faults below HTTP that are turned on later")
    parsed = parser.parse_args(arguments)
    return SandboxOptions(
        port=parsed.port,
        key=parsed.key,
        ledger=parsed.ledger,
        profile=parsed.profile,
        webhook=parsed.webhook,
        pace_per_second=parsed.pace,
        failed=parsed.failed,
        no_report=parsed.no_report,
        credits=parsed.credits,
        group_per_device=parsed.group_per_device,
        seed=parsed.seed,
        clock_ahead_seconds=parsed.clock_ahead,
        heeds_time=not parsed.all_times,
        faults=FaultPlan() if parsed.faults is None else read_plan(parsed.faults),
        fault_log=parsed.fault_log,
        proxy=parsed.proxy,
    )


def read_plan(path: Path) -> FaultPlan:
    """Return the plan in a JSON file. Raises `SandboxError`, in one sentence."""
    try:
        return FaultPlan.from_json(path.read_bytes())
    except OSError as error:
        raise SandboxError(f"The fault plan {path} cannot be read ({error.strerror}): give another file.") from error
