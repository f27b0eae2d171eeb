"""`test`: one real text with the fields of one row, sent like any text, and kept apart from the campaign."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Final

from campaigns.audience.earlier import EarlierCampaigns, unknown_campaigns
from campaigns.codes import RunType
from campaigns.definition import (
    ContactListSource,
    Definition,
    Follow,
    InlineSource,
    Kind,
    Schedule,
    Throughput,
    Variant,
)
from campaigns.definition.models import Report
from campaigns.lifecycle import RecipientState, RunState
from campaigns.message.segments import segmentation
from campaigns.phone_numbers.masking import mask
from campaigns.planning.planned import PlannedRecipient
from campaigns.planning.planner import plan_recipients
from campaigns.planning.splitting import Split
from campaigns.timing.departures import Departure
from scheduler.actions.acting import Actor, acting, audited, nothing_done
from scheduler.actions.refusals import Refusal, Refused
from worker.runtime import Runtime
from worker.store.people import suppressions
from worker.store.runs import plans, runs, versions
from worker.store.runs.runs import TEST_PREFIX
from worker.store.sending import doubts

FOLLOWED_FOR: Final = timedelta(minutes=10)
"""The longest wait for the receipt of a test: somebody is waiting for the result."""

KIND: Final = "test"
"""The kind of its run, unlike any campaign's, so that a test does not count towards a frequency cap."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One text as it would be sent for one row; `row` is None for a contact list, whose rows are unknown here."""

    text: str
    variant: str
    source: str
    row: int | None


@dataclass(frozen=True, slots=True)
class PlannedTest:
    """The run of a test. `earlier` tests are in doubt: until they are looked up, their number gets no other text."""

    run_id: int
    earlier: tuple[int, ...]


def choose_sample(
    definition: Definition,
    *,
    row: int | None = None,
    variant: str | None = None,
    earlier: EarlierCampaigns = unknown_campaigns,
) -> Sample:
    """Return the text of the first row that can be sent to, or of the row with this number in its table.

    With variants: the text of the named one, or of the first. `earlier`: where people of other campaigns come from.
    Raises `Refused` if there is none, and `AudienceProblem` for a table that cannot be read.
    """
    if variant is not None and variant not in definition.messages:
        names = ", ".join(name for name in definition.messages if name)
        sentence = f"there is no variant {variant}; " + (f"there is {names}" if names else "there are none")
        raise Refused(Refusal.INVALID, sentence)
    name = next(iter(definition.messages)) if variant is None else variant
    first = definition.audience[0]
    if isinstance(first, ContactListSource):
        if row is not None:
            raise Refused(Refusal.INVALID, "a contact list has no rows here: leave --row out")
        return Sample(definition.message, "", f"contact list {first.contact_list}", None)
    chosen = next((planned for planned in _planned(definition, name, earlier) if _is_wanted(planned, row)), None)
    if chosen is None:
        what = "nobody in the audience can be texted" if row is None else f"there is no row {row} in the audience"
        raise Refused(Refusal.INVALID, f"{what}; see: campaigns plan")
    if chosen.state is not RecipientState.PENDING:
        sentence = f"row {row} of {chosen.source} is sent nothing ({chosen.reason}); choose another one"
        raise Refused(Refusal.INVALID, sentence)
    return Sample(chosen.text, name, chosen.source, chosen.line)


def _planned(definition: Definition, variant: str, earlier: EarlierCampaigns) -> Iterator[PlannedRecipient]:
    """Yield the audience, everybody in this variant. Nobody is counted: a million rows are not read for one."""
    mine = [each for each in definition.variants if each.name == variant]
    others = [each for each in definition.variants if each.name != variant]
    first = definition.model_copy(update={"variants": tuple[Variant, ...](chain(mine, others)), "holdout": 0})
    return iter(plan_recipients(first, split=Split(()), earlier=earlier))


