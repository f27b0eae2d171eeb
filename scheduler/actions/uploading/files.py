"""Campaign files that come over HTTP: planned, or accepted as the inbox does."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.definition.reading import at_keys
from campaigns.planning.tables import NOT_THERE
from campaigns.problems import CampaignFileError, Problem
from campaigns.take_up import Taken, TakeUp
from scheduler.actions.acting import Actor
from scheduler.actions.plans import preview
from scheduler.actions.plans.capacity import Capacity, capacity
from scheduler.actions.plans.preview import Preview
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.submitting import Submitted, submit
from scheduler.inbox.files import fingerprint, has_other_files, look_at, named_files
from scheduler.inbox.foreign import require_own
from scheduler.inbox.status import OVER
from scheduler.inbox.uploads import SOURCE, Upload, uploads_in
from scheduler.intake.taking import Prospect, read_known_file, would_take_up
from worker.runtime import Runtime
from worker.store.runs import inbox_files
from worker.store.runs.repetitions import find_repeating
from worker.store.runs.runs import find_campaign_run, run_view

MOST_TRIED: Final = 20_000
"""For how many texts somebody who waits for an answer can have changes tried: some 20 s of processor time."""

NOT_UPLOADED: Final = "upload it first, or correct the name"


def plan_upload(runtime: Runtime, campaign: str, upload: Upload, *, now: datetime) -> Preview:
    """Return what the campaign in this file would do, and keep and send nothing. Raises as `submit_upload`."""
    with _told_as(campaign, upload):
        _read(runtime, campaign, upload, now)
        return preview.plan(upload.path, runtime.settings, rehearsal=runtime.rehearsal, now=now.replace(microsecond=0))


def study_upload(runtime: Runtime, campaign: str, upload: Upload, *, by: str | None, now: datetime) -> Capacity:
    """Return what the campaign in this file takes, and what would make it end by then. Raises as `capacity`."""
    with _told_as(campaign, upload):
        _read(runtime, campaign, upload, now)
        return capacity(
            upload.path,
            runtime.settings,
            by=by,
            rehearsal=runtime.rehearsal,
            now=now.replace(microsecond=0),
            most=MOST_TRIED,
        )


def prospect_of(runtime: Runtime, campaign: str, upload: Upload, *, now: datetime) -> Prospect:
    """Return what would become of the campaign in this file. Raises as `submit_upload`, and `Refused` if it is over."""
    with _told_as(campaign, upload):
        definition = _read(runtime, campaign, upload, now)
    prospect = would_take_up(runtime, definition, source=f"{campaign}.yaml")
    if prospect.decision.taken is Taken.KEPT:
        sentence = (
            f"{campaign} is planned already, with the people of its earlier campaigns as they were then, and that"
        )
        raise Refused(Refusal.WRONG_STATE, f"{sentence} plan stays: look at it, or change the file for a new one")
    if prospect.decision == TakeUp(Taken.OVER):
        sentence = f"a campaign called {campaign} has already run, and is over: to send this, choose another name"
        raise Refused(Refusal.WRONG_STATE, sentence)
    return prospect


def submit_upload(runtime: Runtime, actor: Actor, campaign: str, upload: Upload, *, now: datetime) -> Submitted:
    """Accept a campaign file as the inbox does, unless it and its tables are as they were.

    Call it for one campaign at a time, in a `sole` block. Raises `CampaignFileError`, `EditRefused`, `Refused`,
    `OfAnotherInstallation`.
    """
    key = upload_key(campaign, rehearsal=runtime.rehearsal)
    with _told_as(campaign, upload):
        definition = _read(runtime, campaign, upload, now)
        form = fingerprint(upload.path, look_at(upload.path, named_files(upload.path)))
        if (known := _known(runtime, key, form)) is not None:
            return known
        _refuse_if_in_inbox(runtime, campaign, key)
        require_own(runtime, upload.path.with_name(f"{campaign}.yaml"), campaign)
        with at_keys(upload.path, upload.path.parent):
            done = submit(runtime, actor, definition, source=f"{SOURCE}{campaign}.yaml")
    upload.keep_as(upload.path.with_name(f"{campaign}.yaml"))
    with runtime.store.write("upload_remember") as session:
        inbox_files.remember_file(session, key, fingerprint=form, run_id=done.run.id, problem="", now=now)
    return done


def upload_key(campaign: str, *, rehearsal: bool) -> str:
    """Return the key in the store of a campaign file that was uploaded."""
    return f"{'rehearsal:' if rehearsal else ''}{SOURCE}{campaign}.yaml"


def require_same_tables(session: Session, inbox: Path, campaign: str, *, rehearsal: bool) -> None:
    """Raise `Refused` if a table of an uploaded campaign that runs once was uploaded anew after its plan was made."""
    path = uploads_in(inbox) / f"{campaign}.yaml"
    entry = inbox_files.inbox_entry(session, upload_key(campaign, rehearsal=rehearsal))
    if entry is None or entry.run_id is None or run_view(session, entry.run_id).type is not RunType.ONCE:
        return
    if path.is_file() and has_other_files(fingerprint(path, look_at(path, named_files(path))), entry.fingerprint):
        sentence = f"a table of {campaign} has changed since it was planned: send the campaign file again, then approve"
        raise Refused(Refusal.OTHER_PLAN, sentence)


def _known(runtime: Runtime, key: str, form: str) -> Submitted | None:
    """Return the run of the file if it was accepted in this form. What it is called is what `submit` would call it."""
    with runtime.store.read() as session:
        entry = inbox_files.inbox_entry(session, key)
        if entry is None or entry.fingerprint != form or entry.run_id is None:
            return None
        run = run_view(session, entry.run_id)
        repeating = find_repeating(session, run.campaign_id)
        is_over = run.state in OVER if run.type is RunType.ONCE else repeating is not None and repeating.is_ended
        return Submitted(run, Taken.OVER if is_over else Taken.CONTINUED, 0)


def _read(runtime: Runtime, campaign: str, upload: Upload, now: datetime) -> Definition:
    definition = read_known_file(runtime, upload.path, now=now, inbox=upload.path.parent)
    if definition.campaign != campaign:
        problem = f"is {definition.campaign}, but the address says {campaign}"
        raise CampaignFileError([Problem(str(upload.path), 1, 1, "campaign", problem, "make them the same")])
    return definition


def _refuse_if_in_inbox(runtime: Runtime, campaign: str, key: str) -> None:
    with runtime.store.read() as session:
        run = find_campaign_run(session, campaign, rehearsal=runtime.rehearsal)
        others = [] if run is None else [path for path in inbox_files.files_of(session, run.campaign_id) if path != key]
    if others:
        sentence = f"{campaign} is the campaign of {Path(others[0]).name} in the inbox: change that file, or remove it"
        raise Refused(Refusal.WRONG_STATE, sentence)


@contextmanager
def _told_as(campaign: str, upload: Upload) -> Iterator[None]:
    """Let problems name the file as its sender does, and no folder of this machine."""
    try:
        yield
    except CampaignFileError as error:
        raise CampaignFileError(told(error.problems, campaign, upload), error.more) from None


def told(problems: Iterable[Problem], campaign: str, upload: Upload) -> list[Problem]:
    """Return problems with the names of files as their sender knows them, who sees no folder."""
    names = {upload.path.name: f"{campaign}.yaml"}
    return [
        replace(
            each,
            file=names.get(Path(each.file).name, Path(each.file).name.removeprefix(SOURCE)),
            hint=NOT_UPLOADED if each.hint == NOT_THERE else each.hint,
        )
        for each in problems
    ]
