"""Plans a campaign row by row: who gets which text, and who gets none and why. Sends and stores nothing."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import islice
from typing import Final

from campaigns.audience.earlier import EarlierCampaigns, unknown_campaigns
from campaigns.codes import OPTED_OUT
from campaigns.definition import Definition
from campaigns.lifecycle import RecipientState
from campaigns.message.texts import Texts
from campaigns.money.costs import NO_PRICE, CostTally, Pricing
from campaigns.planning.figures import PlanSummary, Tally
from campaigns.planning.planned import PlannedRecipient
from campaigns.planning.repeats import AlreadyTold
from campaigns.planning.row_planner import Judged, MakeJudge, RowPlanner, nothing_for
from campaigns.planning.splitting import CONTROL, PersonHash, Split, split_of
from campaigns.steps.figures import StepTally
from campaigns.timing.placing import Placer

_CHUNK_ROWS: Final = 1000  # rows per question about suppression

Suppressed = Callable[[Sequence[str]], Set[str]]
"""Returns which of these numbers (E.164, at most 1000 at a time) have opted out."""


def plan_recipients(
    definition: Definition,
    *,
    placer: Placer | None = None,
    suppressed: Suppressed | None = None,
    split: Split | None = None,
    already_told: AlreadyTold | None = None,
    earlier: EarlierCampaigns = unknown_campaigns,
    pricing: Pricing | None = None,
) -> "Plan":
    """Return the plan of a campaign's audience. Nothing is read before it is iterated.

    Without a `placer` nobody is placed in time. With a `split` (the `cuts` of an earlier plan), control group and
    variants are those of that plan, also for new people; without one they are cut from this audience. `earlier`: where
    people of other campaigns come from. With `pricing` the texts are priced. Memory grows by 24 to 48 bytes per number
    seen. Raises `TemplateProblem` for a bad message.
    """
    return Plan(definition, placer, suppressed, split, already_told=already_told, earlier=earlier, pricing=pricing)


class Plan:
    """Rows in audience order, made during iteration; `summary` grows with them.

    Iterating again plans again, from the files as they are then. Raises `AudienceProblem` for an unusable table.
    """

    def __init__(
        self,
        definition: Definition,
        placer: Placer | None = None,
        suppressed: Suppressed | None = None,
        split: Split | None = None,
        judge: MakeJudge | None = None,
        already_told: AlreadyTold | None = None,
        earlier: EarlierCampaigns = unknown_campaigns,
        pricing: Pricing | None = None,
    ) -> None:
        self._make_judge = judge or RowPlanner
        self._earlier = earlier
        self._definition = definition
        self._placer = placer
        self._suppressed = suppressed
        self._already_told = already_told
        self._pricing = pricing
        self._given_split = split
        steps = {step.name: step.message for step in definition.steps}
        self._texts = Texts(definition.messages, definition.schedule, definition.encoding, steps)
        self._hash_of = PersonHash(definition.campaign).of
        self._shares = {variant.name: variant.share for variant in definition.variants}
        self._tally = self._new_tally()
        self._hash = ""

    @property
    def summary(self) -> PlanSummary:
        """The figures of the rows so far."""
        return self._tally.summary()

    @property
    def longest_text(self) -> str:
        """The most expensive text so far; for a contact list, whose rows are unknown, the text that everybody gets."""
        return self.summary.longest_text if self._definition.contact_list is None else self._definition.message

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the definition and each row's number, state and texts. Raises ValueError before the end."""
        if not self._hash:
            raise ValueError("a plan has no hash before all of its rows were read: iterate it to the end")
        return self._hash

    def _new_tally(self) -> Tally:
        costs = CostTally(self._pricing) if self._pricing else None
        steps = StepTally(self._definition.steps, self._pricing)
        return Tally(self._definition.schedule.zone, self._shares, self._definition.encoding, costs, steps)

    def __iter__(self) -> Iterator[PlannedRecipient]:
        self._tally, self._hash = self._new_tally(), ""
        digest = hashlib.sha256(self._definition.content_hash.encode())
        placer, split = self._surveyed()
        self._tally.cuts = split.cuts if split else ()
        for judged in self._judged(placer, split, self._tally.warnings):
            chunk = list(self._without_control(self._without_suppressed(self._without_unpriced(judged)), split))
            self._tally.add(chunk)
            if self._already_told is not None:
                going = [(row.number, row.text) for row, _ in chunk if row.state is RecipientState.PENDING]
                self._tally.repeats.add(self._already_told(going))
            # NUL is the separator, because no cell and no text can contain it.
            rows = [row for row, _ in chunk]
            digest.update("".join([f"{row.number}\0{row.state}\0{row.text}\0" for row in rows]).encode())
            if self._definition.steps:
                digest.update("".join([f"{step.text}\0" for row in rows for step in row.steps]).encode())
            yield from rows
        if unread := self._tally.unread_exclusions:
            digest.update(f"{unread} rows of people to exclude contain no number".encode())
        self._hash = digest.hexdigest()

    def _surveyed(self) -> tuple[Placer | None, Split | None]:
        """Return the placer and the split of this pass. A spread or shares need a first pass to count everybody.

        A turn of a spread may stay empty: its person opted out or is in the control group.
        """
        placer, split = self._placer, self._given_split
        is_split = self._definition.is_split and split is None
        if not is_split and not (placer and placer.needs_counting):
            return placer and placer.afresh(), split
        clocks: Counter[str] = Counter()
        people = array("Q")
        for judged in self._judged(placer and placer.counting(), None, []):
            clocks.update(row.departure.zones for row, cost in judged if cost and row.departure)
            if is_split:
                hash_of = self._hash_of
                people.extend(hash_of(row.number) for row, _ in self._without_suppressed(judged) if row.text)
        if is_split:
            shares = list(self._shares.values()) or [100]
            split = split_of(people, holdout=self._definition.holdout, shares=shares)
        return placer and placer.afresh(clocks), split

    def _judged(self, placer: Placer | None, split: Split | None, warnings: list[str]) -> Iterator[list[Judged]]:
        """Yield every row of the audience, decided by itself and the rows before it."""
        part = None if split is None else lambda number: split.part(self._hash_of(number))
        judge = self._make_judge(self._definition, self._texts, part, placer, warnings, self._earlier)
        rows = judge.rows()
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            self._tally.unread_exclusions, self._tally.left_out = judge.unread.total(), judge.left_out()
            yield chunk

    def _without_unpriced(self, chunk: Sequence[Judged]) -> Sequence[Judged]:
        costs = self._tally.costs
        if costs is None or not costs.pricing.needs_price:
            return chunk
        return [
            nothing_for(row, RecipientState.INVALID, NO_PRICE)
            if row.text and costs.cost_of(row.number, row.segments, row.departure and row.departure.at) is None
            else (row, cost)
            for row, cost in chunk
        ]

    def _without_suppressed(self, chunk: Sequence[Judged]) -> Iterable[Judged]:
        if self._suppressed is None:
            return chunk
        opted_out = self._suppressed([row.number for row, _ in chunk if row.state is RecipientState.PENDING])
        return (
            nothing_for(row, RecipientState.SUPPRESSED, OPTED_OUT)
            if row.state is RecipientState.PENDING and row.number in opted_out
            else (row, cost)
            for row, cost in chunk
        )

    def _without_control(self, chunk: Iterable[Judged], split: Split | None) -> Iterable[Judged]:
        if split is None or not self._definition.holdout:
            return chunk
        reason = f"in the control group of {self._definition.holdout} %"
        return (
            nothing_for(row, RecipientState.HOLDOUT, reason)
            if row.text and split.part(self._hash_of(row.number)) == CONTROL
            else (row, cost)
            for row, cost in chunk
        )
