"""`capacity`: what a plan takes, and the smallest changes of each kind that would make it end by a moment.

Every change is tried on the forecast that `plan` shows, with the people, limits and requests that it would have.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from campaigns.definition import Definition
from campaigns.definition.models import TextEncoding
from campaigns.definition.reading import at_keys
from campaigns.definition.schedule import Schedule, parse_start
from campaigns.forecast.trials import PeopleInOrder, Recorder, smallest
from campaigns.planning.planner import plan_recipients
from campaigns.planning.splitting import Split
from scheduler.actions.plans.changing import Option, Setup, options
from scheduler.actions.plans.known import KnownPeople, known_people
from scheduler.actions.plans.preview import Preview, preview
from scheduler.actions.plans.unpaid import Unpaid, is_over_total, texts_of, unpaid
from scheduler.actions.refusals import Refusal, Refused
from scheduler.intake.taking import read_file
from worker.limits.batch_limits import routes
from worker.limits.live_prices import LivePrices
from worker.settings.settings import Settings

SQLITE_BYTES: Final = 190
POSTGRESQL_BYTES: Final = 890
"""What a recipient takes in the database, beside the text (`make bench`, `life`)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A key of the file, or a setting, that alone would be enough: what it says, what it would have to say, and when
    the last text would leave then."""

    key: str
    now: str
    needed: str
    last_send_at: datetime


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a plan takes. `changes` are those that make it end by `by`; none are needed if it does already.

    `takes`: from the first text to the last, at `last_send_at`; None: more than a year, or never, since some are
    `unpaid`. `disk_bytes`: in the database, roughly.
    """

    seen: Preview
    phones: int
    texts: int
    unpaid: Unpaid | None
    last_send_at: datetime | None
    takes: timedelta | None
    disk_bytes: int
    by: datetime | None
    is_in_time: bool
    changes: tuple[Change, ...]


def capacity(
    file: Path, settings: Settings, *, by: str | None, rehearsal: bool, now: datetime, most: int | None = None
) -> Capacity:
    """Return what the campaign in a file takes from `now` on, and what makes it end by a moment, written as a start is.

    `most`: for how many texts changes are tried. Raises `CampaignFileError`, `StoreError`, and `Refused` for a campaign
    without an end of its own.
    """
    definition = read_file(file, settings, now=now)
    _refuse_endless(definition)
    until = _moment(by, definition.schedule, now) if by is not None else None
    with known_people(file, definition, settings, rehearsal=rehearsal, now=now) as known:
        with at_keys(file):
            seen = preview(definition, settings, source=str(file), now=now, people=known)
        if until is not None and most is not None and texts_of(seen.forecast) > most:
            sentence = (
                f"changes are tried here for up to {most:,} texts; for more, ask for them with: campaigns capacity"
            )
            raise Refused(Refusal.INVALID, sentence)
        study = Study(seen, settings, known, now)
        lost = unpaid(seen.forecast, definition, list(seen.money), LivePrices(settings.prices))
        last, texts = seen.forecast.last_send_at if seen.forecast and not lost else None, texts_of(seen.forecast)
        is_in_time = texts == 0 or (lost is None and (until is None or (last is not None and last <= until)))
        return Capacity(
            seen,
            phones=len(routes(definition, first=0)),
            texts=texts,
            unpaid=lost,
            last_send_at=last,
            takes=last - seen.forecast.first_send_at if seen.forecast and last else None,
            disk_bytes=seen.summary.audience * _row_bytes(settings) + study.base.people.text_bytes,
            by=until,
            is_in_time=is_in_time,
            changes=() if until is None or is_in_time else tuple(map(_change, study.solutions(until))),
        )


def _change(found: "Solution") -> Change:
    return Change(found.option.key, found.option.now, found.needed, found.last_send_at)


