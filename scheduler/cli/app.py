"""The command `campaigns`: its commands, its global options, and what an error looks like."""

import errno
import gc
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from scheduler.cli.completing import COMPLETE
from scheduler.cli.errors import tell
from scheduler.cli.rendering.output import problem_of_output, warn
from scheduler.exits import Exit

DEBUG = "--debug"

COMMANDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("init", "check", "plan", "capacity", "schema"), "files"),
    **dict.fromkeys(("run", "up", "worker", "scheduler", "dashboard", "test"), "sending"),
    **dict.fromkeys(("status", "top", "alerts", "export", "why", "audit", "verify"), "reading"),
    **dict.fromkeys(("pause", "resume", "cancel", "approve", "throttle", "held", "resolve"), "control"),
    "resend": "sending",
    **dict.fromkeys(("people", "reply"), "control"),
    **dict.fromkeys(("recover", "balance"), "upkeep"),
    "devices": "reading",
    **dict.fromkeys(("migrate", "sandbox", "move", "doctor", "notify", "completion", "calls", "contacts"), "upkeep"),
    **dict.fromkeys(("suppress", "erase"), "control"),
    **dict.fromkeys(("users", "tokens"), "access"),
}
"""Every command in the order of the help, and the folder whose NAME.py has it. Only what is asked for is loaded: all of
them took 45 ms of the 500 that `status` takes."""

FUNCTIONS: Final = {"test": "send_test"}
"""The commands whose functions have another name."""

MANY_OBJECTS: Final = 50_000
"""How many new objects the garbage collector waits for (Python: 700). What is loaded at the start is no garbage, and
looking through it again and again took a tenth of a short command's time."""


class _Table(Mapping[str, Any]):
    """The commands by name, each loaded when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


@cache
def _command(name: str) -> Any:
    """Return a command or a group of commands. Raises `KeyError`."""
    module = import_module(f"scheduler.cli.commands.{COMMANDS[name]}.{name}")
    found = getattr(module, FUNCTIONS.get(name, name))
    alone = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name)
    else:
        alone.command(name)(found)
    return typer.main.get_group(alone).commands[name]


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


class LoadedLate(Commands):
    """The commands of `COMMANDS`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": _Table()})

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's own loads them all
        return list(COMMANDS)


app = typer.Typer(
    cls=LoadedLate,
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


def main() -> NoReturn:
    """Run the command line of this process."""
    gc.set_threshold(MANY_OBJECTS)
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
    gc.freeze()  # Python would look through all that is loaded once more, for 0.15 s, and the process ends anyway
    sys.exit(code)
