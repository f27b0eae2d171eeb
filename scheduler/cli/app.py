"""The command `campaigns`: its commands, its global options, and what an error looks like."""

import errno
import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from scheduler.cli.commands.access.tokens import tokens
from scheduler.cli.commands.access.users import users
from scheduler.cli.commands.control.approve import approve
from scheduler.cli.commands.control.cancel import cancel
from scheduler.cli.commands.control.held import held
from scheduler.cli.commands.control.pause import pause
from scheduler.cli.commands.control.people import people
from scheduler.cli.commands.control.reply import reply
from scheduler.cli.commands.control.resolve import resolve
from scheduler.cli.commands.control.resume import resume
from scheduler.cli.commands.control.suppress import suppress
from scheduler.cli.commands.control.throttle import throttle
from scheduler.cli.commands.files.check import check
from scheduler.cli.commands.files.init import init
from scheduler.cli.commands.files.plan import plan
from scheduler.cli.commands.files.schema import schema
from scheduler.cli.commands.reading.alerts import alerts
from scheduler.cli.commands.reading.audit import audit
from scheduler.cli.commands.reading.devices import devices
from scheduler.cli.commands.reading.export import export
from scheduler.cli.commands.reading.status import status
from scheduler.cli.commands.reading.top import top
from scheduler.cli.commands.reading.why import why
from scheduler.cli.commands.sending.dashboard import dashboard
from scheduler.cli.commands.sending.resend import resend
from scheduler.cli.commands.sending.run import run
from scheduler.cli.commands.sending.scheduler import scheduler
from scheduler.cli.commands.sending.test import send_test
from scheduler.cli.commands.sending.up import up
from scheduler.cli.commands.sending.worker import worker
from scheduler.cli.commands.upkeep.balance import balance
from scheduler.cli.commands.upkeep.calls import calls
from scheduler.cli.commands.upkeep.completion import COMPLETE, completion
from scheduler.cli.commands.upkeep.contacts import contacts
from scheduler.cli.commands.upkeep.doctor import doctor
from scheduler.cli.commands.upkeep.migrate import migrate
from scheduler.cli.commands.upkeep.move import move
from scheduler.cli.commands.upkeep.notify import notify
from scheduler.cli.commands.upkeep.recover import recover
from scheduler.cli.commands.upkeep.sandbox import sandbox
from scheduler.cli.errors import tell
from scheduler.cli.rendering.output import problem_of_output, warn
from scheduler.exits import Exit

DEBUG = "--debug"


class Commands(TyperGroup):
    """Reports every error as one sentence, and accepts `--debug` before and after the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        if DEBUG in options:
            args = [DEBUG, *(word for word in options if word != DEBUG), *args[len(options) :]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            # An error that has an exit code already (wrong usage, an exit) or means that the reader is gone (`| head`)
            # is left to typer.
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


for command in (
    *(init, check, plan, schema),
    *(run, up, worker, scheduler, dashboard, send_test),
    *(status, top, alerts, export, why, audit),
    *(pause, resume, cancel, approve, throttle, held, resolve, resend, people, reply),
    *(recover, balance, devices, migrate, sandbox, move, doctor, notify, completion),
):
    app.command(command.__module__.rpartition(".")[2])(command)  # `campaigns NAME` is in NAME.py
app.add_typer(calls, name="calls")
app.add_typer(contacts, name="contacts")
app.add_typer(suppress, name="suppress")
app.add_typer(users, name="users")
app.add_typer(tokens, name="tokens")


def main() -> NoReturn:
    """Run the command line of this process."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # a closed one is None
        # A terminal that cannot show a character must not end the command.
        stream.reconfigure(errors="backslashreplace")
    if COMPLETE in os.environ:  # a shell asks, with the script of `campaigns completion`
        from typer._completion_classes import completion_init  # which typer calls only for options of its own

        completion_init()
    code: Any = Exit.DONE
    try:
        app(prog_name="campaigns")
    except (KeyboardInterrupt, OSError) as error:  # from --version, which is not a command
        code = tell(error, debug=DEBUG in sys.argv)
    except SystemExit as end:
        code = end.code
    if problem := problem_of_output():  # most commands write less than the buffer that is flushed at the end
        warn(problem)
        code = code or Exit.BAD_INPUT
    sys.exit(code)
