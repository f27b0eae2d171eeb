"""`/signin`, `/signout` and `/first`: how a browser gets and ends a session."""

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from campaigns.access import SCOPES_OF, Role
from scheduler.actions.access.naming import NAME_RULE
from scheduler.actions.access.signing_in import (
    FIRST_NAME,
    SignedIn,
    is_nobody_there,
    sign_in,
    sign_in_first,
    sign_out,
)
from scheduler.actions.access.users import SHORTEST, add_user
from scheduler.actions.acting import Actor
from scheduler.actions.refusals import Refusal
from scheduler.web.access import CrossSite, authenticate, cookie_of, is_same_site, is_secure, neighbourhood, origin_of
from scheduler.web.access import set_cookie as give
from scheduler.web.api.problems import STATUSES, CallProblem, Fault, answer, as_problem
from scheduler.web.desk.leading import led
from scheduler.web.desk.pages import DeskPage, asked_of, shown
from scheduler.web.desk.receiving import bounded_body
from scheduler.web.door_routes import SIGN_IN
from scheduler.web.first_run import FirstRun
from scheduler.web.slowing import Slowing
from worker.runtime import Runtime
from worker.store.errors import STORE_FAILS

FORM: Final = "application/x-www-form-urlencoded"

MOST_BYTES: Final = 16 * 1024
BODY_SECONDS: Final = 10.0

AT_ONCE: Final = 2
"""How many passwords are checked at the same time: each check takes 64 MiB."""

MOST_WAITING: Final = 20

INSIDE: Final = "/"

NO_ENTRY: Final = (
    "this link is not valid: it works once, for 15 minutes, and only while there are no users; "
    "restart the service for a new one, or add a user: campaigns users add NAME --role admin"
)


@dataclass
class SigningIn:
    """The endpoints. `first`: the code of the first-run link; None: there is none."""

    runtime: Runtime
    first: FirstRun | None
    _waiting: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        # Per name, an attack from many addresses; per address, one that tries many names.
        self._names = Slowing(self.runtime.clock, burst=5, seconds=30)
        self._addresses = Slowing(self.runtime.clock, burst=20, seconds=5)
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def sign_in(self, request: Request) -> Response:
        """POST: a name and a password, as JSON or as a form."""
        is_form = request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == FORM
        try:
            done = await self._signed_in(request, is_form=is_form)
        except Exception as error:  # the server would log it with its values
            problem = as_problem(error)
            return await run_in_threadpool(_again, request, problem) if is_form else answer(problem)
        if is_form:
            return _with_session(request, RedirectResponse(_inside(request.query_params.get("next", "")), 303), done)
        scopes = sorted(SCOPES_OF[done.role])
        return _with_session(request, JSONResponse({"name": done.name, "role": done.role, "scopes": scopes}), done)

    async def _signed_in(self, request: Request, *, is_form: bool) -> SignedIn:
        # Without this, a page elsewhere could sign somebody in under a name that is not theirs.
        if not is_same_site(request) and {"sec-fetch-site", "origin"} & set(request.headers.keys()):
            raise CrossSite
        name, password = await _name_and_password(request, is_form=is_form)
        origin, key = origin_of(request), name.strip().lower()[:100]
        place = neighbourhood(origin)
        wait = self._addresses.wait_seconds(place) or self._names.wait_seconds(key)
        if wait or self._waiting >= MOST_WAITING:
            sentence = "too many wrong passwords; wait a little and try again"
            raise CallProblem(Fault.TOO_MANY, sentence, headers={"Retry-After": str(wait or AT_ONCE)})
        self._waiting += 1
        try:
            async with self._turn:
                now, old = self.runtime.clock.now(), cookie_of(request)
                done = await run_in_threadpool(
                    sign_in, self.runtime.store, name, password, origin=origin, replaces=old, now=now
                )
        finally:
            self._waiting -= 1
        if done is None:
            raise CallProblem(Fault.NOT_SIGNED_IN, "the name or the password is wrong")
        self._addresses.forgive(place)
        self._names.forgive(key)
        return done

    async def page(self, request: Request) -> Response:
        """GET: the form."""
        return await run_in_threadpool(_again, request, None)

    async def sign_out(self, request: Request) -> Response:
        """POST: end the session of this browser."""
        is_form = request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == FORM
        try:
            actor, secret = await run_in_threadpool(authenticate, request), cookie_of(request)
            if actor is not None and secret:
                await run_in_threadpool(sign_out, self.runtime.store, actor, secret, now=self.runtime.clock.now())
        except Exception as error:  # as above
            return answer(as_problem(error))
        response = RedirectResponse(SIGN_IN, 303) if is_form else Response(status_code=204)
        give(response, "", secure=is_secure(request))
        return response

    async def come_first(self, request: Request) -> Response:
        """GET: the first-run link, which lets in the person who opens it first."""
        if request.method == "HEAD":  # of a program that looks at links before people do
            return Response()
        try:
            actor = await run_in_threadpool(authenticate, request) if cookie_of(request) else None
            if actor is not None:  # the link opened once more in the same browser
                is_first = actor.name == FIRST_NAME
                return await run_in_threadpool(_welcome, request) if is_first else RedirectResponse(INSIDE, 303)
            done = await self._let_in(request, request.query_params.get("code", ""))
        except Exception as error:  # as above
            return await run_in_threadpool(_again, request, as_problem(error))
        return _with_session(request, await run_in_threadpool(_welcome, request), done)

    async def make_first(self, request: Request) -> Response:
        """POST: whoever came by the link makes the first user, an admin, and goes on as this one."""
        name = ""
        try:
            actor = await run_in_threadpool(_first_person, request)
            name, password = await _name_and_password(request, is_form=True)
            async with self._turn:
                done = await run_in_threadpool(self._made_first, request, actor, name, password)
        except Exception as error:  # as above
            problem = as_problem(error)
            if problem.code in {Fault.NOT_ALLOWED, Refusal.WRONG_STATE}:  # there is a user by now
                return await run_in_threadpool(_again, request, problem)
            return await run_in_threadpool(_welcome, request, problem, name)
        return _with_session(request, led(INSIDE, f"you are signed in as {done.name}, an admin"), done)

    def _made_first(self, request: Request, actor: Actor, name: str, password: str) -> SignedIn:
        store, now = self.runtime.store, self.runtime.clock.now()
        add_user(store, actor, name, Role.ADMIN, password, is_first=True, now=now)
        done = sign_in(store, name, password, origin=origin_of(request), now=now)
        if done is None:  # removed in this very moment
            raise CallProblem(Fault.NOT_SIGNED_IN, "the name or the password is wrong")
        return done

    async def _let_in(self, request: Request, code: str) -> SignedIn:
        origin, now, done = origin_of(request), self.runtime.clock.now(), None
        if wait := self._addresses.wait_seconds(neighbourhood(origin)):
            raise CallProblem(
                Fault.TOO_MANY, "too many attempts; wait a little and try again", headers={"Retry-After": str(wait)}
            )
        if self.first is not None and self.first.take(code):
            old = cookie_of(request)
            done = await run_in_threadpool(sign_in_first, self.runtime.store, origin=origin, replaces=old, now=now)
        if done is None:
            raise CallProblem(Fault.NOT_ALLOWED, NO_ENTRY)
        return done


