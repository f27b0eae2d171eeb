"""`test`: one real text with a sample recipient's fields."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from campaigns.display import state_words
from scheduler.cli.options import AsJson, Sandbox
from scheduler.cli.rendering.output import print_facts, print_json, say, warn

if TYPE_CHECKING:
    from campaigns.definition import Definition
    from scheduler.actions.texts.test_message import Sample
    from scheduler.processes.testing import Tested


def send_test(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A campaign file (YAML).")],
    to: Annotated[str, typer.Option("--to", metavar="NUMBER", help="Who gets it: your own phone.")],
    row: Annotated[
        int | None, typer.Option("--row", metavar="N", help="The row of the table whose fields are used.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option("--variant", metavar="NAME", help="The variant; default: the first.")
    ] = None,
    sandbox: Sandbox = False,
    json: AsJson = False,
) -> None:
    """Send one real text of a campaign to your own number, and wait until it arrives.

    It has the fields of the first row that can be sent to. It goes at once, whatever the sending hours, within the
    limits of the account and its phones. It does not count as part of the campaign.
    """
    import logging

    from rich.console import Console

    from campaigns.clock import SystemClock
    from scheduler.actions.numbers import normalised
    from scheduler.actions.opening import existing_store
    from scheduler.actions.texts.test_message import choose_sample
    from scheduler.cli.rendering.live import LiveProgress
    from scheduler.cli.settings import sending_settings
    from scheduler.cli.user import this_user
    from scheduler.intake.earlier import earlier_in
    from scheduler.intake.taking import read_file
    from scheduler.processes.rehearsal import private_sandbox, rehearsal_settings
    from scheduler.processes.testing import send_sample
    from worker.logs import configure_logs

    settings = sending_settings()
    configure_logs(settings.log_format, level=logging.ERROR)
    if sandbox:
        settings = rehearsal_settings(settings)
    definition = read_file(file, settings, now=SystemClock().now())
    number = normalised(to, definition.default_region or settings.region)
    with existing_store(settings) as store, earlier_in(store, definition, rehearsal=sandbox) as earlier:
        sample = choose_sample(definition, row=row, variant=variant, earlier=earlier)
    if not json:
        _announce(definition, sample, number)
    console = Console(stderr=True)
    with (
        private_sandbox(settings) if sandbox else nullcontext() as gateway,
        LiveProgress(console, enabled=console.is_terminal) as live,
    ):
        tested = send_sample(
            definition, sample, number, settings, this_user(), source=file.name, sandbox=gateway, shown=live.show
        )
    if tested.outcome.reason:
        warn(tested.outcome.reason)
    if json:
        print_json(_as_json(definition, sample, number, tested))
    elif tested.state is not None:
        say(state_words(tested.state) + (f": {tested.reason}" if tested.reason else ""))
    raise typer.Exit(tested.outcome.exit_code)


def _announce(definition: "Definition", sample: "Sample", number: str) -> None:
    """Print what will be sent, to whom and how."""
    from campaigns.message.segments import segmentation
    from campaigns.phone_numbers.masking import mask
    from scheduler.actions.plans.facts import device_words

    cost = segmentation(sample.text)
    print_facts(
        [
            ("test of", definition.campaign + (f", variant {sample.variant}" if sample.variant else "")),
            ("fields of", sample.source if sample.row is None else f"row {sample.row} of {sample.source}"),
            ("to", mask(number)),
            ("devices", device_words(definition)),
            ("segments", f"{cost.segments} ({cost.encoding})"),
        ]
    )
    say(f"\nTEST, not counted as part of the campaign:\n  {sample.text}\n")


def _as_json(definition: "Definition", sample: "Sample", number: str, tested: "Tested") -> dict[str, Any]:
    from campaigns.message.segments import segmentation
    from campaigns.phone_numbers.masking import mask

    cost = segmentation(sample.text)
    return {
        "campaign": definition.campaign,
        "run": tested.run_id,
        "to": mask(number),
        "variant": sample.variant or None,
        "source": sample.source,
        "row": sample.row,
        "text": sample.text,
        "segments": cost.segments,
        "encoding": cost.encoding,
        "state": tested.state and tested.state.value,
        "reason": tested.reason or None,
    }
