"""The people of earlier campaigns as an audience: each is read once for a plan, which may pass over it twice."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from typing import IO, Final
from zoneinfo import ZoneInfo

import orjson

from campaigns.audience import AudienceProblem, AudienceRow
from campaigns.audience.earlier import FIELDS, EarlierCampaigns, EarlierPeople, unknown_campaigns
from campaigns.definition import CampaignSource, Definition
from campaigns.message.vocabulary import YES_OR_NO
from campaigns.planning.tables import EarlierProblem
from campaigns.values.scalars import nearest
from worker.store.engine import Store
from worker.store.people import earlier_people
from worker.store.people.earlier_people import EarlierPerson, EarlierRuns

READ_BYTES: Final = 256 * 1024
"""How much of the people is read at once: some thousands."""


@contextmanager
def earlier_in(store: Store | None, definition: Definition, *, rehearsal: bool) -> Iterator[EarlierCampaigns]:
    """Let the people of earlier campaigns be read while the block lasts; `store` None: nothing was ever sent.

    Each campaign is read when it is first asked for, and stays as it was then. People are kept in a temporary file, of
    some 60 bytes each.
    """
    if store is None or not any(isinstance(source, CampaignSource) for source in definition.audience):
        yield unknown_campaigns
        return
    read: dict[str, EarlierPeople] = {}
    with ExitStack() as files:

        def people_of(campaign: str) -> EarlierPeople:
            if campaign not in read:
                file = files.enter_context(TemporaryFile())
                read[campaign] = _read(store, campaign, file, definition.schedule.zone, rehearsal=rehearsal)
            return read[campaign]

        yield people_of


def problem_in(store: Store, *, rehearsal: bool) -> EarlierProblem:
    """Return what finds out whether a campaign can be an audience."""

    def problem(campaign: str) -> tuple[str, str] | None:
        try:
            _begun(store, campaign, rehearsal=rehearsal)
        except AudienceProblem as error:
            return error.problem, error.hint
        return None

    return problem


def _begun(store: Store, campaign: str, *, rehearsal: bool) -> EarlierRuns:
    """Return the runs of a campaign. Raises `AudienceProblem` if it is not known or has not begun."""
    with store.read() as session:
        if found := earlier_people.begun_runs(session, campaign, rehearsal=rehearsal):
            return found
        if earlier_people.is_known(session, campaign, rehearsal=rehearsal):
            hint = "plan this campaign once the other one has begun to send"
            raise AudienceProblem(f"{campaign} has not run yet, so nobody knows its people", hint)
        if not rehearsal and earlier_people.is_known(session, campaign, rehearsal=True):
            hint = f"send {campaign} first, or rehearse this one as well, with --sandbox"
            raise AudienceProblem(f"{campaign} was only rehearsed", hint)
        near = nearest(campaign, earlier_people.known_campaigns(session, rehearsal=rehearsal))
    raise AudienceProblem(
        f"there is no campaign {campaign}", f"did you mean {near}?" if near else "list them with: campaigns status"
    )


class _People:
    """The people of one campaign in a file, as they were when it was written."""

    def __init__(self, file: IO[bytes], warnings: tuple[str, ...]) -> None:
        self._file = file
        self.warnings = warnings

    def __iter__(self) -> Iterator[AudienceRow]:
        place, line = 0, 0
        while True:
            self._file.seek(place)  # somebody else may have read in between
            lines = self._file.readlines(READ_BYTES)
            place = self._file.tell()
            if not lines:
                return
            for written in lines:
                line += 1
                fields = dict(zip(FIELDS, orjson.loads(written), strict=True))
                yield AudienceRow(line, fields["number"], fields)


def _read(store: Store, campaign: str, file: IO[bytes], zone: ZoneInfo, *, rehearsal: bool) -> EarlierPeople:
    earlier = _begun(store, campaign, rehearsal=rehearsal)
    with store.read() as session:
        for person in earlier_people.people_of(session, earlier):
            file.write(orjson.dumps(_shown(person, zone)) + b"\n")
    still = f"{campaign} is not over: its people are taken with what is known of their texts now"
    return _People(file, () if earlier.is_over else (still,))


def _shown(person: EarlierPerson, zone: ZoneInfo) -> tuple[str, ...]:
    """Return the fields of a person, in the order of `FIELDS`, by the clocks of the campaign that is planned."""
    yes, no = YES_OR_NO
    delivered = person.delivered_at.astimezone(zone).isoformat(" ", "minutes") if person.delivered_at else ""
    return (
        person.number,
        person.state.value,
        yes if person.replied else no,
        yes if person.opted_out else no,
        person.variant,
        delivered,
    )
