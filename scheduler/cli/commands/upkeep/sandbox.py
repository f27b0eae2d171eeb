"""`sandbox`: a local gateway that sends nothing to any phone."""

from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json


def sandbox(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    key: Annotated[str | None, typer.Option(help="The API key; default: a new one, which is printed.")] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="File for what was accepted; an existing one is appended to.")
    ] = None,
    profile: Annotated[str, typer.Option(help="How numbers in replies are written: strings or ints.")] = "strings",
    webhook: Annotated[str | None, typer.Option(help="Address on this machine to push inbound messages to.")] = None,
    pace: Annotated[float, typer.Option(help="Messages per second and SIM.")] = 50.0,
    failed: Annotated[float, typer.Option(help="Share of the numbers (0 to 1) that fail.")] = 0.0,
    no_report: Annotated[float, typer.Option(help="Share of the numbers that never get a delivery report.")] = 0.0,
    credits_: Annotated[int | None, typer.Option("--credits", help="One per message; default: unlimited.")] = None,
    seed: Annotated[int, typer.Option(help="Changes which numbers the shares affect.")] = 0,
    faults: Annotated[Path | None, typer.Option(help="JSON file that says what goes wrong, and how often.")] = None,
    fault_log: Annotated[Path | None, typer.Option(help="File for the faults that were drawn.")] = None,
    json: AsJson = False,
) -> None:
    """Run a local gateway that sends nothing to any phone.

    It has the same API; its URL is printed once it accepts connections. It starts with devices 1 and 2 (two SIMs
    each) and contact lists 1 and 2. Ctrl-C ends it.
    """
    from worker.sandbox.faults.plan import FaultPlan
    from worker.sandbox.running.command import read_plan, run
    from worker.sandbox.running.options import Profile, SandboxOptions
    from worker.sandbox.running.server import serve

    if profile not in list(Profile):
        raise typer.BadParameter(f"must be {' or '.join(Profile)}, not {profile}", param_hint="--profile")
    options = SandboxOptions(
        port=port,
        key=key,
        ledger=ledger,
        profile=Profile(profile),
        webhook=webhook,
        pace_per_second=pace,
        failed=failed,
        no_report=no_report,
        credits=credits_,
        seed=seed,
        faults=FaultPlan() if faults is None else read_plan(faults),
        fault_log=fault_log,
    )
    if not json:
        run(options)
        return
    options = options.with_key()
    serve(options, on_ready=lambda url: print_json({"url": url, "key": options.key}))