async def _name_and_password(request: Request, *, is_form: bool) -> tuple[str, str]:
    try:
        body = await bounded_body(request, MOST_BYTES, f"at most {MOST_BYTES} bytes are read", seconds=BODY_SECONDS)
        given = _form(body) if is_form else json.loads(body)
    except (TimeoutError, ValueError, RecursionError):
        given = None
    match given:
        case {"name": str(name), "password": str(password)}:
            return name, password
    raise CallProblem(
        Refusal.INVALID, "enter a name and a password" if is_form else "send a name and a password, as JSON"
    )


def _form(body: bytes) -> Mapping[str, Any]:
    fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def _again(request: Request, problem: CallProblem | None) -> Response:
    """Return the form, with what was wrong the last time."""
    status = STATUSES[problem.code] if problem else 200
    asked, is_nobody = asked_of(request, None, {}), False
    with suppress(*STORE_FAILS):
        is_nobody = is_nobody_there(asked.runtime.store)
    values = {"problem": problem, "next": _inside(asked.query.get("next", "")), "is_nobody_there": is_nobody}
    response = shown(DeskPage("signin.html", values, status), asked)
    response.headers.update(problem.headers or {} if problem else {})
    return response


def _first_person(request: Request) -> Actor:
    actor = authenticate(request)
    if actor is None or actor.name != FIRST_NAME:
        raise CallProblem(Fault.NOT_ALLOWED, NO_ENTRY)
    return actor


def _welcome(request: Request, problem: CallProblem | None = None, name: str = "") -> Response:
    """Return what the first person sees: a page with a link, because a browser that followed a redirect from another
    site would not send the cookie along.
    """
    values = {"problem": problem, "name": name[:100], "shortest": SHORTEST, "rule": NAME_RULE}
    page = DeskPage("welcome.html", values, STATUSES[problem.code] if problem else 200)
    return shown(page, asked_of(request, None, {}))


def _inside(place: str) -> str:
    """Return where to go on after signing in: an address of this site, whatever a link says."""
    return place if re.fullmatch(r"/(?![/\\])[\x21-\x7e]{0,500}", place) else INSIDE


def _with_session(request: Request, response: Response, done: SignedIn) -> Response:
    give(response, done.secret, secure=is_secure(request))
    return response
