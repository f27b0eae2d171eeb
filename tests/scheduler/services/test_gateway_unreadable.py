"""`campaigns run` if the gateway cannot be asked what became of a request: it ends, says why, and continues later."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs

import pytest

from tests.prove.world.product import Product, summary_of, write_campaign
from worker.gateway.seen import error_fingerprint

EMPTY: Final = (500, "Non ho trovato niente")
"""How this gateway says that a read finds nothing: with no code and no text that anybody has documented."""


class Office(ThreadingHTTPServer):
    """A gateway that loses its second send, and says in its own words that a read finds nothing."""

    def __init__(self) -> None:
        self.sends = 0
        self.hears = True
        self.hiccups = 0
        self.stored: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Talk)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def answer(self, form: dict[str, str]) -> str:
        if "messages" in form:
            self.sends += 1
            if self.sends == 2:
                return "<h1>Errore</h1>"
            first = len(self.stored)
            rows = [{**row, "groupID": f"g{self.sends}"} for row in json.loads(form["messages"])]
            self.stored += [{**row, "ID": str(1 + first + n), "status": "Delivered"} for n, row in enumerate(rows)]
            return success({"messages": self.stored[first:]})
        if "startTimestamp" not in form and "groupId" not in form and "id" not in form:
            return success({"credits": None})
        if self.hears and form.get("status") == "Received":
            return success({"messages": []})
        if "startTimestamp" in form and self.hiccups:
            self.hiccups -= 1
            return complaint(1042, "Tempo scaduto")
        wanted = {name: form[asked] for asked, name in (("groupId", "groupID"), ("id", "ID")) if asked in form}
        is_empty = form.get("status", "Delivered") != "Delivered" or form.get("startTimestamp", "").startswith("9783")
        shown = [] if is_empty else [row for row in self.stored if wanted.items() <= row.items()]
        if shown:
            return success({"messages": shown})
        return complaint(*EMPTY)


class Talk(BaseHTTPRequestHandler):
    server: Office

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        body = self.server.answer({name: values[0] for name, values in form.items()}).encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def success(data: object) -> str:
    return json.dumps({"success": True, "data": data, "error": None})


def complaint(code: int, text: str) -> str:
    return json.dumps({"success": False, "data": None, "error": {"code": code, "message": text}})


@pytest.fixture
def office() -> Iterator[Office]:
    with Office() as running:
        yield running


def product(folder: Path, office: Office, **settings: str) -> Product:
    url = f"http://127.0.0.1:{office.server_port}"
    quick = {"settle_seconds": "0.5", "send_by_seconds": "1"}
    return Product(folder, gateway_url=url, key="chiave-4711", **quick | settings)


def test_a_run_that_cannot_look_up_ends_and_goes_on_once_it_is_told_what_the_answer_means(
    tmp_path: Path, office: Office
) -> None:
    # given a lost request, and reads whose answer nobody understands
    path = write_campaign(tmp_path, "spring-sale", recipients=10).path
    ended = product(tmp_path, office).run("run", path.name, "--json")

    # then the run does not wait for ever, and says what it cannot find out
    assert ended.code == 4
    assert "cannot be asked what became of spring-sale's requests in doubt: The gateway answers with" in ended.stderr
    status = product(tmp_path, office).run("status", "spring-sale").stdout
    assert "1 request is in doubt, and the gateway cannot be asked: The gateway answers with" in status

    # when the setting that `doctor` proposes is made
    examined = product(tmp_path, office).run("doctor")
    assert "Non ho trovato niente" in examined.stdout
    proposed = f"{error_fingerprint(*EMPTY)}=nothing"
    assert f"CAMPAIGNS_ERROR_TEXTS={proposed}" in examined.stdout
    again = product(tmp_path, office, error_texts=proposed).run("run", path.name, "--json")

    # then the lost request is proven lost, and made again
    assert again.code == 0, again.stderr
    summary = summary_of(again.stdout)
    assert summary is not None
    assert summary["recipients"]["delivered"] == 10
    assert len({row["number"] for row in office.stored}) == len(office.stored) == 10


def test_reads_that_fail_for_a_moment_end_no_run_however_old_the_request_in_doubt_is(
    tmp_path: Path, office: Office
) -> None:
    # given a request that has been in doubt for an hour
    path = write_campaign(tmp_path, "spring-sale", recipients=10).path
    assert product(tmp_path, office).run("run", path.name).code == 4
    with closing(sqlite3.connect(tmp_path / "campaigns.db", isolation_level=None)) as database:
        database.execute("UPDATE attempt SET send_by = datetime(send_by, '-1 hour') WHERE state = 'unknown'")
    # when the gateway's reads fail for another moment
    office.hiccups = 3
    settings = {"settle_seconds": "5", "error_texts": f"{error_fingerprint(*EMPTY)}=nothing"}
    again = product(tmp_path, office, **settings).run("run", path.name)
    # then it is asked once more
    assert (again.code, office.hiccups) == (0, 0), again.stderr
    assert len({row["number"] for row in office.stored}) == len(office.stored) == 10


def test_nothing_is_sent_before_replies_can_be_read(tmp_path: Path, office: Office) -> None:
    # given a gateway whose replies cannot be read: somebody may have written STOP
    office.hears = False
    path = write_campaign(tmp_path, "spring-sale", recipients=10).path
    ended = product(tmp_path, office).run("run", path.name, "--json")
    # then nobody gets anything, and the reason is given
    why = (
        "nothing is sent until the replies of the last 24 hours are read, because one may be STOP: The gateway answers"
    )
    assert (ended.code, why in ended.stderr, office.sends) == (4, True, 0)
    assert why in product(tmp_path, office).run("status", "spring-sale").stdout
    # when they can
    proposed = f"{error_fingerprint(*EMPTY)}=nothing"
    assert product(tmp_path, office, error_texts=proposed).run("run", path.name).code == 0
    assert office.sends


def test_nothing_starts_where_texts_were_sent_before_and_replies_can_no_longer_be_read(
    tmp_path: Path, office: Office
) -> None:
    # given an installation that has sent, and replies that could not be read for some time
    texts = {"error_texts": f"{error_fingerprint(*EMPTY)}=nothing"}
    first = write_campaign(tmp_path, "spring-sale", recipients=10).path
    assert product(tmp_path, office, **texts).run("run", first.name).code == 0
    sends, office.hears = office.sends, False
    with closing(sqlite3.connect(tmp_path / "campaigns.db", isolation_level=None)) as database:
        database.execute("UPDATE account SET received_until = datetime(received_until, '-11 minutes')")
    # when another campaign is run
    second = write_campaign(tmp_path, "summer-sale", recipients=10).path
    ended = product(tmp_path, office).run("run", second.name, "--json")
    # then nobody gets anything, and it is said why
    assert (ended.code, office.sends) == (4, sends), ended.stderr
    assert "nothing is sent until the replies of the last 24 hours are read" in ended.stderr
    # when they can be read
    assert product(tmp_path, office, **texts).run("run", second.name).code == 0
    assert office.sends > sends
