"""The gateway account: paused with a reason, probed, resumed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import PAUSED, PausedBy
from campaigns.sending.backoff import probe_after
from worker.logs import get_logger
from worker.servers.conditions import REHEARSE_ANEW
from worker.store.models import Account
from worker.store.notifications.outbox import announce_account
from worker.store.statements import Statement
from worker.store.tables import accounts, attempts
from worker.store.transitions import changed

FAILURES_TO_PAUSE: Final = 5
"""After this many failed connections in a row the account is paused and probed, instead of tried by every batch."""


QUARANTINED_REHEARSAL: Final = (
    "the database is older than what was sent from it (it was removed or restored); "
    f"{REHEARSE_ANEW}; otherwise rehearse with another one, such as CAMPAIGNS_DATABASE_URL=sqlite:///rehearsal.db"
)
"""For a private sandbox, which no command sweeps. Real texts may have been sent from that database, too: then the mark
beside it must stay, and this names another way."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """What is known of an account. `paused_reason` is what people see about its pause."""

    id: int
    paused_by: PausedBy
    paused_reason: str
    paused_at: datetime | None
    next_probe_at: datetime | None
    failures: int
    highest_gateway_id: int
    told: tuple[str, ...] = ()
    probes: int = 0

    @property
    def is_paused(self) -> bool:
        """Return whether nothing is sent through it."""
        return self.paused_by is not PausedBy.NOBODY

    @property
    def is_on_trial(self) -> bool:
        """Return whether it sends again after a trouble, and nothing has shown yet that the trouble is over."""
        return not self.is_paused and bool(self.told)


def ensure_account(session: Session, key: str) -> int:
    """Return the account's row, making it if it is missing; `key` is a fingerprint, never the API key."""
    query = sa.select(accounts.c.id).where(accounts.c.key == key)
    found: int | None = session.scalars(query).first()
    if found is not None:
        return found
    try:
        with session.begin_nested():
            account = Account(key=key)
            session.add(account)
            session.flush()
            return account.id
    except sa.exc.IntegrityError:
        # Processes of a new service start at the same moment: another one was first.
        return int(session.scalars(query).one())


_ACCOUNT: Final = sa.select(accounts).where(accounts.c.id == sa.bindparam("b_account"))


def account_view(session: Session, account_id: int) -> AccountView:
    """Return the account's row."""
    row = session.connection().execute(_ACCOUNT, {"b_account": account_id}).one()
    return AccountView(
        row.id,
        row.paused_by,
        row.paused_reason or PAUSED.get(row.paused_by, ""),
        row.paused_at,
        row.next_probe_at,
        row.failures,
        row.highest_gateway_id,
        tuple(row.told),
        row.probes,
    )


def accounts_by_key(session: Session) -> dict[str, int]:
    """Return the id of every account by the fingerprint of its gateway's address."""
    return dict(session.execute(sa.select(accounts.c.key, accounts.c.id)).all())


def is_met(session: Session, account_id: int) -> bool:
    """Return whether the gateway was read once before anything was sent through it."""
    return session.scalars(sa.select(accounts.c.met_at).where(accounts.c.id == account_id)).one() is not None


def record_gateway_state(
    session: Session, account_id: int, *, newest_id: int, seen_at: datetime | None, now: datetime
) -> None:
    """Remember what the gateway had before anything was sent from this database; `newest_id` 0: no message.

    Its newest message is the floor of the first requests, and the first witness that reads show what there is;
    `seen_at` is when the gateway says it was sent.
    """
    witness = {"witness_id": newest_id, "witness_at": seen_at or now} if newest_id else {}
    session.execute(
        sa.update(accounts)
        .where(accounts.c.id == account_id, accounts.c.met_at.is_(None))
        .values(met_at=now, **witness)
    )
    raise_floor(session, account_id, newest_id)


def resume_account(session: Session, account_id: int) -> bool:
    """Allow texts to be sent again. False: it was not paused.

    The breaker is then half open: one more failed connection pauses the account again.
    """
    ended = accounts.c.paused_by.not_in([PausedBy.NOBODY, PausedBy.RELOCATION])
    statement = sa.update(accounts).where(accounts.c.id == account_id, ended)
    values = {"paused_by": PausedBy.NOBODY, "paused_reason": "", "paused_at": None, "next_probe_at": None}
    return bool(changed(session, statement.values(**values, failures=FAILURES_TO_PAUSE - 1)))


def note_probe(session: Session, account_id: int, until: datetime, *, reason: str = "") -> None:
    """It was tried whether the account works. Look again then: at the pause, or whether the trouble is over.

    `reason`: why it is paused still, which may be another one by now.
    """
    statement = sa.update(accounts).where(accounts.c.id == account_id)
    session.execute(statement.values(next_probe_at=until, probes=accounts.c.probes + 1))
    if reason:
        session.execute(statement.where(accounts.c.paused_by == PausedBy.GATEWAY).values(paused_reason=reason))


def end_trouble(session: Session, account_id: int) -> None:
    """Record that the account works again: its next trouble is a new one."""
    values = {"told": [], "probes": 0, "next_probe_at": None}
    session.execute(sa.update(accounts).where(accounts.c.id == account_id).values(values))


