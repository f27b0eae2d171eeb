"""The command `campaigns`: its commands, its global options, and what an error looks like."""

import errno
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from scheduler.actions import approving, control
from scheduler.cli.commands.control import held, suppress, throttle
from scheduler.cli.commands.files import init
from scheduler.cli.commands.reading import devices, status, why
from scheduler.cli.commands.sending import resend, run, test
from scheduler.cli.commands.upkeep import contacts, doctor, move, notify, recover, sandbox
from scheduler.cli.errors import tell

DEBUG = "--debug"


class Commands(TyperGroup):
    """Tells every error as one sentence, and takes `--debug` before and after the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        if DEBUG in options:
            args = [DEBUG, *(word for word in options if word != DEBUG), *args[len(options) :]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            # What carries an exit code already (wrong usage, an exit) or is a reader gone (`| head`) is typer's.
            if hasattr(error, "exit_code") or (isinstance(error, OSError) and error.errno == errno.EPIPE):
                raise
            raise typer.Exit(tell(error, debug=ctx.params["debug"])) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: it starts faster, and reads the same in a log
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"campaigns {version('sms-campaign-worker')}")
        raise typer.Exit


@app.callback()
def _campaigns(
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """SMS campaigns that run themselves: check a file, see what it would do, send it, follow every text to its end."""


for group in (
    *(init, run, test, status, why, control, approving),
    *(throttle, held, resend, recover, contacts, devices, suppress, sandbox, move, doctor, notify),
):
    group.register(app)


def main() -> NoReturn:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not end the command.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # both are TextIOWrappers here
    try:
        app(prog_name="campaigns")
    except KeyboardInterrupt as error:
        sys.exit(tell(error, debug=DEBUG in sys.argv))
    sys.exit(0)
