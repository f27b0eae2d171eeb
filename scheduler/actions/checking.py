"""Whether a campaign file can be used. The database is asked only for the campaigns whose people a file names."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from campaigns.audience import AudienceProblem
from campaigns.audience.earlier import nobody_known
from campaigns.checking import check_file
from campaigns.definition import Definition
from campaigns.definition.reading import at_keys, placed
from campaigns.money.price_file import PriceFileError
from campaigns.planning.planner import Plan
from campaigns.planning.tables import EarlierProblem
from campaigns.problems import CampaignFileError, Problem
from campaigns.timing.placing import Placer
from scheduler.intake.objections import decided_by_texts, objections
from worker.limits.limits_in_force import Ceilings
from worker.limits.live_prices import LivePrices
from worker.limits.money import money_budgets, no_budget_can_be_kept
from worker.limits.planned_limits import limits_of
from worker.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a campaign file: its first problems, the number of `more`, and possible mistakes."""

    problems: tuple[Problem, ...]
    more: int
    warnings: tuple[Problem, ...]


def check(
    path: Path, settings: Settings, *, now: datetime, inbox: Path | None = None, earlier: EarlierProblem | None = None
) -> Checked:
    """Check a campaign file and the tables that it names, with `inbox` as in `check_file`.

    `earlier` is as there; None: the database that the settings name is asked, if there is one.
    """

    def in_database(campaign: str) -> tuple[str, str] | None:
        from scheduler.actions.plans.earlier import problem_of  # it loads the database

        return problem_of(settings, campaign)

    warnings: list[Problem] = []
    try:
        definition = check_file(
            path,
            timezone=settings.timezone,
            region=settings.region,
            now=now,
            policy=settings.policy,
            warnings=warnings,
            inbox=inbox,
            earlier=earlier or in_database,
        )
        with at_keys(path, inbox):
            _require_sendable(path, definition, settings, now)
    except CampaignFileError as error:
        return Checked(error.problems, error.more, tuple(warnings))
    return Checked((), 0, (*warnings, *placed(_unpriced(path, definition, settings), path, inbox)))


def _require_sendable(path: Path, definition: Definition, settings: Settings, now: datetime) -> None:
    """Raise `CampaignFileError` with what a plan would be refused for, as far as it shows without the database.

    The plan is made only if a budget is so small that not every text may fit into it.
    """
    prices, ceilings = LivePrices(settings.prices).current(), Ceilings.from_settings(settings)
    limits, budgets = limits_of(definition, settings), money_budgets(ceilings, settings.zone, definition)
    plan: Plan | None = None
    if decided_by_texts(limits, budgets, prices):
        from scheduler.actions.plans.known import KnownPeople  # they load what else a plan takes
        from scheduler.actions.plans.preview import plan_of
        from worker.limits.bills import pricing_of

        pricing = pricing_of(prices, ceilings, settings.zone, definition, now)
        people = KnownPeople(earlier=nobody_known)
        plan = plan_of(definition, Placer(definition.schedule, now), people, pricing, now)
        with suppress(AudienceProblem):  # a table that was replaced since it was read
            deque(plan, maxlen=0)
    found = objections(definition, limits, budgets, prices, plan=plan, now=now)
    if problems := [Problem(str(path), 1, 1, *objection) for objection in found]:
        raise CampaignFileError(problems)


def _unpriced(path: Path, definition: Definition, settings: Settings) -> Iterator[Problem]:
    """Yield why prices cannot be used, or a budget not be kept by them: they are not the file's own mistakes."""
    prices = LivePrices(settings.prices)
    if isinstance(error := prices.error(), PriceFileError):
        yield Problem(error.file, max(1, error.line), 1, "", error.problem)
    budgets = money_budgets(Ceilings.from_settings(settings), settings.zone, definition)
    if problem := no_budget_can_be_kept(prices, budgets, definition):
        yield Problem(str(path), 1, 1, budgets[0].path, problem)
