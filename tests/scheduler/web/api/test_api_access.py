"""Who may call what: the routes' own declarations, asked of a real server."""

import re
from functools import cache
from typing import Any

import pytest

from campaigns.access import SCOPES_OF, Role, Scope, is_allowed
from campaigns.definition.loader import MAX_BYTES
from scheduler.actions.access.users import add_user
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.refusals import Refusal
from scheduler.web.access import COOKIE
from scheduler.web.api.app import MOST_BYTES, document, routes
from scheduler.web.api.guard import guarded_router, scope_of
from scheduler.web.api.problems import STATUSES, Fault
from tests.scheduler.web.api.api_caller import Callers
from worker.runtime import Runtime
from worker.store.access import sessions, tokens, users

TABLE = {
    ("GET", "/campaigns"): Scope.READ,
    ("GET", "/campaigns/{name}"): Scope.READ,
    ("GET", "/campaigns/{name}/runs/{run}"): Scope.READ,
    ("GET", "/campaigns/{name}/recipients"): Scope.READ,
    ("GET", "/campaigns/{name}/plan"): Scope.READ,
    ("PUT", "/campaigns/{name}"): Scope.SUBMIT,
    ("POST", "/campaigns/{name}/approve"): Scope.APPROVE,
    ("POST", "/campaigns/{name}/pause"): Scope.CONTROL,
    ("POST", "/campaigns/{name}/resume"): Scope.CONTROL,
    ("POST", "/campaigns/{name}/cancel"): Scope.CONTROL,
    ("POST", "/campaigns/{name}/throttle"): Scope.CONTROL,
    ("POST", "/campaigns/{name}/resend"): Scope.CONTROL,
    ("POST", "/campaigns/{name}/resolve"): Scope.CONTROL,
    ("POST", "/campaigns/{name}/people"): Scope.CONTROL,
    ("PUT", "/tables/{name}"): Scope.SUBMIT,
    ("GET", "/people/{number}"): Scope.READ,
    ("POST", "/campaigns/{name}/capacity"): Scope.PLAN,
    ("POST", "/people/erase"): Scope.ADMIN,
    ("POST", "/suppressions"): Scope.SUPPRESS,
    ("DELETE", "/suppressions"): Scope.SUPPRESS,
    ("POST", "/replies/{reply}/review"): Scope.SUPPRESS,
    ("POST", "/replies/{reply}/answer"): Scope.REPLY,
    ("GET", "/replies/{reply}"): Scope.READ,
    ("POST", "/limits"): Scope.CONTROL,
    ("GET", "/suppressions"): Scope.READ,
    ("GET", "/replies"): Scope.READ,
    ("GET", "/held"): Scope.READ,
    ("GET", "/devices"): Scope.READ,
    ("GET", "/limits"): Scope.READ,
    ("POST", "/messages"): Scope.SUBMIT,
    ("GET", "/messages/{id}"): Scope.READ,
    ("GET", "/audit"): Scope.CONTROL,
    ("GET", "/alerts"): Scope.READ,
    ("GET", "/calls"): Scope.CONTROL,
    ("GET", "/broken-files"): Scope.READ,
    ("GET", "/doctor"): Scope.CONTROL,
    ("GET", "/processes"): Scope.CONTROL,
    ("POST", "/calls/{id}/repeat"): Scope.CONTROL,
    ("GET", "/events"): Scope.READ,
    ("GET", "/openapi.json"): Scope.READ,
}
"""Every route, and the scope that it asks for."""

OR_ELSE = {("PUT", "/campaigns/{name}"): Scope.PLAN}
"""A scope that is let in as well, to do less: `test_api_files.py` has what."""


def test_every_route_declares_the_scope_of_the_table() -> None:
    assert {(method, route.path): scope_of(route) for route in routes() for method in route.methods or ()} == TABLE


def test_every_code_has_a_status() -> None:
    assert set(STATUSES) == {*Refusal, *Fault}


