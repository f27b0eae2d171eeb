"""What a page is: a view reads, and a template shows. A form acts, and leads to a page."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from campaigns.access import Actor, Scope, is_allowed, roles_allowed
from campaigns.calendar.localtime import is_zone
from scheduler.actions.access.signing_in import FIRST_NAME
from scheduler.actions.refusals import Refusal
from scheduler.web.access import authenticate, is_known_host
from scheduler.web.api.guard import admitted
from scheduler.web.api.listing import moving
from scheduler.web.api.problems import EXPECTED, STATUSES, CallProblem, Fault, answer, as_problem
from scheduler.web.checkup import Examine
from scheduler.web.desk.files import DeskFile, file_answer
from scheduler.web.desk.leading import DONE_COOKIE, done_before, led
from scheduler.web.desk.live import (
    EVENTS,
    FOLLOWED_SECONDS,
    SIGNED_IN_SECONDS,
    LivePart,
    Shared,
    for_everybody,
    live_key,
    make_part,
    view_of,
)
from scheduler.web.desk.receiving import Form, SentFile, form_with_files, plain_form
from scheduler.web.desk.rendering import is_live, render, sentence
from scheduler.web.door_routes import SIGN_IN, KnownHosts
from worker.runtime import Runtime

ZONE_COOKIE: Final = "campaigns_zone"
"""The reader's time zone, as their browser says. Without it, times are shown in that of the settings."""

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Only our own script and stylesheet: what somebody writes in a name or a reply is never run."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page, or a form that was sent. `actor` None: nobody who is known."""

    runtime: Runtime
    actor: Actor | None
    url: str
    path: Mapping[str, Any]
    query: Mapping[str, str]
    now: datetime
    zone: ZoneInfo
    done: str = ""
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Sequence[SentFile]] = field(default_factory=dict)
    examine: Examine | None = None

    def may(self, scope: str) -> bool:
        """Return whether the reader is allowed to do what needs this scope."""
        return self.actor is not None and is_allowed(self.actor.scopes, Scope(scope))

    @property
    def full(self) -> bool:
        """Whether the reader sees full numbers and texts."""
        return self.may(Scope.READ_NUMBERS)

    @property
    def is_first(self) -> bool:
        """Whether the reader came by the link that is there while there is no user."""
        return self.actor is not None and self.actor.name == FIRST_NAME

    @property
    def who(self) -> Actor:
        """Who asks, where only somebody who is known gets."""
        assert self.actor is not None  # noqa: S101  a place without a reader has no view that asks
        return self.actor

    def value(self, name: str) -> str:
        """Return a value of the form. Raises `CallProblem` if it was not sent."""
        if name not in self.form:
            raise CallProblem(Refusal.INVALID, "this form is incomplete; open the page again, and fill it in once more")
        return self.form[name]


