"""Users, tokens and sessions: what counts, until when, and that nothing secret is stored."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from campaigns.access import Role, Scope
from tests.support.clocks import START
from worker.store.access import passwords, sessions, tokens, users
from worker.store.engine import Store
from worker.store.tables import tokens as token_rows
from worker.store.tables import users as user_rows
from worker.store.tables import web_sessions

NOW = START
DAY = timedelta(days=1)
MOMENT = timedelta(seconds=1)


def with_anna(store: Store, role: Role = Role.OPERATOR) -> str:
    """Add the user anna and sign her in; return what her cookie holds."""
    with store.write() as session:
        assert users.add(session, "anna", role, "hash", by="tests", now=NOW)
        known = users.credentials(session, "anna", lock=True)
        assert known is not None
        return sessions.create(session, known.user_id, "anna", known.role, now=NOW)


def role_of(store: Store, secret: str, now: object = NOW) -> Role | None:
    with store.look() as session:
        found = sessions.find(session, secret, now=now)  # type: ignore[arg-type]  # a moment
        return found.role if found else None


ENDS: list[tuple[str, Callable[[Session, str], object]]] = [
    ("signed out", lambda s, secret: sessions.end(s, secret, now=NOW)),
    ("another password", lambda s, _: users.set_password(s, "anna", "another", now=NOW)),
    ("removed", lambda s, _: users.remove(s, "anna", now=NOW)),
    (
        "removed and back",
        lambda s, _: users.remove(s, "anna", now=NOW) and users.add(s, "anna", Role.ADMIN, "h", by="", now=NOW),
    ),
]


@pytest.mark.parametrize("end", [end for _, end in ENDS], ids=[name for name, _ in ENDS])
def test_a_session_ends_at_once_with_what_ends_it(store: Store, end: Callable[[Session, str], object]) -> None:
    secret = with_anna(store)
    assert role_of(store, secret) is Role.OPERATOR
    with store.write() as session:
        end(session, secret)
    assert role_of(store, secret) is None


def test_a_session_ends_after_eight_quiet_hours_and_after_seven_days_in_any_case(store: Store) -> None:
    secret = with_anna(store)
    assert role_of(store, secret, NOW + sessions.IDLE - MOMENT) is Role.OPERATOR
    assert role_of(store, secret, NOW + sessions.IDLE) is None
    # when it is used all the time
    now = NOW
    while now < NOW + 7 * DAY - sessions.IDLE:
        now += sessions.IDLE / 2
        with store.write() as session:
            sessions.note_seen(session, secret, now=now)
    assert role_of(store, secret, NOW + 7 * DAY - MOMENT) is Role.OPERATOR
    assert role_of(store, secret, NOW + 7 * DAY) is None


def test_a_role_that_is_lowered_counts_at_once(store: Store) -> None:
    secret = with_anna(store)
    with store.write() as session:
        users.set_role(session, "anna", Role.VIEWER)
    assert role_of(store, secret) is Role.VIEWER


def test_the_first_run_session_counts_only_while_there_is_no_user(store: Store) -> None:
    with store.write() as session:
        secret = sessions.create(session, None, "first-run", Role.OPERATOR, now=NOW)
    assert role_of(store, secret) is Role.OPERATOR
    with_anna(store)
    assert role_of(store, secret) is None
    # and it does not come back to life if all users are removed
    with store.write() as session:
        users.remove(session, "anna", now=NOW)
        assert not users.is_anybody(session)
    assert role_of(store, secret) is None


@pytest.mark.parametrize("wrong", ["", "x", "a" * 43, "a" * 5_000, "\udcff", "\x00"])
def test_what_is_no_secret_of_ours_finds_nothing(store: Store, wrong: str) -> None:
    with_anna(store)
    with store.look() as session:
        assert sessions.find(session, wrong, now=NOW) is None
        assert tokens.find(session, wrong, now=NOW) is None
        assert tokens.find(session, tokens.MARK + wrong, now=NOW) is None


def test_a_token_counts_until_it_expires_or_is_removed_and_its_name_can_be_used_again(store: Store) -> None:
    def make(expires_after: timedelta | None = None) -> str:
        ends = None if expires_after is None else NOW + expires_after
        with store.write() as session:
            return tokens.create(session, "crm", [Scope.READ], expires_at=ends, by="tests", now=NOW)

    def counts(secret: str, now: object = NOW) -> bool:
        with store.look() as session:
            return tokens.find(session, secret, now=now) is not None  # type: ignore[arg-type]  # a moment

    first = make(DAY)
    assert first.startswith("smc_")
    assert make() == ""  # the name is taken
    assert counts(first, NOW + DAY - MOMENT)
    assert not counts(first, NOW + DAY)
    with store.write() as session:
        assert tokens.end(session, "crm", now=NOW)
        assert not tokens.end(session, "crm", now=NOW)
    second = make()
    assert not counts(first)
    assert counts(second, NOW + 10_000 * DAY)


def test_the_use_of_a_token_is_noted_once_a_minute(store: Store) -> None:
    with store.write() as session:
        secret = tokens.create(session, "crm", [Scope.READ, Scope.PLAN], recipients_daily=5, by="tests", now=NOW)
    noted = []
    for seconds in (0, 30, 59, 60, 90, 125):
        now = NOW + timedelta(seconds=seconds)
        with store.write() as session:
            found = tokens.find(session, secret, now=now)
            assert found is not None
            tokens.note_use(session, found.id, now=now)
            (shown,) = tokens.listed(session)
            noted.append((shown.last_used_at - NOW).seconds if shown.last_used_at else None)
    assert noted == [0, 0, 0, 60, 60, 125]
    assert found is not None
    assert (found.scopes, found.recipients_daily, found.prefix) == (("plan", "read"), 5, secret[:12])


def test_no_secret_is_in_the_database(store: Store) -> None:
    cookie, password = with_anna(store), "correct horse battery"
    with store.write() as session:
        token = tokens.create(session, "crm", [Scope.READ], by="tests", now=NOW)
        users.set_password(session, "anna", passwords.hashed(password), now=NOW)
    with store.read() as session:
        rows = [
            tuple(row) for table in (user_rows, token_rows, web_sessions) for row in session.execute(sa.select(table))
        ]
    assert len(rows) == 3
    assert not [secret for secret in (cookie, token, token[12:], password) if secret in repr(rows)]


def test_a_password_is_checked_against_its_hash_and_nobody_has_one() -> None:
    hash_ = passwords.hashed("correct horse battery")
    assert hash_ != passwords.hashed("correct horse battery")
    checks: list[tuple[str, str | None]] = [
        ("correct horse battery", hash_),
        ("correct horse batterx", hash_),
        ("", hash_),
        ("x" * 5_000, hash_),
    ]
    assert passwords.is_right("e\u0301\ud800" * 6, passwords.hashed("\u00e9\ud800" * 6))  # another keyboard's
    checks += [("", ""), ("any", ""), ("any", None), ("any", "not a hash")]
    assert [passwords.is_right(*check) for check in checks] == [True, *7 * [False]]
    # an unknown name is checked with the same figures, so that it takes as long
    assert passwords.OF_NOBODY.split("$")[:4] == hash_.split("$")[:4]
