"""What NAME.status.txt says about the campaign file itself, in words for people who never see a log."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from campaigns.problems import MOST_CHARACTERS, CampaignFileError, Problem
from scheduler.inbox.wording import SENT_BEFORE, UNKNOWN
from worker.store.errors import PrivacyKeyProblem

MOST_MISSING: Final = 10
"""How many missing files are named."""


def broken_notice(name: str, error: CampaignFileError, missing: Sequence[str], *, has_run: bool) -> str:
    """List all problems of a file. `missing`: files it names that are missing; `has_run`: an earlier version counts."""
    if missing:
        more = f" and {len(missing) - MOST_MISSING:,} more" if missing[MOST_MISSING:] else ""
        first = f"{name} is waiting for {', '.join(each[:MOST_CHARACTERS] for each in missing[:MOST_MISSING])}{more}."
        last = "It is read again as soon as something is put there or the file is changed."
    else:
        first = f"{name} cannot be used."
        last = "It is read again as soon as it is corrected and saved."
    kept = " The version before it stays in force, see below." if has_run else " Nothing is sent."
    return "\n".join([first + kept, "", *map(_in_words, error.problems), *filter(None, [error.more_words]), "", last])


def internal_error_notice(name: str) -> str:
    """The program, not the file, is at fault."""
    return f"{name} could not be read because of an internal error, see the log. It is tried again every minute."


def waiting_notice(name: str, error: Exception) -> str:
    """Nothing is planned while nobody can tell who of the erased opted out; '' for any other error."""
    return f"{name} waits: {error}. It is tried again every minute." if isinstance(error, PrivacyKeyProblem) else ""


def foreign_words(name: str, campaign: str, status: str, installation: str) -> str:
    """The status beside the file is, or may be, from another installation, whose database knows who got the campaign.

    `installation` is its name, or `UNKNOWN`.
    """
    why = f"{status} was written by another installation, so {campaign} may have been sent already"
    if installation == UNKNOWN:
        why = (
            f"{status} cannot be read, or is incomplete; another installation may have written it "
            f"and sent {campaign} already"
        )
    return (
        f"{name} waits and is not sent: {why}, and this database does not know to whom.\n"
        "To find out from the gateway who got it, stop the service and run: campaigns recover. "
        f"To send to everybody anyway, remove {status}"
    )


def foreign_notice(name: str, campaign: str, status: str, installation: str) -> str:
    """As `foreign_words`, with a line that names the campaign as a status does."""
    return (
        f"{foreign_words(name, campaign, status, installation)}: the file is then accepted within a minute.\n\n"
        f"{campaign}: {SENT_BEFORE}"
    )


def taken_notice(name: str, campaign: str, other: str) -> str:
    """Another file has this campaign."""
    return (
        f"{name} is not used: {other} already is the campaign {campaign}. "
        "Give this one another name after `campaign:`, or remove one of the two files."
    )


def conflict_notice(name: str) -> str:
    """A sync program kept two versions of a file that was changed in two places."""
    return (
        f"{name} is not used: its name says that it is a copy that a sync program made because the file was changed in "
        "two places. Put what you want to keep into the original file, and remove this one."
    )


def tables_notice(name: str, campaign: str) -> str:
    """A table was changed after sending began."""
    return (
        f"A file that {name} names was changed after {campaign} began to send; the campaign continues as planned. "
        "For new people, make a new campaign with another name."
    )


def extended_notice(name: str, rows: int) -> str:
    """A table was dropped again with more people."""
    many = f"{rows:,} rows that are new in its tables were" if rows > 1 else "1 row that is new in its tables was"
    return f"{name} was read again: {many} added, and the others stay as they were."


def over_notice(name: str, campaign: str) -> str:
    """The campaign of this file has ended."""
    return (
        f"{name} sends nothing more: the campaign {campaign} is over, see below. "
        "To send again, give it another name after `campaign:`; to send only to people who are new in its tables, "
        "save this file once more."
    )


def moved_notice(name: str, to: str) -> str:
    """The same campaign is in another file now."""
    return f"{name} is gone; its campaign continues as {to}: see the status there."


def replaced_notice(name: str, before: str) -> str:
    """Its name was given to another campaign while the previous one was being sent."""
    return (
        f"{name} used to be the campaign {before}. That one began to send and continues; to see it: campaigns status "
        f"{before}, to end it: campaigns cancel {before}."
    )


def unseen_notice(names: Sequence[str], many: int) -> str:
    """Known files that this process never saw, and whose status is missing, too."""
    return (
        f"{many:,} known {'file' if many == 1 else 'files'} ({', '.join(names)}{', ...' if many > len(names) else ''}) "
        "and what was beside them are not in this folder, and this process never saw them there. Nothing is "
        "cancelled because of that. Make the whole inbox visible here; if they were removed on purpose, run: "
        "campaigns cancel NAME"
    )


def removed_notice(name: str) -> str:
    """Nothing was or will be sent from it."""
    return f"Cancelled: {name} was removed from the inbox. Nothing was sent."


def _in_words(problem: Problem) -> str:
    """Use the file's name alone: where the inbox is on the server helps nobody."""
    return str(
        Problem(Path(problem.file).name, problem.line, problem.column, problem.path, problem.problem, problem.hint)
    )