def _is_wanted(planned: PlannedRecipient, row: int | None) -> bool:
    return planned.state is RecipientState.PENDING if row is None else planned.line == row


def refuse_opted_out(runtime: Runtime, to: str, definition: Definition) -> None:
    """Raise `Refused` for a number (E.164) that has opted out."""
    with runtime.store.read() as session:
        if suppressions.suppressed_among(session, [to], definition.kind):
            sentence = "this number has opted out, so it gets no test either; see: campaigns suppress list"
            raise Refused(Refusal.OPTED_OUT, sentence)


def plan_test(
    runtime: Runtime, actor: Actor, definition: Definition, sample: Sample, to: str, *, source: str
) -> PlannedTest:
    """Send the text to this number (E.164) at once; `source` is the name of the file. Raises `Refused`.

    It is a run of its own, in a campaign of its own: no query for the campaign's runs finds it.
    """
    refuse_opted_out(runtime, to, definition)
    now = runtime.clock.now()
    tested = _as_test(definition, to, sample)
    segments = segmentation(sample.text).segments
    person = PlannedRecipient(
        to, 0, sample.source, sample.row or 0, RecipientState.PENDING, "", sample.text, segments, Departure("", now),
        sample.variant,
    )  # fmt: skip
    slug = f"{TEST_PREFIX}{definition.campaign}"
    with acting(runtime.store, actor, "test", campaign=definition.campaign, subject=mask(to), now=now) as session:
        version = versions.register(session, tested, rehearsal=runtime.rehearsal, source=source, now=now, slug=slug)
        # An earlier test whose outcome is in doubt is looked up as well.
        earlier = [
            run.id
            for run in runs.campaign_runs(session, slug)
            if run.campaign_id == version.campaign_id and doubts.in_flight(session, run.id)
        ]
        run_id = runs.create_run(
            session,
            campaign_id=version.campaign_id,
            account_id=runtime.account_id,
            definition_id=version.definition_id,
            starts_at=now,
            follow_seconds=tested.follow.until.total_seconds(),
            kind=KIND,
            now=now,
            type=RunType.TEST,
            moment=f"test-{now:%Y-%m-%dT%H:%M:%S.%fZ}",
        )
        plans.insert_chunk(session, run_id, [(person, 0)])
        audited(session, run_id=run_id, plan_hash=definition.content_hash, rehearsal=runtime.rehearsal)
        plans.finish_plan(session, run_id, plan_hash=tested.content_hash, summary={}, now=now)
    return PlannedTest(run_id, tuple(earlier))


def _as_test(definition: Definition, to: str, sample: Sample) -> Definition:
    """Return the campaign without its times and audience; its phones, its limits and the account's limits stay."""
    return definition.model_copy(
        update={
            "kind": Kind.TRANSACTIONAL,  # somebody waits for it: the operator's hours and cap do not apply
            "message": definition.messages[sample.variant],
            "variants": (),
            "holdout": 0,
            "audience": (InlineSource(recipients=({"number": to},)),),
            "exclude": (),
            "schedule": Schedule(timezone=definition.schedule.timezone),
            "throughput": Throughput(),
            "frequency_cap": None,
            "follow": Follow(until=min(definition.follow.until, FOLLOWED_FOR)),
            "approval": False,
            "report": Report(),
        }
    )


def give_up_test(runtime: Runtime, actor: Actor, run_id: int) -> None:
    """Nobody waits any more: unsent texts must not go out hours later. Texts in doubt are still looked up.

    A run with nothing left to send stays as it is.
    """
    now = runtime.clock.now()
    with acting(runtime.store, actor, "test_given_up", now=now) as session:
        run = runs.run_view(session, run_id)
        audited(session, campaign=run.campaign.removeprefix(TEST_PREFIX), run_id=run_id)
        if run.state in {RunState.SCHEDULED, RunState.RUNNING}:
            runs.cancel_run(session, run_id, "nobody was waiting for this test any more", now)
        else:
            nothing_done(session)