def test_a_route_without_a_scope_cannot_be_made() -> None:
    with pytest.raises(ValueError, match=r"/open must declare one scope with `needs`, and declares 0"):
        guarded_router().get("/open")(lambda: None)


@pytest.mark.parametrize(("method", "path"), TABLE)
def test_a_route_is_open_to_those_with_its_scope_and_to_nobody_else(callers: Callers, method: str, path: str) -> None:
    address = re.sub(r"\{.*?\}", "1", path)
    nobody = callers.nobody().call(method, address)
    assert "smc_" in nobody.problem(401, "not_signed_in")
    assert nobody.headers["www-authenticate"] == 'Bearer realm="campaigns"'
    for scope in Scope:
        answer = callers.with_scopes(scope).call(method, address)
        if is_allowed({scope}, TABLE[method, path]) or OR_ELSE.get((method, path)) is scope:
            assert answer.status != 401, answer.body
            assert answer.status != 403 or OR_ELSE.get((method, path)) is scope
        else:
            needed = TABLE[method, path].value
            assert answer.problem(403, "not_allowed") == f"{scope.value} may not do this: it needs the scope {needed}"


@pytest.fixture(scope="module")
def signed_in(api_runtime: Runtime) -> dict[Role, str]:
    """The cookie of a user of each role."""
    now, cookies = api_runtime.clock.now(), {}
    for role in Role:
        add_user(api_runtime.store, Actor(ActorKind.CLI, "root"), role.value, role, None, now=now)
        with api_runtime.store.write() as session:
            user = users.credentials(session, role.value)
            assert user is not None
            cookies[role] = f"{COOKIE}={sessions.create(session, user.user_id, role.value, role, now=now)}"
    return cookies


@pytest.mark.parametrize("role", Role)
def test_a_user_may_call_what_the_role_has_the_scope_for(
    callers: Callers, signed_in: dict[Role, str], role: Role
) -> None:
    """With the cookie, from a page of ours. From a page of others nothing is changed, whoever is signed in."""
    page = {"Cookie": signed_in[role], "Sec_Fetch_Site": "same-origin"}
    for (method, path), scope in TABLE.items():
        answer = callers.nobody().call(method, re.sub(r"\{.*?\}", "1", path), None, **page)
        is_let_in = scope in SCOPES_OF[role] or OR_ELSE.get((method, path)) in SCOPES_OF[role]
        assert (answer.status in {401, 403}) is not is_let_in, (method, path, answer.body)
        if not is_let_in:
            needed = f"{role.value} may not do this: it needs the scope {scope.value}"
            assert answer.problem(403, "not_allowed") == needed
        if method != "GET":
            elsewhere = page | {"Sec_Fetch_Site": "cross-site"}
            callers.nobody().call(method, re.sub(r"\{.*?\}", "1", path), None, **elsewhere).problem(403, "cross_site")


@cache
def as_declared() -> dict[str, Any]:
    """The document, made once: 0.4 s."""
    return document()


@pytest.mark.parametrize(("method", "path"), TABLE)
def test_a_query_parameter_that_a_call_does_not_have_is_refused_and_so_is_one_given_twice(
    callers: Callers, method: str, path: str
) -> None:
    admin = callers.with_scopes(Scope.ADMIN)
    address = re.sub(r"\{.*?\}", "1", path)
    answer = admin.call(method, f"{address}?dryrun=true")
    assert "query/dryrun is not a query parameter of this call; " in answer.problem(422, "invalid")
    assert answer.json["errors"][0]["pointer"] == "query/dryrun"
    declared = as_declared()["paths"][path][method.lower()].get("parameters", [])
    for each in (each for each in declared if each["in"] == "query" and each["schema"].get("type") != "array"):
        twice = admin.call(method, f"{address}?{each['name']}=1&{each['name']}=2").problem(422, "invalid")
        assert twice == f"query/{each['name']} is given more than once in the query"


