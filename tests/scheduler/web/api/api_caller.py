"""Calling the API as a program does."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from campaigns.access import Scope
from tests.scheduler.web.api.conformance import hold
from worker.runtime import Runtime
from worker.store.access import tokens

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]

    def problem(self, status: int, code: str) -> str:
        """The sentence of the problem that this answer must be."""
        assert (self.status, self.media_type) == (status, PROBLEM), self.body
        assert (self.json["status"], self.json["code"]) == (status, code), self.json
        assert set(self.json) <= {"type", "title", "status", "detail", "code", "errors"}
        return str(self.json["detail"])


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, or nobody."""

    url: str
    token: str = ""

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, None, **headers)

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """`path` is sent as it is, after `/v1`; a header `Last_Event_ID` is `Last-Event-ID`.

        Whatever is answered must be what the document says.
        """
        parts = urlsplit(self.url)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent = {"Authorization": f"Bearer {self.token}"} | sent
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            with suppress(BrokenPipeError):  # a body that is too large is answered before it is read
                connection.request(method, f"/v1{path}", body, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            is_endless = found.get("content-type", "").startswith("text/event-stream")
            answer = Answer(response.status, found, response.read(10) if is_endless else response.read())
        finally:
            connection.close()
        hold(method, path, answer.status, answer.media_type, answer.body)
        return answer


class Callers:
    """Makes callers for an installation whose door is at `url`."""

    def __init__(self, runtime: Runtime, url: str) -> None:
        self.url = url
        self._runtime = runtime
        self._made: dict[tuple[Scope, ...], Caller] = {}

    def nobody(self) -> Caller:
        return Caller(self.url)

    def with_scopes(self, *scopes: Scope) -> Caller:
        if scopes not in self._made:
            name = "+".join(scopes) or "nothing"
            with self._runtime.store.write() as session:
                token = tokens.create(session, name, scopes, by="tests", now=self._runtime.clock.now())
            self._made[scopes] = Caller(self.url, token)
        return self._made[scopes]
