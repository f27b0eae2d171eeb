"""The routes of the desk."""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute

from scheduler.web.desk.pages import PageRoute
from scheduler.web.desk.views import ahead, campaigns, lists, oversight, people, replies, steering, submit, users
from scheduler.web.door_routes import DoorRoute

PLACES: Final = (
    *campaigns.PLACES,
    *steering.PLACES,
    *people.PLACES,
    *ahead.PLACES,
    *lists.PLACES,
    *replies.PLACES,
    *oversight.PLACES,
    *submit.PLACES,
    *users.PLACES,
)
"""Every page and form."""

STATIC: Final = {"desk.css": "text/css", "desk.js": "text/javascript"}


def desk_routes() -> list[BaseRoute]:
    """Return the routes."""
    return [*(PageRoute(place) for place in PLACES), DoorRoute("/static/{name}", _static, None, any_host=False)]


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        return Response(status_code=404)
    place = Path(__file__).with_name("static") / name
    return FileResponse(place, media_type=STATIC[name], headers={"cache-control": "no-cache"})
