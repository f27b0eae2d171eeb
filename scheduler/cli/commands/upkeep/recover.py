"""`recover`: continuing after a restored backup."""

from typing import Annotated

import typer

from campaigns.counting import amount


def recover(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Sweep the gateway for what a lost or restored database forgot.

    Stop the service first. A database that is older than what was sent from it sends nothing until you run this. What
    the gateway shows of the last 31 days is not sent again, not even by campaigns that are planned later.
    """
    from scheduler.cli.rendering.output import print_json
    from scheduler.cli.user import this_user
    from scheduler.recover import recover_database
    from worker.settings.settings import load_settings

    result = recover_database(load_settings(), this_user(), lambda line: typer.echo(line, err=True))
    if json:
        print_json(
            {
                "since": result.since.isoformat(),
                "unknown": result.unknown,
                "attributed": result.attributed,
                "kept": result.waiting,
                "quarantine_ended": result.was_quarantined,
            }
        )
        return
    typer.echo(
        f"The gateway was read from {result.since:%Y-%m-%d %H:%M} UTC on. It has {result.unknown:,} messages that the "
        f"database did not know; {result.attributed:,} of their recipients, counted as unsent before, are now accepted."
    )
    if result.waiting:
        kept = amount(result.waiting, "message is", "messages are")
        typer.echo(f"{kept} kept: anyone who is planned with the same number and text counts as sent.")
    if result.was_quarantined:
        typer.echo("The quarantine is over; sending continues when the service runs.")
