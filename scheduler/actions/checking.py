"""Whether a campaign file can be used: asked without a database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from campaigns.checking import check_file
from campaigns.definition import Definition
from campaigns.money.price_file import PriceFileError
from campaigns.problems import CampaignFileError, Problem
from worker.limits.limits_in_force import Ceilings
from worker.limits.live_prices import LivePrices
from worker.limits.money import money_budgets, no_budget_can_be_kept
from worker.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a campaign file: its first problems, the number of `more`, and possible mistakes."""

    problems: tuple[Problem, ...]
    more: int
    warnings: tuple[Problem, ...]


def check(path: Path, settings: Settings, *, now: datetime, inbox: Path | None = None) -> Checked:
    """Check a campaign file and the tables that it names, with `inbox` as in `check_file`."""
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
        )
    except CampaignFileError as error:
        return Checked(error.problems, error.more, tuple(warnings))
    return Checked((), 0, (*warnings, *_of_money(path, definition, settings)))


def _of_money(path: Path, definition: Definition, settings: Settings) -> Iterator[Problem]:
    """Yield why prices cannot be used, or a budget not be kept by them: they are not the file's own mistakes."""
    prices = LivePrices(settings.prices)
    if isinstance(error := prices.error(), PriceFileError):
        yield Problem(error.file, max(1, error.line), 1, "", error.problem)
    elif problem := no_budget_can_be_kept(
        prices, money_budgets(Ceilings.from_settings(settings), settings.zone, definition), definition
    ):
        yield Problem(str(path), 1, 1, "throughput.budget", problem)