@dataclass(frozen=True, slots=True)
class DeskPage:
    """A template and its values."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Go:
    """Where a form leads to, and what it did, in a sentence for that page."""

    url: str
    done: str = ""


View = Callable[[Visit], DeskPage]
Act = Callable[[Visit], DeskPage | Go]


@dataclass(frozen=True, slots=True)
class DeskPlace:
    """An address of the desk: who may see it, and who may send its form; `takes_files`: the form may have files.

    What cannot be done is told above the page `again`, where the fields are kept, or else on a page of its own, which
    leads back to `on`, the address of the page with the form.
    """

    path: str
    view: View | Callable[[Visit], DeskFile] | None = None
    scope: Scope = Scope.READ
    act: Act | None = None
    act_scope: Scope | None = None
    takes_files: bool = False
    on: str = ""
    again: View | None = None


class PageRoute(Route):
    """The route of a place. Whatever is raised in it is shown as a page with the sentence."""

    signed_in_seconds = SIGNED_IN_SECONDS

    def __init__(self, place: DeskPlace) -> None:
        self.place = place
        self._parts: Shared[LivePart] = Shared()
        methods = [*(["GET"] if place.view else []), *(["POST"] if place.act else [])]
        super().__init__(place.path, self._answer, methods=methods, middleware=[Middleware(KnownHosts)])

    async def _answer(self, request: Request) -> Response:
        place, is_form = self.place, request.method == "POST"
        actor = None
        try:
            actor = await admitted(request, Scope.READ)
            require(actor, (place.act_scope or place.scope) if is_form else place.scope)
            if not is_form and is_live(part := request.query_params.get("part", "")):
                return await self._live(request, asked_of(request, actor, {}), part)
            make = place.act if is_form else lambda visit: view_of(place, visit)
            async with _sent(request, place) as (fields, files):
                asked = asked_of(request, actor, fields, files)
                made = await run_in_threadpool(_made, make, asked, place.again if is_form else None)
                return file_answer(request, made) if isinstance(made, DeskFile) else made
        except Exception as error:  # the server would log it with its values
            return await run_in_threadpool(_failed, request, actor, error, place.on if is_form else "")

    async def _live(self, request: Request, asked: Visit, part: str) -> Response:
        """Return the part of a page that changes, or follow it, as it is made for all who may see the same."""
        found, _ = await self._part(asked, part)
        if EVENTS not in request.headers.get("accept", ""):
            return HTMLResponse(found.html, found.status, headers={"content-security-policy": POLICY})
        headers = {"x-accel-buffering": "no"}  # a proxy that keeps events until they are many would show nothing
        return StreamingResponse(
            moving(request, self._followed(request, asked, part)), media_type=EVENTS, headers=headers
        )

    async def _part(self, asked: Visit, part: str) -> tuple[LivePart, float]:
        mine = for_everybody(asked)
        return await self._parts.get(live_key(mine), lambda: run_in_threadpool(make_part, self.place, mine, part))

    async def _followed(self, request: Request, asked: Visit, part: str) -> AsyncIterator[bytes]:
        """Yield the part each time that it has changed, and a sign that the line is open in between."""
        loop, leaving, shown = asyncio.get_running_loop(), request.app.state.leaving, b""
        began = checked = loop.time()
        while loop.time() < began + FOLLOWED_SECONDS and not leaving.is_set():
            if loop.time() >= checked + self.signed_in_seconds:
                try:
                    actor = await admitted(request, Scope.READ)
                    require(actor, self.place.scope)
                except CallProblem:
                    return  # the browser comes back, and is told why
                asked, checked = replace(asked, actor=actor), loop.time()
                yield b":\n\n"
            found, until = await self._part(replace(asked, now=asked.runtime.clock.now()), part)
            if found.event != shown:
                shown = found.event
                yield shown
            await asyncio.sleep(max(0.0, until - loop.time()))


def require(actor: Actor, scope: Scope) -> None:
    """Raise `CallProblem` unless the reader is allowed to do what needs this scope. A page names the roles that are."""
    if not is_allowed(actor.scopes, scope):
        raise CallProblem(Fault.NOT_ALLOWED, f"this is for {roles_allowed(scope)}")


@asynccontextmanager
async def _sent(request: Request, place: DeskPlace) -> AsyncIterator[Form]:
    if request.method != "POST":
        yield {}, {}
    elif place.takes_files:
        async with form_with_files(request) as form:
            yield form
    else:
        yield await plain_form(request), {}


def asked_of(
    request: Request,
    actor: Actor | None,
    form: Mapping[str, str],
    files: Mapping[str, Sequence[SentFile]] | None = None,
) -> Visit:
    """Return what a request asks for."""
    runtime: Runtime = request.app.state.runtime
    name = unquote(request.cookies.get(ZONE_COOKIE, ""))
    zone = ZoneInfo(name) if is_zone(name) else runtime.settings.zone
    return Visit(
        runtime,
        actor,
        f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path,
        request.path_params,
        dict(request.query_params),
        runtime.clock.now(),
        ZoneInfo("UTC") if zone.key == "Etc/UTC" else zone,
        done_before(request),
        form,
        files or {},
        request.app.state.examine,
    )


def _made(make: Callable[[Visit], Any] | None, asked: Visit, again: View | None) -> Response | DeskFile:
    assert make is not None  # noqa: S101  the methods of the route say so
    try:
        made = make(asked)
    except EXPECTED as error:
        if again is None:
            raise
        problem, page = as_problem(error), again(asked)
        made = replace(page, values={**page.values, "not_done": problem}, status=STATUSES[problem.code])
    if isinstance(made, Go):
        return led(made.url, sentence(made.done, asked))
    return made if isinstance(made, DeskFile) else shown(made, asked)


def shown(page: DeskPage, asked: Visit) -> Response:
    """Return a page as an answer."""
    headers = {"content-security-policy": POLICY}
    response = HTMLResponse(render(page.template, page.values, asked), page.status, headers=headers)
    if asked.done:
        response.delete_cookie(DONE_COOKIE, path="/")
    return response


def _failed(request: Request, actor: Actor | None, error: Exception, on: str) -> Response:
    problem = as_problem(error)
    if problem.code is Fault.NOT_SIGNED_IN:
        if request.method in {"GET", "HEAD"}:
            here = asked_of(request, None, {}).url
            return RedirectResponse(f"{SIGN_IN}?next={quote(here, safe='')}", 303)
        problem = CallProblem(problem.code, "nothing was done, because you are not signed in, or no longer")
    back = on.format_map({name: quote(str(value), safe="") for name, value in request.path_params.items()})
    return problem_page(request, actor, problem, back)


def problem_page(request: Request, actor: Actor | None, problem: CallProblem, back: str = "") -> Response:
    """Return a page that says what is wrong, and what to do."""
    asked = asked_of(request, actor, {})
    again = asked.url if request.method in {"GET", "HEAD"} else ""
    page = DeskPage("problem.html", {"problem": problem, "again": again, "back": back}, STATUSES[problem.code])
    response = shown(page, asked)
    response.headers.update(problem.headers or {})
    return response


async def answer_stray(request: Request, error: Exception) -> Response:
    """Answer a call of no route, or of a wrong method: somebody at a browser gets a page."""
    problem = as_problem(error)
    return await run_in_threadpool(_stray, request, problem) if wants_page(request) else answer(problem)


def wants_page(connection: HTTPConnection) -> bool:
    """Return whether somebody at a browser asks for a page, and not a program for an answer."""
    return "text/html" in connection.headers.get("Accept", "")


def _stray(request: Request, problem: CallProblem) -> Response:
    actor = None
    if is_known_host(request):
        with suppress(Exception):  # the page says what is wrong all the same
            actor = authenticate(request)
    return problem_page(request, actor, problem)
