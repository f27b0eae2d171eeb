"""Every error that a user can act on: its exit code, and its message."""

import errno
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from scheduler.actions.refusals import Refused
from scheduler.cli.rendering.output import problem_of_output, unwritten, warn
from scheduler.exits import Exit

KNOWN: Final = (
    ("scheduler.actions.refusals", "Refused", Exit.BAD_INPUT),
    ("campaigns.problems", "CampaignFileError", Exit.BAD_INPUT),
    ("worker.settings.settings", "SettingsError", Exit.BAD_INPUT),
    ("worker.store.engine", "StoreError", Exit.BAD_INPUT),
    ("worker.sandbox.errors", "SandboxError", Exit.BAD_INPUT),
    ("scheduler.intake.outcome", "EditRefused", Exit.BAD_INPUT),
    ("scheduler.inbox.foreign", "OfAnotherInstallation", Exit.BAD_INPUT),
    ("worker.gateway.errors", "GatewayError", Exit.STOPPED),
    ("scheduler.recover", "RecoveryFailed", Exit.STOPPED),
)
"""(module, class, exit code). By name: importing them all would make a command a second slower."""

MISSING: Final = ("no such table", "no such column")
"""How SQLite begins to say so."""

MISSING_CODES: Final = frozenset({"42P01", "42703"})
"""PostgreSQL's codes for a missing table and a missing column."""

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""The errors of a disk, quota or device that accepts no more data."""


def tell(error: BaseException, *, debug: bool) -> Exit:
    """Print what went wrong on standard error, with the traceback only if asked for; return the exit code."""
    if debug:
        warn("".join(traceback.format_exception(error)).removesuffix("\n"))
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        warn("interrupted")
        return Exit.INTERRUPTED
    for module, name, code in KNOWN:
        # An error of a module that was never loaded cannot have been raised.
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            command = error.command if isinstance(error, Refused) else ""
            warn("; ".join(filter(None, (str(error) or name, command))))
            return code
    if type(error) is LookupError:  # "there is no ..."; its subclasses KeyError and IndexError are our own mistakes
        warn(str(error))
        return Exit.BAD_INPUT
    if isinstance(error, OSError) and error.errno in FULL and not error.filename:
        warn(problem_of_output() or unwritten(error))  # called in any case, so that remaining output is dropped
        return Exit.BAD_INPUT
    if isinstance(error, OSError) and error.filename:
        warn(f"{error.filename}: {error.strerror}; check the name and the permissions")
        return Exit.BAD_INPUT
    if says := _of_server(error):
        typer.echo(says, err=True)
        return Exit.BAD_INPUT
    if _is_database_error(error):
        problem = str(getattr(error, "orig", "")).strip().partition("\n")[0]
        if problem.startswith(MISSING) or getattr(getattr(error, "orig", None), "sqlstate", "") in MISSING_CODES:
            warn(f"the database was not made by this version ({problem}); bring it up to date with: campaigns migrate")
        else:
            warn(f"the database cannot be used ({problem}); check CAMPAIGNS_DATABASE_URL")
        return Exit.BAD_INPUT
    # The message of an unknown error may contain a number or a text: only its kind is shown.
    advice = "it is shown above" if debug else "run the command again with --debug and report what it shows"
    warn(f"internal error ({type(error).__name__}); {advice}")
    return Exit.INTERNAL_ERROR


@contextmanager
def values_of_options() -> Iterator[None]:
    """Report a value refused in the block as that of the option of its name, with the command's usage."""
    try:
        yield
    except Refused as error:
        if not error.field:
            raise
        raise typer.BadParameter(str(error), param_hint=f"--{error.field}") from None


def _of_server(error: BaseException) -> str:
    """Return the sentence for a server in trouble, as in the log of a service; empty for any other error."""
    module = sys.modules.get("worker.servers.conditions")
    trouble = module.trouble_of(error) if module else None
    return module.sentence(trouble, module.detail_of(error)) if module and trouble else ""


def _is_database_error(error: BaseException) -> bool:
    """Return whether the database was missing, is not one, or lacks such a table or column."""
    module = sys.modules.get("sqlalchemy.exc")
    if module is None:
        return False
    # As this very class and not a subclass, it is SQLite's error for a file that is damaged or something else.
    return isinstance(error, module.OperationalError | module.ProgrammingError) or type(error) is module.DatabaseError
