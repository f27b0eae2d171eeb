"""What the database knows about the people of a campaign that is only previewed, for `campaigns plan`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlmodel import Session

from campaigns.audience.earlier import EarlierCampaigns, unknown_campaigns
from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.display import shown_time
from campaigns.planning.approval import SHOWN
from campaigns.planning.frequency_cap import cap_of
from campaigns.planning.planner import Suppressed
from campaigns.planning.repeats import AlreadyTold
from scheduler.actions.opening import existing_store
from scheduler.inbox.foreign import foreign_line, foreign_status, named_in
from scheduler.intake.earlier import earlier_in
from scheduler.intake.month_so_far import MonthSoFar, month_so_far
from scheduler.intake.planning import already_told_in, suppressed_in
from worker.gateway_account import SANDBOX_ACCOUNT, account_fingerprint
from worker.limits.limits_in_force import Ceilings
from worker.settings.settings import Settings
from worker.store.runs.runs import find_campaign_run
from worker.store.sending.accounts import accounts_by_key
from worker.store.sending.frequency_caps import count_over


@dataclass(frozen=True, slots=True)
class KnownPeople:
    """Who has opted out, and how many of some numbers are over the campaign's cap; None if it has no cap.

    `already_told`: who recently got this very text from another campaign; `earlier`: the people of earlier campaigns.
    `warnings`: why it would not be sent like this. `so_far`: whom the phones texted this month, if they have a budget
    of people.
    """

    suppressed: Suppressed | None = None
    over_cap: Callable[[Sequence[str]], int] | None = None
    already_told: AlreadyTold | None = None
    earlier: EarlierCampaigns = unknown_campaigns
    warnings: tuple[str, ...] = ()
    so_far: MonthSoFar = field(default_factory=MonthSoFar)


@contextmanager
def known_people(
    file: Path, definition: Definition, settings: Settings, *, rehearsal: bool, now: datetime
) -> Iterator[KnownPeople]:
    """What is known, for as long as the block lasts; nothing if there is no database yet.

    An unreadable database raises as in other commands: a plan that shows opted-out people as pending is wrong.
    """
    cap = cap_of(definition, policy=settings.policy)
    account_key = SANDBOX_ACCOUNT if rehearsal else account_fingerprint(settings.gateway_url)
    with ExitStack() as opened:
        store = opened.enter_context(existing_store(settings))
        session = opened.enter_context(store.read()) if store else None
        account_id = accounts_by_key(session).get(account_key, 0) if session else 0
        suppressed = suppressed_in(store, definition.kind) if store else None
        told = already_told_in(store, definition, account_id, now) if store else None
        left = None
        if not rehearsal:
            named = partial(named_in, settings.inbox, file)
            left = foreign_status(session, file, definition.campaign, account_id, named)

        def over_cap(numbers: Sequence[str]) -> int:
            return count_over(session, numbers, account_id, cap, now=now) if session and cap else 0

        warnings = [foreign_line(file, definition.campaign, left)] if left else []
        if session:
            warnings += _planned_before(session, definition, rehearsal=rehearsal)
        earlier = opened.enter_context(earlier_in(store, definition, rehearsal=rehearsal))
        ceilings = Ceilings.from_settings(settings)
        so_far = month_so_far(store, account_id, ceilings, settings.zone, now=now)
        yield KnownPeople(suppressed, over_cap if cap else None, told, earlier, tuple(warnings), so_far)


def _planned_before(session: Session, definition: Definition, *, rehearsal: bool) -> tuple[str, ...]:
    """Warn that the campaign has a plan already, with the people of earlier campaigns as they were then."""
    run = find_campaign_run(session, definition.campaign, rehearsal=rehearsal) if definition.is_frozen else None
    if run is None or run.type is not RunType.ONCE or run.planned_at is None:
        return ()
    if run.started_at is not None or run.content_hash != definition.content_hash:
        return ()
    when = shown_time(run.planned_at, definition.schedule.zone)
    stays = f"with the people of {when}, and that plan stays: {run.plan_hash[:SHOWN]}"
    return (f"{run.campaign} is planned already, {stays}; this one shows them as they are now",)
