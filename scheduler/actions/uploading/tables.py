"""Tables that come over HTTP are kept for the campaigns that name them, once every row was read."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from phonenumbers import SUPPORTED_REGIONS

from campaigns.audience import AudienceProblem, open_source
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from scheduler.actions.acting import Actor, acting, audited
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.suppressing.tables import BadRow
from scheduler.inbox.uploads import Upload, arriving, as_header, has_digest, is_arriving, sole
from worker.runtime import Runtime
from worker.store import audit
from worker.store.audit import AuditFilter

MOST_SHOWN: Final = 100
"""How many bad rows of a table are told one by one."""

NO_COUNTRY: Final = "has no country code; say with ?region= which country it is of, such as ?region=US"
"""What is told of a number without a country to a program, which names it in the address."""

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".xlsx")

_TABLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,94}")


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table that was uploaded. `is_news`: it was not there in this form. `bad`: the first of its `bad_rows`.

    `countryless`: how many of the `bad_rows` only lack a country. `replaces`: another one of its name.
    """

    name: str
    digest: str
    size: int
    is_news: bool
    rows: int
    bad_rows: int
    bad: tuple[BadRow, ...]
    countryless: int = 0
    replaces: "Replaced | None" = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """A table in whose place another one was uploaded. `rows` None: its upload is too long ago to be looked for."""

    at: datetime
    rows: int | None


def table_name(name: str) -> str:
    """Return the name if a table may be called so. Raises `Refused`."""
    if not _TABLE.fullmatch(name) or Path(name).suffix.lower() not in SUFFIXES:
        sentence = (
            "the name of a table has letters, digits, '.', '_' and '-', and ends in .csv, .tsv, .jsonl or .xlsx: "
            "customers-2026.csv"
        )
        raise Refused(Refusal.INVALID, sentence, field="name")
    return name


def keep_table(
    runtime: Runtime,
    actor: Actor,
    name: str,
    upload: Upload,
    *,
    number: str,
    region: str | None = None,
    no_country: str = NO_COUNTRY,
    claimed: str,
    now: datetime,
) -> StoredTable:
    """Keep a table for the campaigns that name it, once every row was read. Raises `Refused` for an unusable table.

    `number`: the column that holds the numbers. `region`: the country of numbers without one; else that of the
    settings. `no_country`: what is told of a row without one. `claimed`: what the caller says is its digest, as in
    `as_header`.
    """
    if region is not None and region.upper() not in SUPPORTED_REGIONS:
        sentence = f"{region.upper()} is not a country code of ISO 3166; write two letters, such as IT for Italy"
        raise Refused(Refusal.INVALID, sentence, field="region")
    digest = as_header(upload.digest)
    if digest != claimed:
        sentence = f"{upload.size} bytes arrived with another digest, {digest}; send the table again"
        raise Refused(Refusal.INVALID, sentence, field="Content-Digest")
    try:
        read = read_rows(upload.path, number, region.upper() if region else runtime.settings.region, no_country)
    except AudienceProblem as error:
        raise Refused(Refusal.INVALID, f"{name}: {error}") from None
    place = upload.path.with_name(name)
    with sole(place.parent, name, waits=True):
        is_there = has_digest(place, upload.digest)
        is_news, replaces = False, None
        if not is_there or is_arriving(place, upload.digest):
            with arriving(place, upload.digest):
                is_news = not (is_there and _is_audited(runtime, name, digest))
                if is_news:
                    replaces = _there(runtime, place) if not is_there else None
                    _keep(runtime, actor, upload, place, digest, read[0], now)
    return StoredTable(name, digest, upload.size, is_news, *read, replaces=replaces)


def _keep(runtime: Runtime, actor: Actor, upload: Upload, place: Path, digest: str, rows: int, now: datetime) -> None:
    upload.finish()
    with acting(runtime.store, actor, "upload", subject=place.name, now=now) as session:
        # In base64: in hexadecimal a run of digits would be masked as a number.
        audited(session, digest=digest, bytes=upload.size, rows=rows)
        session.flush()
        upload.keep_as(place)


def _is_audited(runtime: Runtime, name: str, digest: str) -> bool:
    """Return whether this content is what was uploaded last under this name, by the audit."""
    last = _last_upload(runtime, name)
    return last is not None and last.detail.get("digest") == digest


def _there(runtime: Runtime, place: Path) -> Replaced | None:
    try:
        written_at = datetime.fromtimestamp(place.lstat().st_mtime, UTC)
    except OSError:
        return None
    last = _last_upload(runtime, place.name)
    rows = last.detail.get("rows") if last else None
    return Replaced(last.at if last else written_at, rows if isinstance(rows, int) else None)


def _last_upload(runtime: Runtime, name: str) -> audit.Audited | None:
    with runtime.store.look() as connection:
        found = audit.entries(connection, AuditFilter(action="upload"))
    return next((each for each in found if each.subject == name), None)


def read_rows(path: Path, number: str, region: str | None, no_country: str) -> tuple[int, int, tuple[BadRow, ...], int]:
    """Read every row; return how many there are, how many have no usable number, the first of those, and how many of
    those only lack a country.

    `no_country` is told of such a row: where its country is named depends on who asks. Raises `AudienceProblem`.
    """
    normaliser = Normaliser(region)
    rows, bad_rows, countryless, bad = 0, 0, 0, list[BadRow]()
    for row in open_source(path, number_column=number, folder=path.parent):
        rows += 1
        problem = row.problem
        if not problem:
            try:
                normaliser.normalise(row.number)
            except InvalidNumber as error:
                problem = no_country if error.lacks_country else error.reason
                countryless += error.lacks_country
        if problem:
            bad_rows += 1
            if len(bad) < MOST_SHOWN:
                bad.append(BadRow(row.line, problem))
    return rows, bad_rows, tuple(bad), countryless
