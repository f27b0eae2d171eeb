"""`notify`: who is told what happens, and whether they can be told."""

from typing import Annotated

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say


def notify(
    test: Annotated[bool, typer.Option("--test", help="Tell each of them that this is a test.")] = False,
    json: AsJson = False,
) -> None:
    """Show who is told what campaigns do, by the settings; webhooks of campaign files are not among them.

    With --test each is told the event `test`, once. Ends with 3 if somebody could not be told.
    """
    from campaigns.clock import SystemClock
    from scheduler.exits import Exit
    from scheduler.telling.delivery import send_test, where
    from scheduler.telling.targets import everywhere, of_settings
    from worker.settings import load_settings

    settings = load_settings()
    targets = [*of_settings(settings), *everywhere(settings)]
    problems = [send_test(settings, target, SystemClock().now()) if test else "" for target in targets]
    if json:
        rows = [
            {
                "channel": str(target[0]),
                "target": where(target),
                "told": not problem if test else None,
                "problem": problem,
            }
            for target, problem in zip(targets, problems, strict=True)
        ]
        print_json({"targets": rows})
    elif not targets:
        say("nobody is told: set CAMPAIGNS_REPORT_WEBHOOK, CAMPAIGNS_NOTIFY_EMAIL or CAMPAIGNS_NOTIFY_COMMAND")
    else:
        for target, problem in zip(targets, problems, strict=True):
            say(f"{target[0]:<13}  {where(target):<40}  {problem or ('told' if test else '')}".rstrip())
    raise typer.Exit(Exit.UNHAPPY if any(problems) else Exit.DONE)
