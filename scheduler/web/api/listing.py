"""Lists: a page at a time as JSON, or everything as a stream of JSON lines or CSV. Neither holds more than a page."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol, TypeVar

from fastapi import Depends, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from scheduler.actions.reading.pages import MOST_ROWS, Page
from scheduler.actions.shapes.seen import Paged
from scheduler.report.rows import csv_writer, harmless_cell
from scheduler.web.api.document import place_of
from scheduler.web.api.problems import CallProblem, Fault
from scheduler.web.serving import MOVED_AT
from worker.logs import get_logger

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
JSON: Final = "application/json"

ROWS: Final = 100
"""How many rows a page has if the caller does not say."""

T = TypeVar("T")


class ReadsPages(Protocol[T]):
    """Reads a page of a list."""

    def __call__(self, *, after: int, limit: int) -> Page[T]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page a caller wants: the rows after this id, at most so many."""

    after: int
    limit: int


def _wanted(
    after: Annotated[
        int, Query(ge=0, le=2**63 - 1, description="Only rows after this one: `next` of the previous page.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="At most this many rows.")] = ROWS,
) -> Wanted:
    return Wanted(after, limit)


WantedPage = Annotated[Wanted, Depends(_wanted)]

LINK: Final = {"Link": {"description": "The next page, `rel=next`.", "schema": {"type": "string"}}}


def of_list(row: Any) -> dict[int | str, dict[str, Any]]:
    """Return what a list of such rows answers with, for the `responses` of its route."""
    lines, table = {"schema": {"type": "string"}, "itemSchema": place_of(row)}, {"schema": {"type": "string"}}
    return {200: {"model": Paged[row], "headers": LINK, "content": {NDJSON: lines, CSV: table}}}


async def listed(
    request: Request,
    wanted: Wanted,
    read: ReadsPages[T],
    shown: Callable[[T], Mapping[str, Any]],
    columns: Sequence[str],
) -> Response:
    """Answer with a page, or, if the caller accepts JSON lines or CSV, with a stream of all rows after `after`.

    `read(after=..., limit=...)` returns a page; it is called in a thread. `columns`: those of CSV, in their order.
    """
    kind = accepted(request.headers.get("Accept", ""))
    # The first page comes before the answer begins: what is wrong with the call is still an answer of its own then.
    page = await run_in_threadpool(read, after=wanted.after, limit=wanted.limit if kind == JSON else MOST_ROWS)
    if kind == JSON:
        link = {} if page.next is None else {"Link": f'<{_next(request, page.next)}>; rel="next"'}
        return JSONResponse({"items": [shown(row) for row in page.rows], "next": page.next}, headers=link)
    write = _lines if kind == NDJSON else _Table(columns).rows
    return StreamingResponse(moving(request, _streamed(page, read, shown, write)), media_type=kind)


async def moving(request: Request, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the parts of a long answer, and say at each that its caller reads on: the door ends an answer that stands.

    An error ends the answer in the middle, so that nobody takes a part for the whole.
    """
    try:
        async for part in parts:
            request.scope[MOVED_AT] = asyncio.get_running_loop().time()
            yield part
    except Exception as error:
        get_logger().error("api.answer_broken", problem=type(error).__name__)
        raise BrokenAnswer from None  # not the error itself, whose values may be numbers


class BrokenAnswer(Exception):
    """A long answer could not be read to its end."""


def accepted(header: str) -> str:
    """Return the one of our media types that a caller likes best. Raises `CallProblem` if there is none."""
    liked: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        quality = next((_quality(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        found = next((ours for ours in (JSON, NDJSON, CSV) if _matches(name, ours)), "")
        if found and quality > 0:
            liked.append((quality, found))
    if not header.strip():
        return JSON
    if not liked:
        raise CallProblem(
            Fault.NOT_ACCEPTABLE, f"this list is available as {JSON}, {NDJSON} or {CSV}: accept one of them"
        )
    return max(liked, key=lambda each: each[0])[1]


def _matches(name: str, ours: str) -> bool:
    return name in {ours, "*/*", f"{ours.partition('/')[0]}/*"}


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _next(request: Request, after: int) -> str:
    """Return the address of the next page, relative to the host: behind a proxy only the caller knows its name."""
    url = request.url.include_query_params(after=after)
    return f"{url.path}?{url.query}"


Writer = Callable[[Sequence[Mapping[str, Any]]], str]


async def _streamed(
    page: Page[T], read: ReadsPages[T], shown: Callable[[T], Mapping[str, Any]], write: Writer
) -> AsyncIterator[bytes]:
    """Yield page after page, each read in a transaction of its own: a slow caller keeps no snapshot open."""
    while True:
        yield write([shown(row) for row in page.rows]).encode("utf-8", "replace")
        if page.next is None:
            return
        page = await run_in_threadpool(read, after=page.next, limit=MOST_ROWS)


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


class _Table:
    """Rows as CSV, with a header before the first."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._has_header = False

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> str:
        text = io.StringIO(newline="")
        writer = csv_writer(text)
        if not self._has_header:
            writer.writerow(self._columns)
            self._has_header = True
        writer.writerows([harmless_cell(row.get(name)) for name in self._columns] for row in rows)
        return text.getvalue()
