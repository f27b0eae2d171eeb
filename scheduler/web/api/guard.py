"""Who may call a route: each declares its scope with `needs`, and is asked for it before anything of a call is read."""

import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, get_origin

from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from campaigns.access import Scope, is_allowed
from scheduler.actions.acting import Actor
from scheduler.actions.refusals import Refusal
from scheduler.web.access import authenticate
from scheduler.web.api.limits import CallRates
from scheduler.web.api.problems import ALWAYS, CallProblem, Fault, answer, as_problem, declared

MOST_NAME: Final = 60
"""How much of an unknown name an answer repeats."""

CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="campaigns"'}


@dataclass(frozen=True, slots=True)
class Needed:
    """The scope that a route declares; called by FastAPI, it returns who calls."""

    scope: Scope
    or_else: Scope | None = None

    async def __call__(self, request: Request) -> Actor:
        actor: Actor = request.state.actor
        return actor


def needs(scope: Scope, *, or_else: Scope | None = None) -> Any:
    """Declare what a caller of a route must be allowed to: `actor: Annotated[Actor, needs(Scope.READ)]`.

    `or_else`: this scope is let in, too; the route then asks with `require` before it does what needs the first one.
    """
    return Depends(Needed(scope, or_else))


def scope_of(route: APIRoute) -> Scope:
    """Return the scope that the route declares. Raises `ValueError` if it declares none, or several."""
    return _needed(route).scope


def _needed(route: APIRoute) -> Needed:
    declared = [each.call for each in route.dependant.dependencies if isinstance(each.call, Needed)]
    if len(declared) != 1:
        raise ValueError(f"{route.path} must declare one scope with `needs`, and declares {len(declared)}")
    return declared[0]


def require(actor: Actor, scope: Scope) -> None:
    """Raise `CallProblem` unless the caller is allowed to do what needs this scope."""
    if not is_allowed(actor.scopes, scope):
        sentence = f"{actor.name} may not do this: it needs the scope {scope.value}"
        raise CallProblem(Fault.NOT_ALLOWED, sentence)


class GuardedRoute(APIRoute):
    """A route that cannot be made without a scope. Whatever is raised in it is answered with a problem."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, needed = super().get_route_handler(), _needed(self)
        known = dict(_query_of(self.dependant))

        async def guarded(request: Request) -> Response:
            try:
                request.state.actor = actor = await admitted(request, needed.scope, needed.or_else)
                rates: CallRates = request.app.state.rates
                rates.take(str(actor))
                _refuse_unknown(request, known)
                if self.body_field is not None:
                    _refuse_other_types(request)
                return await handle(request)
            except Exception as error:  # or the server would log its traceback, whose values may be numbers
                return answer(as_problem(error))

        return guarded


def _query_of(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield the query parameters that a route declares, and whether each may be repeated."""
    for field in dependant.query_params:
        yield field.alias, get_origin(field.field_info.annotation) is list
    for each in dependant.dependencies:
        yield from _query_of(each)


def _refuse_unknown(request: Request, known: Mapping[str, bool]) -> None:
    """Raise `CallProblem` for a query parameter that is unknown, or given twice: it may be a mistake in a name.

    `dryrun=true`, ignored, would send to everybody.
    """
    given = Counter(name for name, _ in request.query_params.multi_items())
    for name, times in given.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"it takes {', '.join(sorted(known)) or 'none'}"
            problem = f"is not a query parameter of this call; {advice}"
        elif times > 1 and not known[name]:
            problem = "is given more than once in the query"
        else:
            continue
        place = f"query/{name[:MOST_NAME]}"
        raise CallProblem(Refusal.INVALID, f"{place} {problem}", errors=[{"pointer": place, "detail": problem}])


def _refuse_other_types(request: Request) -> None:
    """Raise `CallProblem` for a body that is not said to be JSON: `curl -d` says that it is a form."""
    has_body = request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if has_body and media_type != "application/json" and not re.fullmatch(r"application/.+\+json", media_type):
        sentence = "this call takes JSON: send the body with `Content-Type: application/json`"
        raise CallProblem(Fault.UNSUPPORTED_MEDIA_TYPE, sentence)


def guarded_router() -> APIRouter:
    """Return a router all of whose routes declare a scope."""
    return APIRouter(route_class=GuardedRoute, responses=declared(*ALWAYS))


async def admitted(request: Request, scope: Scope, or_else: Scope | None = None) -> Actor:
    """Return who calls. Raises `CallProblem` unless that is somebody who may."""
    actor = await run_in_threadpool(authenticate, request)
    if actor is None:
        sentence = "this call needs a token: send it as `Authorization: Bearer smc_...`; campaigns tokens add makes one"
        raise CallProblem(Fault.NOT_SIGNED_IN, sentence, headers=CHALLENGE)
    if or_else is None or not is_allowed(actor.scopes, or_else):
        require(actor, scope)
    return actor
