"""The temporary conditions of a server that stop work: the code that identifies each, and the words for people.

They are never identified by a sentence, but by exception class, SQLSTATE, SQLite's or Redis's code. A new kind is a
member of `Trouble` with its words in `WORDS`; an exception of ours names its kind by an attribute `trouble`.
"""

import sqlite3
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import sqlalchemy as sa


class Trouble(StrEnum):
    """A condition of a server that passes on its own, or that an operator ends."""

    DATABASE_AWAY = "database_away"
    DATABASE_STARTING = "database_starting"
    DATABASE_CROWDED = "database_crowded"
    DATABASE_READ_ONLY = "database_read_only"
    DATABASE_SLOW = "database_slow"
    DATABASE_IDLE = "database_idle"
    DATABASE_CONFLICT = "database_conflict"
    DATABASE_FULL = "database_full"
    DATABASE_FILE = "database_file"
    DATABASE_LOCKED = "database_locked"
    DATABASE_DAMAGED = "database_damaged"
    DATABASE_LOST = "database_lost"
    DATABASE_POOLED = "database_pooled"
    GATEWAY_UNREAD = "gateway_unread"
    REPLICA_AWAY = "replica_away"
    REPLICA_BEHIND = "replica_behind"
    REPLICA_WRONG = "replica_wrong"
    REDIS_AWAY = "redis_away"
    REDIS_LOADING = "redis_loading"
    REDIS_FULL = "redis_full"
    REDIS_FORGETS = "redis_forgets"
    REDIS_READ_ONLY = "redis_read_only"
    REDIS_BUSY = "redis_busy"
    REDIS_UNSAVED = "redis_unsaved"
    REDIS_REFUSES = "redis_refuses"


_T = Trouble


class ConditionWords(NamedTuple):
    """What is wrong, what waits for it, and what to do."""

    matter: str
    waits: str
    advice: str


_NOTHING: Final = "nothing is sent and no file is accepted"
_UNSENT: Final = "nothing is sent"
_BY_ITSELF: Final = "it continues by itself"
_READ_ELSEWHERE: Final = "pages and reports are read from the primary"

REHEARSE_ANEW: Final = (
    "if only rehearsals were sent from it, stop, remove it (of SQLite all files that begin with its name, such as "
    "campaigns.db*), and start again"
)
"""Replaces `campaigns recover`, which asks a gateway: someone who only rehearses has none."""

WORDS: Final[Mapping[Trouble, ConditionWords]] = {
    _T.DATABASE_AWAY: ConditionWords(
        "the database does not answer", _NOTHING, "check that its server is running, and check CAMPAIGNS_DATABASE_URL"
    ),
    _T.DATABASE_STARTING: ConditionWords("the database is starting, stopping or recovering", _NOTHING, "wait for it"),
    _T.DATABASE_CROWDED: ConditionWords(
        "the database has no connection left", _NOTHING, "raise its max_connections, or close some of its connections"
    ),
    _T.DATABASE_READ_ONLY: ConditionWords(
        "the database accepts no changes", _NOTHING, "check that it is the primary, its disk, and its user's rights"
    ),
    _T.DATABASE_SLOW: ConditionWords(
        "the database cancelled a statement that took too long",
        "what was undone is tried again",
        "see what keeps it busy, or raise its statement_timeout or lock_timeout",
    ),
    _T.DATABASE_IDLE: ConditionWords(
        "the database ended a transaction that stayed open too long",
        "what was undone is tried again",
        "see what keeps this machine busy, or raise its idle_in_transaction_session_timeout or transaction_timeout",
    ),
    _T.DATABASE_CONFLICT: ConditionWords(
        "the database undid one of two transactions that were in each other's way",
        "what was undone is tried again",
        "if this stays, report it with the log of the database, which names both",
    ),
    _T.DATABASE_FULL: ConditionWords("the database has no room on its disk or in its memory", _NOTHING, "make room"),
    _T.DATABASE_FILE: ConditionWords(
        "the database's file cannot be opened, read or written",
        _NOTHING,
        "check that its disk is mounted and writable, and check CAMPAIGNS_DATABASE_URL",
    ),
    _T.DATABASE_LOCKED: ConditionWords(
        "another program keeps the database locked",
        _NOTHING,
        "close what has the file open, such as a backup or a shell",
    ),
    _T.DATABASE_DAMAGED: ConditionWords(
        "the database is damaged",
        _NOTHING,
        f"stop the service, restore the database from a backup and run: campaigns recover; {REHEARSE_ANEW}",
    ),
    _T.DATABASE_LOST: ConditionWords(
        "the database is not the one that texts were sent from",
        _NOTHING,
        f"stop the service, put the right one back if you have it, and run: campaigns recover; {REHEARSE_ANEW}",
    ),
    _T.DATABASE_POOLED: ConditionWords(
        "a pooler gives the database's connections to others between two transactions",
        "what failed is tried again without prepared statements",
        "if this stays, use its session mode",
    ),
    _T.GATEWAY_UNREAD: ConditionWords(
        "the gateway's messages cannot be read",
        "receipts, replies (one of which may be STOP) and requests in doubt wait",
        "check that it is running, and run: campaigns doctor",
    ),
    _T.REPLICA_AWAY: ConditionWords(
        "the database's replica does not answer",
        _READ_ELSEWHERE,
        "check that its server is running, and check CAMPAIGNS_READ_DATABASE_URL",
    ),
    _T.REPLICA_BEHIND: ConditionWords(
        "the database's replica is behind", _READ_ELSEWHERE, "look at its replication, and what keeps it busy"
    ),
    _T.REPLICA_WRONG: ConditionWords(
        "CAMPAIGNS_READ_DATABASE_URL does not lead to a replica of the database",
        _READ_ELSEWHERE,
        "point it to a physical standby of the server in CAMPAIGNS_DATABASE_URL, and to the same database there",
    ),
    _T.REDIS_AWAY: ConditionWords("Redis does not answer", _UNSENT, "check its server, and check CAMPAIGNS_REDIS_URL"),
    _T.REDIS_LOADING: ConditionWords("Redis is starting and loads its data", _UNSENT, "wait for it"),
    _T.REDIS_FULL: ConditionWords(
        "Redis has no memory left", _UNSENT, "raise its maxmemory, or remove what else is stored in it"
    ),
    _T.REDIS_FORGETS: ConditionWords(
        "Redis drops keys because it is out of memory",
        "nothing is sent until what was sent is counted in the database",
        "set its maxmemory-policy to noeviction, and raise its maxmemory",
    ),
    _T.REDIS_READ_ONLY: ConditionWords(
        "Redis accepts no changes, like a replica", _UNSENT, "point CAMPAIGNS_REDIS_URL to the primary"
    ),
    _T.REDIS_BUSY: ConditionWords("Redis is busy with a script", _UNSENT, "wait for it, or end it with: SCRIPT KILL"),
    _T.REDIS_UNSAVED: ConditionWords(
        "Redis accepts no changes, because it cannot save them",
        _UNSENT,
        "check that its disk is not full, and read its log",
    ),
    _T.REDIS_REFUSES: ConditionWords(
        "Redis refuses the user or the password of CAMPAIGNS_REDIS_URL", _UNSENT, "correct it and start again"
    ),
}