def quarantine(session: Session, account_id: int, *, now: datetime, reason: str = "") -> None:
    """Send nothing until a person has had the gateway swept (`campaigns recover`), or did what `reason` says."""
    before = session.scalars(sa.select(accounts.c.paused_by).where(accounts.c.id == account_id)).one()
    # Every process that starts comes here: report it once.
    if _stop(session, account_id, PausedBy.QUARANTINE, now, reason) and before is not PausedBy.QUARANTINE:
        announce_account(session, account_id, reason=reason or PAUSED[PausedBy.QUARANTINE], now=now)


def stop_for_new_gateway(session: Session, account_id: int, *, now: datetime) -> None:
    """Send, look up and follow nothing until a person says that the gateway is a new one."""
    known = PausedBy.NEW_GATEWAY, PausedBy.QUARANTINE
    if _stop(session, account_id, PausedBy.NEW_GATEWAY, now, but=known):
        reason = PAUSED[PausedBy.NEW_GATEWAY]
        get_logger().error("account.paused", account=account_id, reason=reason)
        announce_account(session, account_id, reason=reason, now=now)


def _stop(
    session: Session, account_id: int, by: PausedBy, now: datetime, reason: str = "", *, but: Sequence[PausedBy] = ()
) -> bool:
    """Pause the account, whatever paused it before, except for `but` and for a move."""
    others = accounts.c.paused_by.not_in([*but, PausedBy.RELOCATION])
    stop = sa.update(accounts).where(accounts.c.id == account_id, others)
    return bool(changed(session, stop.values(paused_by=by, paused_reason=reason, paused_at=now, next_probe_at=None)))


def is_another_gateway(session: Session, account_id: int) -> bool:
    """Return whether the gateway was seen to be another one than the gateway of the account's IDs."""
    query = sa.select(accounts.c.paused_by).where(accounts.c.id == account_id)
    return session.scalars(query).one() is PausedBy.NEW_GATEWAY


def is_stopped_by_move() -> sa.ColumnElement[bool]:
    """Match accounts through which nothing is sent because their database was moved, or is being moved."""
    return accounts.c.paused_by == PausedBy.RELOCATION


def last_attempt_id(session: Session) -> int:
    """Return the highest id of an attempt; 0 if there is none."""
    return int(session.scalars(sa.select(sa.func.coalesce(sa.func.max(attempts.c.id), 0))).one())


def pause_account(
    session: Session, account_id: int, by: PausedBy, reason: str, *, now: datetime, probe_at: datetime | None
) -> bool:
    """Send nothing through the account until it is resumed; `probe_at` None: only by a person. False: already paused.

    Each sentence is reported once: an account that was probed and failed again has the same trouble, probed ever later.
    """
    query = sa.select(accounts.c.told, accounts.c.probes).where(accounts.c.id == account_id)
    told, probes = session.execute(query).one()
    if told and probe_at is not None:
        probe_at = max(probe_at, now + probe_after(probes))
    tells = list(dict.fromkeys([*told, reason]))
    statement = (
        sa.update(accounts)
        .where(accounts.c.id == account_id, accounts.c.paused_by == PausedBy.NOBODY)
        .values(paused_by=by, paused_reason=reason, paused_at=now, next_probe_at=probe_at, told=tells)
    )
    if not changed(session, statement):
        return False
    if len(tells) > len(told):
        again = "it is tried again by itself" if probe_at else "a person has to look into it"
        get_logger().warning("account.paused", account=account_id, reason=reason, then=again)
        announce_account(session, account_id, reason=reason, now=now)
    return True


def count_failure(session: Session, account_id: int) -> int:
    """Count one more consecutive request that did not reach the gateway or that it put off; return how many."""
    statement = sa.update(accounts).where(accounts.c.id == account_id).values(failures=accounts.c.failures + 1)
    return int(session.scalars(statement.returning(accounts.c.failures)).one())


_seen = sa.bindparam("b_seen", type_=sa.BigInteger)
_account = accounts.c.id == sa.bindparam("b_account")

ANSWERED: Final = Statement(
    sa.update(accounts)
    .where(_account, sa.or_(accounts.c.highest_gateway_id < _seen, accounts.c.failures > 0))
    .values(
        highest_gateway_id=sa.case((accounts.c.highest_gateway_id < _seen, _seen), else_=accounts.c.highest_gateway_id),
        failures=0,
    )
)


def note_answer(session: Session, account_id: int, highest_id: int = 0) -> None:
    """Record that the gateway answered: forget consecutive failures, remember the highest ID that it named."""
    ANSWERED.changed(session.connection(), {"b_account": account_id, "b_seen": highest_id})


_RAISE_FLOOR: Final = Statement(
    sa.update(accounts).where(_account, accounts.c.highest_gateway_id < _seen).values(highest_gateway_id=_seen)
)


def raise_floor(session: Session, account_id: int, gateway_id: int) -> None:
    """Remember the highest gateway ID seen: messages of a later request are above it."""
    _RAISE_FLOOR.changed(session.connection(), {"b_account": account_id, "b_seen": gateway_id})