def test_the_nearest_parameter_is_named(callers: Callers) -> None:
    admin = callers.with_scopes(Scope.ADMIN)
    misspelled = {
        (
            "PUT",
            "/campaigns/typo-dry?dryrun=true",
        ): "dryrun is not a query parameter of this call; did you mean dry_run?",
        ("GET", "/suppressions?limt=10"): "limt is not a query parameter of this call; did you mean limit?",
        ("GET", "/suppressions?zzz=10"): "zzz is not a query parameter of this call; it takes after, kind, limit",
        ("POST", "/suppressions?zzz=1"): "zzz is not a query parameter of this call; it takes none",
    }
    for (method, path), sentence in misspelled.items():
        assert admin.call(method, path).problem(422, "invalid") == f"query/{sentence}"


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path in TABLE if method in {"POST", "PUT"}])
def test_a_body_that_is_too_large_or_of_another_type_is_a_declared_problem(
    callers: Callers, method: str, path: str
) -> None:
    """`Caller` holds each answer against the document. Other methods are answered without reading a body."""
    admin = callers.with_scopes(Scope.ADMIN)
    address = re.sub(r"\{.*?\}", "1", path)
    for kind in ("application/json", "application/yaml", "application/x-www-form-urlencoded", "image/png"):
        assert admin.call(method, address, b"{", Content_Type=kind).status < 500
    if path.startswith("/tables"):  # 512 MB
        return
    large = admin.call(method, address, b" " * (MOST_BYTES + MAX_BYTES), Content_Type="application/json")
    large.problem(413, "too_large")


@pytest.mark.parametrize(
    ("body", "kind", "status", "detail"),
    [
        (b'{"numbers": ["+393331234567"]}', "application/x-www-form-urlencoded", 415, "this call takes JSON: "),
        (b'{"numbers": ["+393331234567"]}', "", 415, "this call takes JSON: "),
        (b'{"numbers":\n [}', "application/json", 422, "body is not JSON, at line 2, column 3"),
        (b"[]", "application/json", 422, "body must be a JSON object"),
        (b"{}", "application/json", 422, "body/numbers is missing"),
        (b'{"numbers": "+393331234567"}', "application/json", 422, "body/numbers must be a list"),
        (b'{"numbers": [5]}', "application/json", 422, "body/numbers/0 must be text"),
        (b'{"numbers": []}', "application/json", 422, "body/numbers must have at least 1 item"),
        (b'{"numbers": ["112"], "resaon": "x"}', "application/json", 422, "body/resaon is not known here"),
        (b'{"numbers": ["\\u0007"]}', "application/json", 422, "body/numbers/0 must have no control characters"),
        (b'{"numbers": ["112"], "kind": "x"}', "application/json", 422, "body/kind must be 'marketing'"),
        (b'{"numbers": ["112"]}', "application/json", 422, "the number cannot be used: too short for Italy"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_in_our_words_and_without_its_values(
    callers: Callers, body: bytes, kind: str, status: int, detail: str
) -> None:
    sent = {"Content_Type": kind} if kind else {}
    answer = callers.with_scopes(Scope.SUPPRESS).call("POST", "/suppressions", body, **sent)
    assert answer.problem(status, "invalid" if status == 422 else "unsupported_media_type").startswith(detail)
    assert b"393331234567" not in answer.body


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer smc_",
        "Basic c21jXzph",
        "Bearer smc_" + "a" * 43,
        "Bearer smc_" + "a" * 5_000,
        "Bearer \xff",
    ],
)
def test_what_is_not_a_token_is_nobody(callers: Callers, given: str) -> None:
    callers.nobody().get("/devices", Authorization=given).problem(401, "not_signed_in")


def test_a_token_counts_until_it_expires(callers: Callers, api_runtime: Runtime) -> None:
    now = api_runtime.clock.now()
    with api_runtime.store.write() as session:
        over = tokens.create(session, "over", [Scope.READ], expires_at=now, by="tests", now=now)
    callers.nobody().get("/devices", Authorization=f"Bearer {over}").problem(401, "not_signed_in")