ITSELF: Final = frozenset(Trouble) - {Trouble.DATABASE_DAMAGED, Trouble.DATABASE_LOST, Trouble.REDIS_REFUSES}
"""Conditions after which our processes need no restart."""

_OF_REPLICA: Final = (Trouble.REPLICA_AWAY, Trouble.REPLICA_BEHIND, Trouble.REPLICA_WRONG)
SENDS_ON: Final = frozenset(
    {_T.GATEWAY_UNREAD, _T.DATABASE_SLOW, _T.DATABASE_CONFLICT, _T.DATABASE_POOLED, *_OF_REPLICA}
)
"""While these last, what has started is sent all the same."""

SQLSTATES: Final[Mapping[str, Trouble]] = {
    "08": _T.DATABASE_AWAY,  # every connection_exception, such as those that a pooler reports
    "25006": _T.DATABASE_READ_ONLY,  # read_only_sql_transaction
    "25P03": _T.DATABASE_IDLE,  # idle_in_transaction_session_timeout
    "25P04": _T.DATABASE_IDLE,  # transaction_timeout
    "26000": _T.DATABASE_POOLED,  # invalid_sql_statement_name: prepared on another server connection
    "40001": _T.DATABASE_CONFLICT,  # serialization_failure
    "40P01": _T.DATABASE_CONFLICT,  # deadlock_detected
    "42501": _T.DATABASE_READ_ONLY,  # insufficient_privilege: also a file on a disk that became read-only (EROFS)
    "42P05": _T.DATABASE_POOLED,  # duplicate_prepared_statement: the same
    "53100": _T.DATABASE_FULL,  # disk_full
    "53200": _T.DATABASE_FULL,  # out_of_memory
    "53300": _T.DATABASE_CROWDED,  # too_many_connections
    "53400": _T.DATABASE_FULL,  # configuration_limit_exceeded, such as temp_file_limit
    "55P03": _T.DATABASE_SLOW,  # lock_not_available: lock_timeout
    "57014": _T.DATABASE_SLOW,  # query_canceled: statement_timeout
    "57P01": _T.DATABASE_AWAY,  # admin_shutdown: the backend was terminated
    "57P02": _T.DATABASE_AWAY,  # crash_shutdown
    "57P03": _T.DATABASE_STARTING,  # cannot_connect_now
    "57P05": _T.DATABASE_AWAY,  # idle_session_timeout
    "58030": _T.DATABASE_FULL,  # io_error
    "XX001": _T.DATABASE_DAMAGED,  # data_corrupted
    "XX002": _T.DATABASE_DAMAGED,  # index_corrupted
}
"""PostgreSQL's codes (its appendix A)."""

