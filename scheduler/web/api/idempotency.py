"""`Idempotency-Key`: a call with a key has one effect and one answer, however often it is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse

from scheduler.actions.acting import Actor
from scheduler.actions.once import KeyedCall, MadeCall, made_before, make_once
from scheduler.web.api.problems import VISIBLE
from worker.runtime import Runtime

REPLAYED: Final = "Idempotency-Replayed"

Act = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Once:
    """One call; `call` None: its caller gave no key, and it may do the same again."""

    runtime: Runtime
    call: KeyedCall | None

    def kept(self) -> Response | None:
        """Return the answer of this call if it was made before."""
        made = None if self.call is None else made_before(self.runtime.store, self.call)
        return None if made is None else _answer(made)

    def __call__(self, act: Act) -> Response:
        """Do one action and answer with its result, or answer as before if it was done."""
        if self.call is None:
            return JSONResponse(act())

        def rendered() -> str:
            return bytes(JSONResponse(act()).body).decode()

        return _answer(make_once(self.runtime.store, self.call, rendered, now=self.runtime.clock.now()))


def _answer(made: MadeCall) -> Response:
    headers = {} if made.is_news else {REPLAYED: "true"}
    return Response(made.answer, headers=headers, media_type="application/json")


async def _once(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=VISIBLE, description="A new one for each call; repeating a call with it returns the same answer."
        ),
    ] = None,
) -> Once:
    runtime: Runtime = request.app.state.runtime
    if idempotency_key is None:
        return Once(runtime, None)
    actor: Actor = request.state.actor
    # The address as it was asked for, and the condition: a key stands for one call on one thing.
    asked = (request.method, request.scope["path"], request.url.query, request.headers.get("If-Match", ""))
    digest = sha256("\0".join(asked).encode("utf-8", "surrogatepass") + b"\0" + await request.body()).hexdigest()
    return Once(runtime, KeyedCall(str(actor), idempotency_key, digest))


MadeOnce = Annotated[Once, Depends(_once)]
