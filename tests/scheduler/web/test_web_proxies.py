"""The web servers in front of the desk, with the files in deploy/proxy: real ones, on this machine."""

import base64
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest
import trustme
from pydantic import SecretStr

from campaigns.access import Role, Scope
from scheduler.actions.access.users import add_user
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.reading.audit import read_audit
from scheduler.web.app import make_app, make_webhook_app
from scheduler.web.serving import FrontDoor, listen, url_of
from tests.deploy.deploy_files import DEPLOY
from tests.scheduler.web.caller import KEY, message, signed
from tests.scheduler.web.conftest import runtime_of
from worker.runtime import Runtime
from worker.store.access import tokens

NAME: Final = "desk.example.com"
ROOT: Final = Actor(ActorKind.CLI, "root")
PASSWORD: Final = "correct horse battery"
ROWS: Final = 200_000


@dataclass(frozen=True)
class Proxied:
    """A proxy with our file in front of an installation."""

    runtime: Runtime
    port: int
    trusted: ssl.SSLContext
    token: str

    def client(self, **more: str) -> httpx.Client:
        """A browser or a program outside, which knows the address under its name."""
        headers = {"Host": NAME, **more}
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            verify=self.trusted,
            headers=headers,
            timeout=60,
            event_hooks={"request": [lambda request: request.extensions.update(sni_hostname=NAME)]},
        )