SQLITE_CODES: Final[Mapping[int, Trouble]] = {
    sqlite3.SQLITE_BUSY: _T.DATABASE_LOCKED,
    sqlite3.SQLITE_LOCKED: _T.DATABASE_LOCKED,
    sqlite3.SQLITE_READONLY: _T.DATABASE_READ_ONLY,
    sqlite3.SQLITE_FULL: _T.DATABASE_FULL,
    sqlite3.SQLITE_IOERR: _T.DATABASE_FILE,  # also for a disk that became read-only: EROFS has no code of its own
    sqlite3.SQLITE_CANTOPEN: _T.DATABASE_FILE,
    sqlite3.SQLITE_CORRUPT: _T.DATABASE_DAMAGED,
    sqlite3.SQLITE_NOTADB: _T.DATABASE_DAMAGED,
}
"""SQLite's primary result codes."""

REDIS_CLASSES: Final = (
    ("OutOfMemoryError", _T.REDIS_FULL),
    ("ReadOnlyError", _T.REDIS_READ_ONLY),
    ("BusyLoadingError", _T.REDIS_LOADING),
    ("AuthenticationError", _T.REDIS_REFUSES),
    ("NoPermissionError", _T.REDIS_REFUSES),
    ("MasterDownError", _T.REDIS_READ_ONLY),
    ("ConnectionError", _T.REDIS_AWAY),
    ("TimeoutError", _T.REDIS_AWAY),
)
"""By class of `redis.exceptions`; the first match counts."""

REDIS_PREFIXES: Final[Mapping[str, Trouble]] = {
    "BUSY": _T.REDIS_BUSY,
    "EVICTED": _T.REDIS_FORGETS,  # from reserve.lua
    "MISCONF": _T.REDIS_UNSAVED,
    "NOREPLICAS": _T.REDIS_UNSAVED,
    "OOM": _T.REDIS_FULL,
    "READONLY": _T.REDIS_READ_ONLY,
    "UNBLOCKED": _T.REDIS_READ_ONLY,
}
"""The code that a Redis error begins with, where redis-py has no class for it."""


class ServerTrouble(Exception):
    """A check found a server in trouble, though nothing has failed yet. `detail`: what the check saw."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(sentence(trouble, detail))
        self.trouble = trouble
        self.detail = detail


def trouble_of(error: BaseException | None) -> Trouble | None:
    """Return the condition behind this error or its causes; None if it is not a known one."""
    while error is not None:
        named = getattr(error, "trouble", None)
        found = named if isinstance(named, Trouble) else _by_code(error)
        if found is not None:
            return found
        error = error.__cause__
    return None


def _by_code(error: BaseException) -> Trouble | None:
    if isinstance(error, sa.exc.DBAPIError):
        orig = error.orig
        code = getattr(orig, "sqlite_errorcode", None)
        if isinstance(code, int):
            return SQLITE_CODES.get(code & 0xFF)  # the upper bits give the exact kind
        state = getattr(orig, "sqlstate", None)
        if state is not None and (known := SQLSTATES.get(state) or SQLSTATES.get(state[:2])):
            return known
        # psycopg gives no SQLSTATE for a connection that was refused or lost.
        lost = state is None and isinstance(error, sa.exc.OperationalError)
        return _T.DATABASE_AWAY if lost or error.connection_invalidated else None
    if isinstance(error, sa.exc.TimeoutError):
        return _T.DATABASE_CROWDED  # our own pool
    if _is_of_redis(error, "RedisError"):
        by_class = next((trouble for kind, trouble in REDIS_CLASSES if _is_of_redis(error, kind)), None)
        return by_class or REDIS_PREFIXES.get(str(error).partition(" ")[0])
    return None


def _is_of_redis(error: BaseException, kind: str) -> bool:
    # 142 modules that a process without Redis does not need. An error of a library that was never loaded cannot have
    # been raised.
    library = sys.modules.get("redis.exceptions")
    return library is not None and isinstance(error, getattr(library, kind))


def sentence(trouble: Trouble, detail: str = "") -> str:
    """Return what is wrong, what waits and what to do. `detail`: the server's own words."""
    matter, waits, advice = WORDS[trouble]
    by_itself = f"; {_BY_ITSELF} then" if trouble in ITSELF else ""
    return f"{matter}{f' ({detail})' if detail else ''}: {waits}; {advice}{by_itself}"


def detail_of(error: BaseException) -> str:
    """Return the server's own words, only the first line: PostgreSQL quotes values in the others."""
    while error.__cause__ is not None and not (
        isinstance(error, sa.exc.DBAPIError) or _is_of_redis(error, "RedisError")
    ):
        error = error.__cause__
    if isinstance(error, ServerTrouble):
        return error.detail
    if isinstance(error, sa.exc.DBAPIError):
        return str(error.orig).strip().partition("\n")[0] or type(error.orig).__name__
    if _is_of_redis(error, "RedisError"):
        return str(error).strip().partition("\n")[0][:200] or type(error).__name__
    return type(error).__name__
