"""Who may call a route: each declares its scope with `needs`, and is asked for it before anything of a call is read."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from campaigns.access import Scope, is_allowed
from scheduler.actions.acting import Actor
from scheduler.web.access import authenticate
from scheduler.web.api.limits import CallRates
from scheduler.web.api.problems import ALWAYS, CallProblem, Fault, answer, as_problem, declared

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

        async def guarded(request: Request) -> Response:
            try:
                request.state.actor = actor = await admitted(request, needed.scope, needed.or_else)
                rates: CallRates = request.app.state.rates
                rates.take(str(actor))
                return await handle(request)
            except Exception as error:  # or the server would log its traceback, whose values may be numbers
                return answer(as_problem(error))

        return guarded


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
