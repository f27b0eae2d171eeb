"""`/metrics`: what this process counts, in Prometheus's text format."""

import asyncio
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from campaigns.access import Scope
from scheduler.web.door_routes import DoorRoute
from worker import metrics
from worker.settings.settings import Settings

METRICS: Final = "/metrics"


class MetricsPage:
    """Writes the page in a thread, once at a time: with 10,000 phones it takes a second.

    `is_open`: whoever can connect may read it; it holds no person and no text.
    """

    def __init__(self, *, is_open: bool) -> None:
        self._one = asyncio.Lock()
        self._is_open = is_open

    async def answer(self, request: Request) -> Response:
        """Return everything that is counted."""
        if not self._is_open:
            from scheduler.web.api.guard import admitted  # FastAPI's quarter of a second: not for workers
            from scheduler.web.api.problems import answer, as_problem

            try:
                await admitted(request, Scope.READ)
            except Exception as error:  # the server would log it with its values
                return answer(as_problem(error))
        async with self._one:
            body, media_type = await asyncio.to_thread(metrics.page)
        return Response(body, headers={"Content-Type": media_type})


def metrics_route(settings: Settings, *, is_local: bool) -> DoorRoute:
    """The page at the front door; this process counts from now on.

    It asks for the scope `read`, unless nobody but this machine reaches the door (`is_local`). A proxy on this machine
    would let others in, and where there is one, its address or its name is in the settings.
    """
    metrics.begin()
    is_open = is_local and not settings.trusted_proxies and not settings.http_hosts
    return DoorRoute(METRICS, MetricsPage(is_open=is_open).answer, None if is_open else Scope.READ, any_host=False)


def make_metrics_app() -> Starlette:
    """The page alone, for a process that listens for nothing else: at an address that only Prometheus reaches."""
    metrics.begin()
    return Starlette(routes=[Route(METRICS, MetricsPage(is_open=True).answer)])
