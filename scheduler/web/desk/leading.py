"""How a form leads to a page, which tells what was done."""

from typing import Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse

DONE_COOKIE: Final = "campaigns_done"
"""What the form before did, for the page that it led to."""

LONGEST: Final = 500


def led(url: str, done: str) -> RedirectResponse:
    """Return the answer that leads to a page, which tells once what was done."""
    response = RedirectResponse(url, 303)
    if done:
        response.set_cookie(DONE_COOKIE, quote(done[:LONGEST]), path="/", httponly=True, samesite="strict")
    return response


def done_before(request: Request) -> str:
    """Return what the form that led here did; empty: none did."""
    return unquote(request.cookies.get(DONE_COOKIE, ""))[:LONGEST]
