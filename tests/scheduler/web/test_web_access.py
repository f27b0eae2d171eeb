"""Who gets in at the front door, by which key, and who does not: asked of a real server."""

import http.client
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from http.cookies import SimpleCookie
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import pytest
from starlette.routing import Mount

from campaigns.access import SCOPES_OF, Role, Scope, is_allowed
from campaigns.clock import SystemClock
from scheduler.actions.access.users import add_user, list_users, remove_user, set_password, set_role
from scheduler.actions.acting import Actor, ActorKind
from scheduler.processes.doors import Listeners, open_doors
from scheduler.web.access import COOKIE
from scheduler.web.api.app import routes as api_routes
from scheduler.web.api.guard import scope_of
from scheduler.web.app import make_app, make_webhook_app
from scheduler.web.desk.pages import PageRoute
from scheduler.web.door_routes import DoorRoute
from scheduler.web.first_run import CODE_SECONDS, FirstRun
from scheduler.web.metrics import METRICS
from scheduler.web.serving import FrontDoor, listen, url_of
from scheduler.web.slowing import MOST_KEPT, Slowing
from tests.scheduler.conftest import DATABASE
from tests.scheduler.web.conftest import runtime_of
from tests.support.clocks import FakeClock
from worker.runtime import Runtime
from worker.settings.settings import Settings, SettingsError
from worker.store import audit
from worker.store.access import sessions, tokens, users
from worker.store.audit import Audited, AuditFilter
from worker.store.engine import Store
from worker.store.reports import audit_chain

ROOT = Actor(ActorKind.CLI, "root")
PASSWORD = "correct horse battery"
PAGE = {"Sec-Fetch-Site": "same-origin"}
HOSTS = ("desk.example.com",)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    cookies: SimpleCookie
    text: str

    @property
    def cookie(self) -> str:
        """The session that this answer gives, as a browser sends it back; empty: none."""
        return "; ".join(f"{name}={m.value}" for name, m in self.cookies.items() if m.value and m["max-age"] != "0")


Ask = Callable[..., Reply]


def asking(url: str) -> Ask:
    def ask(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | str | None = None) -> Reply:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            cookies = SimpleCookie()
            for line in answer.headers.get_all("Set-Cookie") or []:
                cookies.load(line)
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, cookies, answer.read().decode())
        finally:
            connection.close()

    return ask


@pytest.fixture(scope="session")
def with_users(tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[Path], None]) -> Path:
    """A database with the users anna and bob; made once: hashing their passwords takes longer than most tests."""
    folder = tmp_path_factory.mktemp("users")
    migrated(folder)
    with closing(Store(f"sqlite:///{folder / DATABASE}")) as store:
        for name, role in (("anna", Role.OPERATOR), ("bob", Role.VIEWER)):
            add_user(store, ROOT, name, role, PASSWORD, now=SystemClock().now())
    return folder / DATABASE


@pytest.fixture
def desk(tmp_path: Path, with_users: Path) -> Iterator[Runtime]:
    """An installation that is reached under a name, too, and has the users anna and bob."""
    copy = shutil.copy(with_users, tmp_path)
    made = runtime_of(f"sqlite:///{copy}", http_hosts=HOSTS)
    yield made
    made.close()


@pytest.fixture
def ask(desk: Runtime) -> Iterator[Ask]:
    listener = listen("127.0.0.1:0")
    with FrontDoor(make_app(desk), listener):
        yield asking(url_of(listener))