def program(name: str, package: str) -> str:
    """The path of a server, installed from Debian's packages where that may be done. Raises `RuntimeError`."""
    apt = shutil.which("apt-get")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if not shutil.which(name, path=path) and apt and os.geteuid() == 0:
        for words in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
            subprocess.run([apt, "--quiet", *words], check=False, capture_output=True, timeout=300, env=environment)
    if place := shutil.which(name, path=path):
        return place
    raise RuntimeError(f"the tests of deploy/proxy need {name}: install it with apt-get install {package}")


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def nginx(folder: Path, text: str, port: int) -> list[str]:
    """The command that starts nginx with our file, at a port of this machine, with a certificate of this test."""
    own = (
        text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        .replace("listen 80;", f"listen 127.0.0.1:{unused_port()};")
        .replace("/etc/nginx/campaigns", str(folder))
    )
    (folder / "campaigns.conf").write_text(own)
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log {folder}/access.log;\n{places}include {folder}/campaigns.conf; }}\n"
    )
    return [program("nginx", "nginx-light"), "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, text: str, port: int) -> list[str]:
    own = text.replace(
        f"{NAME} {{", f"https://{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {folder}/fullchain.pem {folder}/privkey.pem"
    )
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + own)
    return [program("caddy", "caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


Started = Callable[[Path, str, int], list[str]]
PROXIES: Final[dict[str, tuple[str, Started]]] = {"nginx": ("nginx.conf", nginx), "caddy": ("Caddyfile", caddy)}


@contextmanager
def in_front_of(runtime: Runtime, folder: Path, proxy: str, *changed: tuple[str, str]) -> Iterator[Proxied]:
    """Start the doors and the proxy. `changed`: what an administrator changes in our file."""
    front, apart, port = listen("127.0.0.1:0"), listen("127.0.0.1:0"), unused_port()
    authority = trustme.CA()
    issued = authority.issue_cert(NAME)
    issued.private_key_pem.write_to_path(str(folder / "privkey.pem"))
    for part in issued.cert_chain_pems:
        part.write_to_path(str(folder / "fullchain.pem"), append=True)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    file, command = PROXIES[proxy]
    text = (DEPLOY / "proxy" / file).read_text(encoding="utf-8")
    for old, new in (
        ("127.0.0.1:8080", urlsplit(url_of(front)).netloc),
        ("127.0.0.1:8081", urlsplit(url_of(apart)).netloc),
        *changed,
    ):
        assert old in text
        text = text.replace(old, new)
    with runtime.store.write() as session:
        scopes = [Scope.READ, Scope.SUBMIT, Scope.CONTROL]
        token = tokens.create(session, "ci", scopes, by="tests", now=runtime.clock.now())
    with (
        FrontDoor(make_app(runtime, has_webhook=False), front),
        FrontDoor(make_webhook_app(runtime, SecretStr(KEY)), apart),
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command(folder, text, port), stdout=log, stderr=log, env=os.environ | {"HOME": str(folder)}
        ) as server,
    ):
        try:
            until = time.monotonic() + 30
            while not answers(port):
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until, "the proxy did not answer"
                time.sleep(0.02)
            yield Proxied(runtime, port, trusted, token)
        finally:
            server.terminate()
            server.wait(20)


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def runtime(tmp_path: Path, migrated: Callable[[Path], None]) -> Iterator[Runtime]:
    migrated(tmp_path)
    url = f"sqlite:///{tmp_path / 'campaigns.db'}"
    made = runtime_of(
        url,
        inbox=tmp_path / "inbox",
        http_hosts=(NAME,),
        trusted_proxies="127.0.0.1",
        trusted_user_header="X-Forwarded-User",
    )
    for name, role in (("anna", Role.OPERATOR), ("root", Role.ADMIN)):
        add_user(made.store, ROOT, name, role, PASSWORD, now=made.clock.now())
    yield made
    made.close()


each_proxy = pytest.mark.parametrize("proxy", ["nginx", pytest.param("caddy", marks=pytest.mark.proof)])


@each_proxy
def test_people_and_programs_come_through_the_proxy(runtime: Runtime, tmp_path: Path, proxy: str) -> None:
    with in_front_of(runtime, tmp_path, proxy) as proxied, proxied.client(Accept="text/html") as browser:
        # somebody signs in, over TLS, and the audit has the address that they come from
        led = browser.get("/needs")
        assert (led.status_code, led.headers["location"]) == (303, "/signin?next=%2Fneeds")
        same = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": "198.51.100.7"}
        done = browser.post("/signin", data={"name": "anna", "password": PASSWORD}, headers=same)
        assert done.status_code == 303, done.text
        assert list(browser.cookies) == ["__Host-campaigns_session"]
        assert {entry.origin for entry in read_audit(runtime.store, action="sign_in", limit=9).rows} == {"127.0.0.1"}
        page = browser.get("/needs")
        assert (page.status_code, "Nothing needs you" in page.text) == (200, True)
        assert page.headers["strict-transport-security"] == "max-age=31536000"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        style = browser.get("/static/desk.css")
        assert style.headers["content-encoding"] == "gzip"
        # nobody outside can say who they are, nor come under another name
        with proxied.client(**{"X-Forwarded-User": "root"}) as stranger:
            assert stranger.get("/users").status_code == 303
            assert "Sign in" not in stranger.get("/signin", headers={"Host": "other.example"}).text
        _events_come_at_once(proxied)
        _a_large_table_is_not_kept_on_the_way(proxied)
        _the_gateway_has_its_own_way(proxied)


def test_a_server_that_signs_people_in_says_who_they_are(runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(f"root:{{PLAIN}}{PASSWORD}\n")
    signs_in = (
        f'auth_basic Campaigns; auth_basic_user_file {tmp_path}/htpasswd; proxy_set_header Authorization "";'
        "proxy_set_header X-Forwarded-User $remote_user;"
    )
    changed = ('proxy_set_header X-Forwarded-User "";', signs_in)
    with in_front_of(runtime, tmp_path, "nginx", changed) as proxied, proxied.client() as browser:
        assert browser.get("/users").status_code == 401
        page = browser.get("/users", auth=("root", PASSWORD), headers={"X-Forwarded-User": "anna"})
        assert (page.status_code, ">root</span>" in page.text) == (200, True)


def _events_come_at_once(proxied: Proxied) -> None:
    """What happens reaches a listener while the answer goes on."""
    with (
        proxied.client(Authorization=f"Bearer {proxied.token}") as program,
        program.stream("GET", "/v1/events", headers={"Last-Event-ID": "0"}) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in stream.headers
        lines = stream.iter_lines()
        assert next(lines)


def _a_large_table_is_not_kept_on_the_way(proxied: Proxied) -> None:
    """The door sees the first rows before the last ones are written."""
    first, rest = b"phone\n" + b"+393331234567\n" * 1000, b"+393331234568\n" * ROWS
    digest = base64.b64encode(hashlib.sha256(first + rest).digest()).decode()

    def rows() -> Iterator[bytes]:
        yield first
        until = time.monotonic() + 20
        while not list(Path(proxied.runtime.settings.inbox).rglob(".upload-*")):
            assert time.monotonic() < until, "nothing has arrived yet"
            time.sleep(0.02)
        yield rest

    with proxied.client(Authorization=f"Bearer {proxied.token}") as program:
        headers = {"Content-Digest": f"sha-256=:{digest}:", "Content-Type": "text/csv"}
        put = program.put("/v1/tables/large.csv?number=phone", content=rows(), headers=headers)
        assert put.status_code in {200, 201}, put.text
        assert put.json()["rows"] == ROWS + 1000


def _the_gateway_has_its_own_way(proxied: Proxied) -> None:
    field = json.dumps([message(1)])
    with proxied.client(**{"X-SG-SIGNATURE": signed(field)}) as gateway:
        assert gateway.post("/webhook/inbound", data={"messages": field}).status_code == 200
        assert gateway.get("/webhook/inbound").status_code == 405
