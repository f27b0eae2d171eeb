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
from scheduler.web.api.problems import ALWAYS, CallProblem, Fault, answer, as_problem, declared

CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="campaigns"'}


@dataclass(frozen=True, slots=True)
class Needed:
    """The scope that a route declares; called by FastAPI, it returns who calls."""

    scope: Scope

    async def __call__(self, request: Request) -> Actor:
        actor: Actor = request.state.actor
        return actor


def needs(scope: Scope) -> Any:
    """Declare what a caller of a route must be allowed to: `actor: Annotated[Actor, needs(Scope.READ)]`."""
    return Depends(Needed(scope))


def scope_of(route: APIRoute) -> Scope:
    """Return the scope that the route declares. Raises `ValueError` if it declares none, or several."""
    declared = [each.call.scope for each in route.dependant.dependencies if isinstance(each.call, Needed)]
    if len(declared) != 1:
        raise ValueError(f"{route.path} must declare one scope with `needs`, and declares {len(declared)}")
    return declared[0]


class GuardedRoute(APIRoute):
    """A route that cannot be made without a scope. Whatever is raised in it is answered with a problem."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, scope = super().get_route_handler(), scope_of(self)

        async def guarded(request: Request) -> Response:
            try:
                request.state.actor = await admitted(request, scope)
                return await handle(request)
            except Exception as error:  # or the server would log its traceback, whose values may be numbers
                return answer(as_problem(error))

        return guarded


def guarded_router() -> APIRouter:
    """Return a router all of whose routes declare a scope."""
    return APIRouter(route_class=GuardedRoute, responses=declared(*ALWAYS))


async def admitted(request: Request, scope: Scope) -> Actor:
    """Return who calls. Raises `CallProblem` unless that is somebody who may."""
    actor = await run_in_threadpool(authenticate, request)
    if actor is None:
        sentence = "say who calls: send a token as `Authorization: Bearer smc_...`; campaigns tokens add makes one"
        raise CallProblem(Fault.NOT_SIGNED_IN, sentence, headers=CHALLENGE)
    if not is_allowed(actor.scopes, scope):
        sentence = f"{actor.name} may not do this: it needs the scope {scope.value}"
        raise CallProblem(Fault.NOT_ALLOWED, sentence)
    return actor
