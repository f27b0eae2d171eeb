"""`doctor`: what is in order, what is not, what to do."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import Output, chosen, print_listed
from scheduler.cli.rendering.output import print_json, say

if TYPE_CHECKING:
    from scheduler.doctor.findings import Finding


COLUMNS: Final = ("area", "standing", "says", "advice")


def doctor(
    output: AsOutput = None,
    json: AsJson = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Check a private sandbox gateway instead of the real one.")
    ] = False,
) -> None:
    """Check settings, database, queue, clocks and gateway.

    Reports what is right, what is not, and what to do. Sends no text and shows no secret. Exits with 0 if there is
    no problem, 2 for the settings, 4 for the gateway or its account, and 3 for anything else.
    """
    from campaigns.clock import SystemClock
    from scheduler.doctor.examination import examine
    from scheduler.doctor.findings import examined, exit_code

    form, findings = chosen(output, as_json=json), []
    for finding in examine(SystemClock(), sandbox=sandbox):
        findings.append(finding)
        if form is Output.TABLE:
            _show(finding)
    if form is Output.JSON:
        print_json(examined(findings))
    else:
        print_listed(form, COLUMNS, (finding.as_json() for finding in findings))
    raise typer.Exit(exit_code(findings))


def _show(finding: "Finding") -> None:
    say(f"{finding.standing.value:<7}  {finding.area.value:<8}  {finding.says}")
    if finding.advice:
        say(f"{'':<19}{finding.advice}")