def sign_in(ask: Ask, name: str = "anna", password: str = PASSWORD, **headers: str) -> Reply:
    sent = PAGE | {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return ask("POST", "/signin", sent, json.dumps({"name": name, "password": password}))


READ = "/v1/devices"

ROUTES = {
    ("GET", "/signin"): "public",
    ("POST", "/signin"): "public",
    ("POST", "/signout"): "public",
    ("GET", "/first"): "public",
    ("POST", "/first"): "public",
    ("GET", "/metrics"): "read",
    ("GET", "/healthz"): "public, any host",
    ("POST", "/webhook/inbound"): "public, any host",
}
"""Every route outside the API and the desk, and who may call it. Those of the API: test_api_access.py."""

PAGES = {
    ("GET", "/"): "read",
    ("GET", "/audit"): "control",
    ("GET", "/campaigns"): "read",
    ("GET", "/campaigns/{name}"): "read",
    ("GET", "/campaigns/{name}/people"): "read",
    ("GET", "/campaigns/{name}/people/plan"): "control",
    ("POST", "/campaigns/{name}/people/do"): "control",
    ("GET", "/campaigns/{name}/plan"): "read",
    ("GET", "/campaigns/{name}/report"): "read",
    ("GET", "/calendar"): "read",
    ("GET", "/compare"): "read",
    ("GET", "/fleet"): "read",
    ("GET", "/fleet/texts"): "read",
    ("GET", "/needs"): "read",
    ("GET", "/opt-outs"): "read",
    ("GET", "/replies"): "read",
    ("GET", "/replies/{reply}"): "read",
    ("GET", "/submit"): "plan",
    ("POST", "/submit"): "plan",
    ("POST", "/submit/exactly"): "submit",
    ("GET", "/system"): "control",
    ("GET", "/system/doctor"): "control",
    ("GET", "/users"): "admin",
    ("POST", "/users"): "admin",
    ("POST", "/users/{name}/password"): "admin",
    ("POST", "/users/{name}/remove"): "admin",
    ("POST", "/users/{name}/role"): "admin",
    ("POST", "/campaigns/{name}/approve"): "approve",
    ("GET", "/campaigns/{name}/cancel"): "control",
    ("POST", "/campaigns/{name}/cancel"): "control",
    ("GET", "/campaigns/{name}/no-reply"): "control",
    ("POST", "/campaigns/{name}/no-reply"): "control",
    ("GET", "/campaigns/{name}/resolve"): "control",
    ("POST", "/campaigns/{name}/resolve"): "control",
    ("GET", "/campaigns/{name}/resume"): "control",
    ("POST", "/campaigns/{name}/throttle"): "control",
    ("POST", "/campaigns/{name}/pause"): "control",
    ("POST", "/campaigns/{name}/resume"): "control",
    ("POST", "/opt-outs/add"): "suppress",
    ("POST", "/opt-outs/remove"): "suppress",
    ("POST", "/person"): "read:numbers",
    ("POST", "/person/erase"): "admin",
    ("POST", "/replies/{reply}/answer"): "reply",
    ("POST", "/replies/{reply}/review"): "suppress",
    ("POST", "/system/calls/{call}/repeat"): "control",
}
"""Every page and every form of the desk, and the scope that it needs."""

STYLE = ("GET", "/static/{name}")
"""What pages look like is no secret, and the page to sign in looks so, too."""


def declared(app: Any) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for route in app.routes:
        if isinstance(route, Mount):
            assert (route.path, len(api_routes())) == ("/v1", len([scope_of(each) for each in api_routes()]))
            continue
        if isinstance(route, PageRoute):
            place = route.place
            found |= {("GET", route.path): place.scope.value} if place.view else {}
            found |= {("POST", route.path): (place.act_scope or place.scope).value} if place.act else {}
            continue
        assert isinstance(route, DoorRoute), route
        said = (route.scope.value if route.scope else "public") + (", any host" if route.any_host else "")
        found |= {(method, route.path): said for method in (route.methods or set()) - {"HEAD"}}
    return found


def test_every_route_says_who_may_call_it(desk: Runtime) -> None:
    everything = ROUTES | PAGES | {STYLE: "public"}
    assert declared(make_app(desk)) == everything
    at_the_gateways_door = {place: said for place, said in ROUTES.items() if said == "public, any host"}
    assert declared(make_webhook_app(desk)) == at_the_gateways_door
    assert declared(make_app(desk, has_webhook=False)).keys() == everything.keys() - {("POST", "/webhook/inbound")}


def callers_of(desk: Runtime) -> dict[str, tuple[dict[str, str], frozenset[Scope]]]:
    """Nobody, every role by cookie, and a token of every scope: what they send, and what they are allowed."""
    now, store = desk.clock.now(), desk.store
    callers: dict[str, tuple[dict[str, str], frozenset[Scope]]] = {"nobody": ({}, frozenset())}
    for role in Role:
        add_user(store, ROOT, f"a-{role.value}", role, None, now=now)
        with store.write() as session:
            user = users.credentials(session, f"a-{role.value}")
            assert user is not None
            secret = sessions.create(session, user.user_id, f"a-{role.value}", role, now=now)
        callers[role.value] = ({"Cookie": f"{COOKIE}={secret}"}, SCOPES_OF[role])
    for scope in Scope:
        with store.write() as session:
            secret = tokens.create(session, f"a-{scope.value}", [scope], by="tests", now=now)
        callers[scope.value] = ({"Authorization": f"Bearer {secret}"}, frozenset({scope}))
    return callers


def test_every_route_outside_the_api_answers_whom_its_row_says(ask: Ask, desk: Runtime) -> None:
    # What a public route answers to an empty call: it has asked for no scope, only for what belongs to the call.
    public = {"/signin": 422, "/signout": 204, "/first": 403, "/healthz": 200, "/webhook/inbound": 400}
    asked = public | {"/signin": 200}
    callers = callers_of(desk)
    for (method, path), said in ROUTES.items():
        for name, (headers, scopes) in callers.items():
            if path == "/signout" and "Cookie" in headers:
                continue  # the session would be over: tests below
            may_read = is_allowed(scopes, Scope.READ)
            expected = (asked if method == "GET" else public).get(
                path, 200 if may_read else 401 if name == "nobody" else 403
            )
            if (method, path) == ("GET", "/first") and "Cookie" in headers:
                expected = 303  # signed in by a session: led inside
            assert ask(method, path, PAGE | headers).status == expected, (path, said, name)


def test_every_page_and_form_answers_whom_its_row_says(ask: Ask, desk: Runtime) -> None:
    """Nobody is led to the page to sign in. A form without what belongs in it is understood, and refused."""
    callers = callers_of(desk)
    for (method, path), scope in PAGES.items():
        for name, (headers, scopes) in callers.items():
            may = is_allowed(scopes, Scope.READ) and is_allowed(scopes, Scope(scope))
            status = ask(method, re.sub(r"{\w+}", "nowhere", path), PAGE | headers, b"").status
            if name == "nobody":
                assert status == (303 if method == "GET" else 401), (method, path)
            else:
                assert (status == 403) is not may, (method, path, name, status)
                assert status in {200, 303, 403, 404, 422}, (method, path, name, status)


def test_whoever_signs_in_may_do_what_the_role_says_until_they_sign_out(ask: Ask) -> None:
    done = sign_in(ask)
    assert (done.status, json.loads(done.text)["role"]) == (200, "operator")
    assert "control" in json.loads(done.text)["scopes"]
    given = done.cookies["campaigns_session"]
    assert (given["httponly"], given["samesite"].lower(), given["secure"], given["path"]) == (True, "strict", "", "/")
    cookie = {"Cookie": done.cookie}
    assert ask("GET", READ, cookie).status == 200
    # when
    out = ask("POST", "/signout", cookie | PAGE)
    # then
    assert (out.status, out.cookie) == (204, "")
    assert ask("GET", READ, cookie).status == 401


def test_a_form_signs_in_too_and_gets_a_secure_cookie_behind_tls(ask: Ask) -> None:
    sent = PAGE | {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://desk.example.com"}
    done = ask("POST", "/signin", sent, urlencode({"name": "Anna", "password": PASSWORD}))
    assert (done.status, done.headers["location"]) == (303, "/")
    given = done.cookies["__Host-campaigns_session"]
    assert (given["secure"], given["httponly"], given["path"], given["domain"]) == (True, True, "/", "")
    assert ask("GET", READ, {"Cookie": done.cookie}).status == 200
    wrong = ask("POST", "/signin", sent, urlencode({"name": "Anna", "password": "x"}))
    assert (wrong.status, wrong.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "The name or the password is wrong</p>" in wrong.text


@pytest.mark.parametrize("site", [None, "cross-site", "same-site", "none", "same-origin, cross-site"])
def test_a_browser_changes_nothing_on_behalf_of_another_site(ask: Ask, site: str | None) -> None:
    """Neither with the cookie of somebody, nor by signing somebody in under another name."""
    cookie = {"Cookie": sign_in(ask).cookie}
    sent = {} if site is None else {"Sec-Fetch-Site": site}
    refused = ask("POST", "/signout", cookie | sent)
    assert (refused.status, json.loads(refused.text)["code"]) == (403, "cross_site")
    assert ask("GET", READ, cookie).status == 200
    elsewhere = sent | {"Origin": "https://evil.example", "Content-Type": "application/json"}
    forged = ask("POST", "/signin", elsewhere, json.dumps({"name": "bob", "password": PASSWORD}))
    assert (forged.status, forged.cookie) == (403, "")


def test_a_session_is_never_one_that_the_browser_brought(ask: Ask) -> None:
    """Session fixation: somebody planted a cookie, of their own or made up."""
    planted = sign_in(ask, "bob").cookie
    for brought in (planted, "campaigns_session=made-up", "__Host-campaigns_session=made-up"):
        done = sign_in(ask, Cookie=brought)
        assert done.cookie
        assert done.cookie.partition("=")[2] != brought.partition("=")[2]
    assert ask("GET", READ, {"Cookie": planted}).status == 401, "the session that was there has ended"


def test_what_changes_for_a_user_counts_at_once_where_they_are_signed_in(ask: Ask, desk: Runtime) -> None:
    def control(cookie: str) -> int:
        me = ask("GET", "/v1/people/%2B393331234567", {"Cookie": cookie})
        return me.status

    store, now = desk.store, desk.clock.now()
    first = sign_in(ask).cookie
    set_role(store, ROOT, "anna", Role.VIEWER, now=now)
    assert json.loads(sign_in(ask).text)["role"] == "viewer"
    assert control(first) == 200
    set_password(store, ROOT, "anna", "another " + PASSWORD, now=now)
    assert control(first) == 401
    second = sign_in(ask, password="another " + PASSWORD).cookie
    assert control(second) == 200
    remove_user(store, ROOT, "anna", now=now)
    assert control(second) == 401
    assert sign_in(ask, password="another " + PASSWORD).status == 401


KNOWN_HOSTS = ("127.0.0.1", "127.0.0.1:81", "LocalHost:8080", "[::1]", "[::1]:80", *HOSTS, "desk.example.com:443")
FORGED_HOSTS = ("evil.example:80", "127.0.0.1.evil.org", "desk.example.com.evil", "10.0.0.1", "a@127.0.0.1", "[::2]")
GUARDED = (("GET", READ), ("POST", "/signin"), ("POST", "/signout"), ("GET", METRICS), ("GET", "/first"))


def test_a_call_under_another_name_is_not_answered(ask: Ask) -> None:
    """A page elsewhere can give its own name our address (DNS rebinding)."""
    cookie = sign_in(ask).cookie
    for host in KNOWN_HOSTS:
        assert ask("GET", READ, {"Cookie": cookie, "Host": host}).status == 200, host
    for host in FORGED_HOSTS:
        for method, path in GUARDED:
            refused = ask(method, path, PAGE | {"Cookie": cookie, "Host": host})
            assert (refused.status, refused.cookie) in {(421, ""), (400, "")}, (host, path)
        assert ask("GET", "/healthz", {"Host": host}).status in {200, 400}
    assert ask("GET", READ, {"Cookie": cookie}).status == 200


def test_a_token_counts_for_programs_and_needs_no_page(ask: Ask, desk: Runtime) -> None:
    now = desk.clock.now()
    with desk.store.write() as session:
        good = tokens.create(session, "crm", [Scope.READ], by="tests", now=now)
        old = tokens.create(session, "old", [Scope.READ], expires_at=now, by="tests", now=now)
        gone = tokens.create(session, "gone", [Scope.READ], by="tests", now=now)
        tokens.end(session, "gone", now=now)
    cookie = sign_in(ask).cookie
    assert ask("GET", READ, {"Authorization": f"Bearer {good}"}).status == 200
    for wrong in (f"Bearer {old}", f"Bearer {gone}", f"Bearer {good}x", f"Basic {good}", "Bearer", ""):
        # a cookie beside it does not help: a call says who makes it once
        assert ask("GET", READ, {"Authorization": wrong, "Cookie": cookie}).status == 401, wrong
    with desk.store.look() as session:
        used = {token.name for token in tokens.listed(session) if token.last_used_at is not None}
    assert used == {"crm"}


def test_metrics_ask_for_the_scope_read_where_others_reach_them(ask: Ask, desk: Runtime) -> None:
    assert ask("GET", METRICS).status == 401
    assert "campaigns_build_info" in ask("GET", METRICS, {"Cookie": sign_in(ask).cookie}).text
    alone = desk.settings.model_copy(update={"http_hosts": ()})
    for is_local, status in ((True, 200), (False, 401)):
        listener = listen("127.0.0.1:0")
        with FrontDoor(make_app(runtime_with(desk, alone), is_local=is_local), listener):
            assert asking(url_of(listener))("GET", METRICS).status == status


def runtime_with(runtime: Runtime, settings: Settings) -> Runtime:
    return replace(runtime, settings=settings)


def test_a_proxys_word_counts_only_from_its_address(desk: Runtime) -> None:
    def door(**changes: object) -> tuple[FrontDoor, Ask]:
        proxied = Settings(**{"trusted_user_header": "X-User", "_env_file": None, **changes})  # type: ignore[arg-type]  # whatever a row sets
        listener = listen("127.0.0.1:0")
        return FrontDoor(make_app(runtime_with(desk, proxied)), listener), asking(url_of(listener))

    named = {"X-User": "anna"}
    front, ask = door(trusted_proxies="10.0.0.0/8,192.0.2.1")
    with front:  # from another peer nothing that a header says makes it one
        for lie in ({}, {"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1"}, {"X-Real-IP": "10.0.0.1"}):
            assert ask("GET", READ, named | lie).status == 401
    front, ask = door(trusted_proxies="127.0.0.0/30")
    with front:
        assert ask("GET", READ, named).status == 200
        assert ask("GET", READ, {"X-User": "ANNA"}).status == 200
        for stranger in ("mallory", "", "anna, bob"):
            assert ask("GET", READ, {"X-User": stranger}).status == 401, stranger
        assert ask("GET", READ).status == 401
        # a browser behind the proxy sends its word with every call, so pages elsewhere could use it
        assert ask("POST", "/signout", named).status == 403
        assert ask("POST", "/signout", named | PAGE).status == 204


@pytest.fixture
def ask_at_once(desk: Runtime) -> Iterator[Ask]:
    """However long a test takes, no time passes."""
    listener = listen("127.0.0.1:0")
    with FrontDoor(make_app(replace(desk, clock=FakeClock(desk.clock.now()))), listener):
        yield asking(url_of(listener))


def test_wrong_passwords_are_slowed_down_for_the_name_and_for_the_address(ask_at_once: Ask) -> None:
    ask = ask_at_once
    tried = [sign_in(ask, password="wrong").status for _ in range(7)]
    assert tried == [*5 * [401], 429, 429]
    slowed = sign_in(ask)
    # the right one does not help now, or it would tell
    assert (slowed.status, int(slowed.headers["retry-after"]) > 0) == (429, True)
    # and another name from the same address goes on, until the address has tried too many names
    assert sign_in(ask, "bob").status == 200
    names = [sign_in(ask, f"name{n}", "wrong").status for n in range(20)]
    assert names.count(401) <= 15
    assert names[-1] == 429
    assert sign_in(ask, "bob").status == 429


def test_slowing_forgives_with_time_and_its_memory_is_bounded() -> None:
    clock = FakeClock()
    slowing = Slowing(clock, burst=2, seconds=30)
    assert [slowing.wait_seconds("anna") for _ in range(3)] == [0, 0, 30]
    clock.advance(timedelta(seconds=29))
    assert slowing.wait_seconds("anna") == 1
    clock.advance(timedelta(seconds=1))
    assert [slowing.wait_seconds("anna"), slowing.wait_seconds("anna")] == [0, 30]
    slowing.forgive("anna")
    assert slowing.wait_seconds("anna") == 0
    for n in range(2 * MOST_KEPT):
        slowing.wait_seconds(str(n))
    assert len(slowing._free_at) == MOST_KEPT


NONSENSE = (b"", b"{", b"[]", b'{"name": "anna"}', b'{"name": 1, "password": "x"}', b"\xff", b"[" * 9_000)


def test_what_is_not_a_name_and_a_password_is_refused(ask: Ask) -> None:
    for body, kind in product(NONSENSE, ("application/json", "application/x-www-form-urlencoded")):
        assert ask("POST", "/signin", PAGE | {"Content-Type": kind}, body).status == 422, body
    assert ask("POST", "/signin", PAGE, b"x" * 20_000).status == 413


def test_an_unknown_name_takes_as_long_as_a_wrong_password(ask: Ask) -> None:
    def seconds(name: str) -> float:
        began = time.process_time()
        assert sign_in(ask, name, "wrong").status == 401
        return time.process_time() - began

    known, unknown = min(seconds("anna") for _ in range(3)), min(seconds(f"nobody{n}") for n in range(3))
    assert unknown > known / 3


def entries_of(runtime: Runtime) -> list[Audited]:
    with runtime.store.read() as session:
        assert audit_chain.verify(session) is None
    with runtime.store.read() as session:
        return audit.entries(session, AuditFilter())


def test_signing_in_is_in_the_audit_and_no_password_is_anywhere(ask: Ask, desk: Runtime, tmp_path: Path) -> None:
    sign_in(ask)
    sign_in(ask, password="a wrong guess")
    sign_in(ask, "a password as a name", "a wrong guess")
    said = [(e.actor_kind, e.actor, e.action, e.subject, e.origin) for e in entries_of(desk)][:3]
    failed = ("sign_in_failed", "unknown"), ("sign_in_failed", "anna")
    assert said == [
        *(("user", name, action, name, "127.0.0.1") for action, name in failed),
        ("user", "anna", "sign_in", "anna", "127.0.0.1"),
    ]
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for secret in (PASSWORD, "a wrong guess", "a password as a name"):
        assert secret.encode() not in stored


def test_every_answer_forbids_what_a_page_of_others_could_do_with_it(ask: Ask) -> None:
    for method, path in (*GUARDED, ("GET", "/healthz"), ("GET", "/nowhere")):
        headers = ask(method, path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert headers["cache-control"] == "no-store"
        assert not [name for name in headers if name.startswith("access-control")]


@pytest.fixture
def empty(tmp_path: Path, migrated: Callable[[Path], None]) -> Iterator[Runtime]:
    """An installation without a user."""
    migrated(tmp_path)
    made = runtime_of(f"sqlite:///{tmp_path / 'campaigns.db'}")
    yield made
    made.close()


def test_the_first_run_link_lets_one_person_in_once(empty: Runtime) -> None:
    told: list[str] = []
    with open_doors(empty, Listeners(listen("127.0.0.1:0")), None, told.append):
        (link,) = re.findall(r"http://\S+", told[0])
        url, path = link.split("/first")[0], "/first" + link.split("/first")[1]
        ask = asking(url)
        assert ask("GET", path[:-1]).status == 403
        assert ask("GET", "/first").status == 403
        assert ask("HEAD", path).status == 200  # a program that looks at links before people do
        done = ask("GET", path)
        assert (done.status, "You are signed in as an operator" in done.text) == (200, True)
        assert ask("GET", path).status == 403, "used once"
        cookie = {"Cookie": done.cookie}
        assert ask("GET", READ, cookie).status == 200
        # when there is a user, the link's session is over
        add_user(empty.store, ROOT, "anna", Role.ADMIN, PASSWORD, now=empty.clock.now())
        assert ask("GET", READ, cookie).status == 401


def test_a_first_run_link_that_nobody_opened_lets_nobody_in_after_a_quarter_of_an_hour_or_once_there_is_a_user(
    empty: Runtime,
) -> None:
    clock = FakeClock()
    first = FirstRun(clock)
    clock.advance(timedelta(seconds=CODE_SECONDS))
    assert not first.take(first.path.partition("=")[2])
    told: list[str] = []
    with open_doors(empty, Listeners(listen("127.0.0.1:0")), None, told.append):
        (link,) = re.findall(r"http://\S+", told[0])
        add_user(empty.store, ROOT, "anna", Role.ADMIN, PASSWORD, now=empty.clock.now())
        url, _, path = link.partition("/first")
        late = asking(url)("GET", "/first" + path)
        assert (late.status, late.cookie) == (403, "")
        with empty.store.look() as session:
            assert sessions.find(session, "", now=empty.clock.now()) is None


def test_where_others_reach_it_nothing_opens_before_there_is_a_user(empty: Runtime) -> None:
    told: list[str] = []
    with pytest.raises(SettingsError) as refused, open_doors(empty, Listeners(listen("0.0.0.0:0")), None, told.append):
        pass
    assert "campaigns users add NAME --role admin" in str(refused.value)
    assert "CAMPAIGNS_WEBHOOK_HTTP=0.0.0.0:" in str(refused.value)
    # the gateway's door may be reached from everywhere: it has nothing else
    apart = listen("0.0.0.0:0")
    with open_doors(empty, Listeners(None, apart), None, told.append):
        ask = asking(url_of(apart))
        calls = (("GET", "/healthz"), ("POST", "/webhook/inbound"), *GUARDED)
        assert [ask(*call).status for call in calls] == [200, 400, *5 * [404]]
    assert told == []
    add_user(empty.store, ROOT, "anna", Role.ADMIN, PASSWORD, now=empty.clock.now())
    with open_doors(empty, Listeners(listen("0.0.0.0:0")), None, told.append):
        assert told == []


def test_the_first_person_makes_the_first_user_in_the_browser_and_goes_on_as_this_one(empty: Runtime) -> None:
    told: list[str] = []
    form = PAGE | {"Content-Type": "application/x-www-form-urlencoded"}
    anna = urlencode({"name": "Anna", "password": PASSWORD})
    with open_doors(empty, Listeners(listen("127.0.0.1:0")), None, told.append):
        (link,) = re.findall(r"http://\S+", told[0])
        url, _, code = link.partition("/first")
        ask = asking(url)
        assert "The service printed a link when it started" in ask("GET", "/signin").text
        # whoever did not come by the link makes nobody: also no program with a token
        with empty.store.write() as session:
            token = tokens.create(session, "ci", [Scope.ADMIN], by="tests", now=empty.clock.now())
        for headers in ({}, {"Authorization": f"Bearer {token}"}):
            assert ask("POST", "/first", form | headers, anna).status == 403
        first = {"Cookie": ask("GET", "/first" + code).cookie}
        assert 'action="/first"' in ask("GET", "/first", first).text, "shown again, without the code"
        assert 'action="/first"' in ask("GET", "/first" + code, first).text, "the link, opened again in this browser"
        assert ask("GET", "/first" + code).status == 403, "in another one"
        assert ask("POST", "/first", first | {"Content-Type": form["Content-Type"]}, anna).status == 403
        short = ask("POST", "/first", form | first, urlencode({"name": "Anna", "password": "short"}))
        assert (short.status, "at least 12 characters</p>" in short.text, 'value="Anna"' in short.text) == (
            422,
            True,
            True,
        )
        # when
        done = ask("POST", "/first", form | first, anna)
        # then
        assert (done.status, done.headers["location"]) == (303, "/")
        assert "Capital letters are kept as small ones." in short.text
        assert "you are signed in as anna, an admin" in ask("GET", "/", {"Cookie": done.cookie}).text
        assert ask("GET", "/users", {"Cookie": done.cookie}).status == 200
        inside = ask("GET", "/first" + code, {"Cookie": done.cookie})
        assert (inside.status, inside.headers["location"]) == (303, "/")
        assert ask("GET", "/first" + code, first).status == 403
        assert ask("GET", READ, first).status == 401
        again = ask("POST", "/first", form | first, urlencode({"name": "eve", "password": PASSWORD}))
        assert again.status == 403
        assert "An admin adds users" in again.text
    assert [user.name for user in list_users(empty.store)] == ["anna"]


def test_somebody_at_a_browser_is_answered_with_a_page_that_says_what_to_do(ask: Ask, desk: Runtime) -> None:
    page, cookie = {"Accept": "text/html,*/*;q=0.8"}, {"Cookie": sign_in(ask, "bob").cookie}
    cases = {
        ("GET", "/no-such-page"): (404, "There is nothing here"),
        ("GET", "/campaigns/x/pause"): (405, "There is nothing here"),
        ("GET", "/campaigns/no-such"): (404, "There is nothing here"),
        ("GET", "/audit"): (403, "You may not do this"),
        ("POST", "/campaigns/x/pause"): (403, "An admin can give you another role"),
    }
    for place, (status, words) in cases.items():
        answer = ask(*place, page | PAGE | cookie)
        assert (answer.status, words in answer.text) == (status, True), place
        assert answer.headers["content-type"].startswith("text/html"), place
        assert "default-src 'none'; style-src 'self'" in answer.headers["content-security-policy"]
        assert ("bob" in answer.text, ">Audit</a>" in answer.text) == (True, False), place
    stray = ask("GET", "/no-such-page", page)
    assert (stray.status, "Sign out" in stray.text) == (404, False)
    refused = ask("POST", "/campaigns/x/pause", page | PAGE)
    assert (refused.status, 'href="/signin"' in refused.text) == (401, True)
    elsewhere = ask("GET", "/", page | cookie | {"Host": "evil.example"})
    assert (elsewhere.status, "CAMPAIGNS_HTTP_HOSTS" in elsewhere.text, "bob" in elsewhere.text) == (421, True, False)
    # and a program still gets a problem, whatever it accepts of the API
    for path, headers in (
        ("/no-such-page", {}),
        ("/v1/nowhere", page),
        ("/v1/devices", page | {"Host": "evil.example"}),
    ):
        answer = ask("GET", path, headers)
        assert answer.headers["content-type"] == "application/problem+json", path


def test_nobody_is_led_to_where_they_wanted_to_go_once_they_have_signed_in(ask: Ask) -> None:
    led = ask("GET", "/campaigns?after=3")
    assert (led.status, led.headers["location"]) == (303, "/signin?next=%2Fcampaigns%3Fafter%3D3")
    page = ask("GET", led.headers["location"])
    (action,) = re.findall(r'action="(/signin[^"]*)"', page.text)
    sent = PAGE | {"Content-Type": "application/x-www-form-urlencoded"}
    done = ask("POST", action, sent, urlencode({"name": "anna", "password": PASSWORD}))
    assert (done.status, done.headers["location"]) == (303, "/campaigns?after=3")


def test_an_admin_adds_changes_and_removes_users_in_the_browser(ask: Ask, desk: Runtime) -> None:
    add_user(desk.store, ROOT, "ada", Role.ADMIN, PASSWORD, now=desk.clock.now())
    sent = PAGE | {"Cookie": sign_in(ask, "ada").cookie, "Content-Type": "application/x-www-form-urlencoded"}

    def post(path: str, **fields: str) -> int:
        return ask("POST", path, sent, urlencode(fields)).status

    def role(name: str) -> str:
        return {user.name: user.role.value for user in list_users(desk.store)}.get(name, "")

    assert post("/users", name="Carla", role="approver", password=PASSWORD) == 303
    assert role("carla") == "approver"
    rule = "Capital letters are kept as small ones."
    assert rule in ask("GET", "/users", sent).text, "before the mistake"
    marta = ask("POST", "/users", sent, urlencode({"name": "Marta", "role": "author", "password": PASSWORD}))
    assert "marta may sign in: the name is kept in small letters" in unquote(marta.cookies["campaigns_done"].value)
    # What cannot be done is told above the form, which keeps what was filled in: never the password.
    wrong = urlencode({"name": "Anna Author", "role": "approver", "password": PASSWORD})
    for body, status, words in (
        (wrong, 422, "A name has at most 64 letters a to z"),
        (wrong.replace("Anna+Author", "Marta"), 409, "There is a user marta already"),
    ):
        kept = ask("POST", "/users", sent, body)
        assert (kept.status, f'role="alert">{words}' in kept.text, PASSWORD in kept.text) == (status, True, False)
        assert re.search('name="name"[^>]* value="(Anna Author|Marta)"', kept.text)
        assert '<option value="approver" selected>' in kept.text.split("</form>")[2]
    assert [
        post("/users", name="carla", role="viewer", password=PASSWORD),
        post("/users", name="<b>", role="viewer", password=PASSWORD),
        post("/users", name="dan", role="king", password=PASSWORD),
        post("/users", name="dan", role="viewer", password=""),
        post("/users/nobody/role", role="viewer"),
        post("/users/ada/remove"),
        post("/users/ada/role", role="viewer"),
    ] == [409, 422, 422, 422, 404, 409, 409]
    carla = {"Cookie": sign_in(ask, "carla").cookie}
    assert (post("/users/carla/role", role="author"), role("carla")) == (303, "author")
    assert ask("GET", "/users", carla).status == 403
    assert post("/users/carla/password", password="another " + PASSWORD) == 303
    assert ask("GET", READ, carla).status == 401
    assert sign_in(ask, "carla", "another " + PASSWORD).status == 200
    assert (post("/users/carla/remove"), role("carla")) == (303, "")
