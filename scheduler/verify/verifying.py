"""The reckoning as a whole: all checks of all runs of a campaign."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from scheduler.verify.checks import Check, CheckResult, Reckoning
from scheduler.verify.facts import Rules, RunFacts, declarations, facts_of
from scheduler.verify.gateway import GatewayReads, GatewayUnread
from scheduler.verify.judges.audit import judge_chain, judge_decisions
from scheduler.verify.judges.books import COLUMNS, BooksJudge
from scheduler.verify.judges.caps import CapJudge
from scheduler.verify.judges.doubles import DoubleJudge
from scheduler.verify.judges.hours import ZoneJudge, judge_hours
from scheduler.verify.judges.messages import MessageJudge
from scheduler.verify.judges.money import judge_budgets, judge_charges
from scheduler.verify.judges.opt_outs import OptOutJudge
from scheduler.verify.judges.people import judge_people
from scheduler.verify.judges.rates import judge_rates
from scheduler.verify.judges.requests import judge_requests
from scheduler.verify.judges.steps import StepJudge
from scheduler.verify.pages import ReadDatabase, by_id, of_values
from worker.store.events import EventName
from worker.store.tables import audience_sources, events, recipients


@dataclass(frozen=True, slots=True)
class Verified:
    """What every check found about these runs.

    `is_offline`: why the gateway was not asked, or not to the end (`is_cut_off`); empty: it was.
    """

    runs: tuple[int, ...]
    checks: tuple[CheckResult, ...]
    is_offline: str = ""
    is_cut_off: bool = False

    @property
    def wrong(self) -> int:
        """How much is wrong."""
        return sum(result.wrong for result in self.checks)


def verify(
    store: ReadDatabase,
    run_ids: Sequence[int],
    rules: Rules,
    gateway: GatewayReads | None,
    *,
    now: datetime,
    is_offline: str = "",
) -> Verified:
    """Work out every promise about some runs of a campaign, a page of rows at a time.

    `gateway` None: its messages are left out, because of `is_offline`.
    """
    reckoning, is_cut_off = Reckoning(rules.zone), False
    with store.read() as session:
        if session.get_bind().dialect.name == "postgresql":  # all of it as it is at one moment
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        found = facts_of(session, run_ids)
        for run in found:
            _judge_run(session, run, rules, reckoning)
        for mine in by_account(found):
            judge_rates(session, mine, rules, reckoning)
            judge_people(session, mine, rules, reckoning)
            judge_budgets(session, mine, rules, reckoning)
        judge_chain(session, reckoning)
        judge_decisions(session, found, reckoning)
        moved = {mine[0].account_id: _moved_at(session, mine[0].account_id) for mine in by_account(found)}
    if gateway is not None:
        for mine in by_account(found):
            since = moved[mine[0].account_id]
            here = [run for run in mine if since is None or run.created_at > since]
            if len(here) < len(mine):
                reckoning.noted(
                    Check.MESSAGES,
                    "{} runs are from before the gateway was set up anew: their messages were left out",
                    len(mine) - len(here),
                )
            try:
                if here:
                    MessageJudge(store, here, gateway, reckoning, now=now).judge()
            except GatewayUnread as error:
                is_offline, is_cut_off = str(error), True
                break
    with store.read() as session:
        reckoning.place(lambda rows: _places(session, sorted(rows)))
    return Verified(tuple(run.id for run in found), tuple(reckoning.results()), is_offline, is_cut_off)


def _judge_run(session: Session, run: RunFacts, rules: Rules, reckoning: Reckoning) -> None:
    declared = declarations(session, run.id)
    books = BooksJudge(session, run, declared, reckoning)
    judges = (
        books,
        DoubleJudge(session, run, _moved_at(session, run.account_id), reckoning),
        CapJudge(session, run, rules, reckoning),
        OptOutJudge(session, run, reckoning),
        ZoneJudge(session, run, reckoning),
        StepJudge(session, run, reckoning),
    )
    query = sa.select(*COLUMNS).where(recipients.c.run_id == run.id)
    for rows in by_id(session, query, recipients.c.id):
        for judge in judges:
            judge.page(rows)
    books.end()
    judge_requests(session, run, declared, reckoning)
    judge_hours(session, run, rules, reckoning)
    judge_charges(session, run, reckoning)


def _places(session: Session, rows: Sequence[int]) -> dict[int, str]:
    """Return where each row was read from, as `why` says it."""
    columns: tuple[Any, ...] = recipients.c.id, recipients.c.line, audience_sources.c.name
    query = sa.select(*columns).join(audience_sources, audience_sources.c.id == recipients.c.source_id)
    found = of_values(session, rows, lambda part: query.where(recipients.c.id.in_(part)))
    return {row: f"row {line} of {name}" for row, line, name in found}


def by_account(found: Sequence[RunFacts]) -> list[list[RunFacts]]:
    """Return runs by the gateway that they were sent through."""
    accounts: dict[int, list[RunFacts]] = defaultdict(list)
    for run in found:
        accounts[run.account_id].append(run)
    return list(accounts.values())


def _moved_at(session: Session, account_id: int) -> datetime | None:
    """Return when the gateway of an account was last set up anew; None: never."""
    columns: tuple[Any, ...] = events.c.at, events.c.detail
    query = sa.select(*columns).where(events.c.name == EventName.ACCOUNT_NEW_GATEWAY).order_by(events.c.id.desc())
    return next((at for at, detail in session.execute(query) if detail.get("account", account_id) == account_id), None)