def _refuse_endless(definition: Definition) -> None:
    if definition.contact_list is not None:
        raise Refused(Refusal.INVALID, "only the gateway knows how many people a contact list has")
    if definition.schedule.remind is not None:
        raise Refused(
            Refusal.INVALID, "a campaign with reminders has no end: each of its texts has a moment of its own"
        )


def _moment(text: str, schedule: Schedule, now: datetime) -> datetime:
    """Parse a moment by the clocks of the campaign. Raises `Refused`."""
    try:
        parsed = parse_start(text.strip())
    except ValueError as error:
        raise Refused(Refusal.INVALID, f"--by {error}") from None
    if parsed is None:
        raise Refused(Refusal.INVALID, "--by has to be a moment to come, such as 2026-12-01 18:00")
    moment = schedule.model_copy(update={"start": parsed}).start_at()
    assert moment is not None  # noqa: S101  it has a start
    if moment <= now:
        raise Refused(Refusal.INVALID, f"--by {text.strip()} is in the past: give a moment to come")
    return moment


def _row_bytes(settings: Settings) -> int:
    return SQLITE_BYTES if settings.database_url.startswith("sqlite") else POSTGRESQL_BYTES


@dataclass(frozen=True, slots=True)
class Solution:
    """The steps of an option that are enough: the campaign as it would be sent then, what its key would have to say,
    and when the last text would leave."""

    option: Option
    steps: int
    setup: Setup
    needed: str
    last_send_at: datetime


class Study:
    """Tries changes of one campaign."""

    def __init__(self, seen: Preview, settings: Settings, known: KnownPeople, now: datetime) -> None:
        self._known = known
        self._now = now
        self._firing = seen.runs[0] if seen.runs else None
        self._texts = texts_of(seen.forecast)
        cuts = seen.summary.cuts
        self._split = Split(cuts) if cuts else None  # of who is placed in time, which a recorder does not know
        self._has_ucs2 = bool(seen.summary.encodings.get("UCS-2"))
        prices = LivePrices(settings.prices).current()
        self.base = Setup(seen.definition, settings, self._people(seen.definition), known.so_far, prices)

    def solutions(self, until: datetime) -> Iterator[Solution]:
        """Yield the smallest change of each kind that makes the campaign end by then."""
        for option in (*options(self.base, self._now), *self._encodings()):

            def works(steps: int, option: Option = option) -> bool:
                return self.ends(option.after(steps)[0], until) is not None

            if option.is_limit and not works(option.most):
                continue
            if (steps := smallest(works, option.most)) is not None:
                setup, needed = option.after(steps)
                if last := self.ends(setup, until):
                    yield Solution(option, steps, setup, needed, last)

    def ends(self, setup: Setup, until: datetime) -> datetime | None:
        """Return when its last text would leave, if that is in time, is paid for, and nobody gets less for it."""
        tried = setup.forecast(self._now, self._firing)
        if tried is None or tried.last_send_at is None or is_over_total(tried, setup.definition):
            return None
        return tried.last_send_at if tried.last_send_at <= until and texts_of(tried) >= self._texts else None

    def _people(self, definition: Definition) -> PeopleInOrder:
        recorder = Recorder(definition.schedule, self._now)
        plan = plan_recipients(
            definition,
            placer=recorder,
            suppressed=self._known.suppressed,
            split=self._split,
            earlier=self._known.earlier,
        )
        return PeopleInOrder(plan, recorder)

    def _encodings(self) -> Iterator[Option]:
        """What replaces more characters, the smaller change first. The texts are made again."""
        order = [TextEncoding.AS_IS, TextEncoding.GSM, TextEncoding.GSM_PLAIN]
        now = self.base.definition.encoding
        further = order[order.index(now) + 1 :] if self._has_ucs2 else []

        def after(steps: int) -> tuple[Setup, str]:
            encoding = further[steps - 1]
            definition = self.base.definition.model_copy(update={"encoding": encoding})
            return replace(self.base, definition=definition, people=self._people(definition)), encoding.value

        yield Option("encoding", now.value, len(further), after)
