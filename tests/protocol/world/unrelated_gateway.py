"""An independent gateway, written from the API description alone: it shares no line with the sandbox.

It speaks German, Italian and Portuguese, uses error codes that nobody has listed, writes numbers without a plus and IDs
as text, drops connections, stores seconds later, cuts replies and shows everything a third of a second late. What
happens to a request depends on the seed and its place among the sends; so two runs with one seed meet the same gateway.
"""

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs

from tests.protocol.world.unrelated_archive import Archive, Message

FOLDER: Final = "/ufficio"
"""The installation is below this path."""

LATEST_SECONDS: Final = 2.0
"""The longest time from a dropped connection to the storing of its messages."""

LAG_SECONDS: Final = 0.3
"""How far in the past reads show the gateway."""

FAILING_READS: Final = 0.04
"""The share of reads that get no good reply."""

COMPLAINTS: Final[Sequence[tuple[object, str]]] = (
    (1042, "Die Nachricht konnte nicht verarbeitet werden. Bitte später noch einmal versuchen."),
    (-7, "Errore imprevisto: l'operazione non è riuscita."),
    ("907", "Não foi possível concluir o pedido."),
    ("E_FILA", "A fila está cheia neste momento."),
    (500, "Interner Fehler (0x80004005)"),
    (0, ""),
)
"""Error codes and texts; none says whether anything was stored."""

PAGES: Final[Sequence[tuple[int, str]]] = (
    (500, "<!doctype html><h1>Interner Serverfehler</h1><p>Bitte wenden Sie sich an den Betreiber.</p>"),
    (502, "<html><body>Gateway non valido</body></html>"),
    (503, "<html><body>Serviço indisponível</body></html>"),
    (200, "<br />\n<b>Warnung</b>: Datenbankverbindung verloren in <b>/srv/sms/db.inc</b>"),
)
"""Replies that are not JSON: HTTP status and body."""


class Whim(StrEnum):
    """What happens to a send."""

    NONE = "none"
    CUT_OFF = "cut off"  # the connection is reset in the middle of the body: nothing is stored
    SWALLOWED = "swallowed"  # read completely, dropped, never stored
    LATE = "late"  # read completely, dropped, stored up to `LATEST_SECONDS` later
    CUT_REPLY = "cut reply"  # stored, and half of the reply arrives
    PAGE_STORED = "page, stored"
    PAGE = "page, not stored"
    COMPLAINT_STORED = "complaint, stored"
    COMPLAINT = "complaint, not stored"
    HALF = "half"  # half of the people are stored, then the connection drops


WEIGHTS: Final[Mapping[Whim, int]] = {
    Whim.NONE: 52,
    Whim.CUT_OFF: 6,
    Whim.SWALLOWED: 6,
    Whim.LATE: 12,
    Whim.CUT_REPLY: 6,
    Whim.PAGE_STORED: 5,
    Whim.PAGE: 4,
    Whim.COMPLAINT_STORED: 3,
    Whim.COMPLAINT: 3,
    Whim.HALF: 3,
}
"""Out of a hundred sends."""


class UnrelatedGateway:
    """The server, on a free loopback port during its `with` block. `whims` records what happened to each send."""

    def __init__(self, ledger: Path, *, seed: int, key: str = "chiave-segreta") -> None:
        self.key = key
        self.seed = seed
        self.archive = Archive(seed, ledger)
        self.whims: list[Whim] = []
        self._lock = threading.Lock()
        self._reads = 0
        self._server = _Server(("127.0.0.1", 0), partial(Talk, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{FOLDER}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._server.failures and error is None:
            raise self._server.failures[0]

    def next_send(self) -> tuple[int, Whim, Random]:
        """The number of a send, from 1, what happens to it, and its own random generator."""
        with self._lock:
            number = len(self.whims) + 1
            rng = Random(f"{self.seed} sends {number}")
            whim = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            self.whims.append(whim)
        return number, whim, rng

    def next_read(self) -> Random:
        """The random generator of the next read."""
        with self._lock:
            self._reads += 1
            return Random(f"{self.seed} reads {self._reads}")


class _Server(ThreadingHTTPServer):
    """Keeps its own mistakes for the test; a client that is gone is not one."""

    failures: list[Exception]

    def server_activate(self) -> None:
        self.failures = []
        super().server_activate()

    def handle_error(self, *_: object) -> None:
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, ConnectionError):
            self.failures.append(error)


class Talk(BaseHTTPRequestHandler):
    """One connection, one request."""

    def __init__(self, gateway: UnrelatedGateway, *connection: Any) -> None:
        self.gateway = gateway
        super().__init__(*connection)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        sends = self.path == f"{FOLDER}/services/send.php"
        if sends and length > 100:  # less is a balance request
            number, whim, rng = self.gateway.next_send()
            if whim is Whim.CUT_OFF:
                self.rfile.read(length // 2)
                self._drop()
                return
            self._send(self._form(length), number, whim, rng)
            return
        form = self._form(length)
        if form.get("key") != self.gateway.key:
            self._complain((401, "Chiave API non valida"))
        elif sends:
            self._answer({"credits": None})
        elif self.path == f"{FOLDER}/services/read-messages.php":
            self._read(form, self.gateway.next_read())
        else:
            self._page((404, "<html>Seite nicht gefunden</html>"))

    def _send(self, form: Mapping[str, str], number: int, whim: Whim, rng: Random) -> None:
        if form.get("key") != self.gateway.key:
            self._complain((401, "Chiave API non valida"))
            return
        rows = [(row["number"], row["message"]) for row in json.loads(form["messages"])]
        store = self.gateway.archive.store
        match whim:
            case Whim.SWALLOWED:
                self._drop()
            case Whim.LATE:
                store(number, rows, after_seconds=rng.uniform(0, LATEST_SECONDS))
                self._drop()
            case Whim.HALF:
                store(number, rows[: len(rows) // 2])
                self._drop()
            case Whim.PAGE | Whim.PAGE_STORED:
                if whim is Whim.PAGE_STORED:
                    store(number, rows)
                self._page(rng.choice(PAGES))
            case Whim.COMPLAINT | Whim.COMPLAINT_STORED:
                if whim is Whim.COMPLAINT_STORED:
                    store(number, rows)
                self._complain(rng.choice(COMPLAINTS))
            case Whim.NONE | Whim.CUT_REPLY:
                time.sleep(rng.choice([0, 0, 0.1, 0.5]))
                stored = store(number, rows)
                rng.shuffle(stored)
                shown = [message.shown_at(time.time()) for message in stored]
                self._answer({"messages": shown}, cut=whim is Whim.CUT_REPLY)

    def _read(self, form: Mapping[str, str], rng: Random) -> None:
        if rng.random() < FAILING_READS:
            broken: list[Callable[[], None]] = [
                self._drop,
                lambda: self._page(rng.choice(PAGES)),
                lambda: self._complain((1042, "Zeitüberschreitung der Datenbank")),
                lambda: self._answer({"messages": []}, cut=True),
            ]
            rng.choice(broken)()
            return
        moment = time.time() - LAG_SECONDS
        shown = [m.shown_at(moment) for m in self.gateway.archive.as_of(moment) if _is_asked_for(m, form, moment)]
        if shown:
            rng.shuffle(shown)
            self._answer({"messages": shown})
        else:
            self._complain((404, "Keine Nachrichten gefunden"))

    def _form(self, length: int) -> dict[str, str]:
        fields = parse_qs(self.rfile.read(length).decode(), keep_blank_values=True)
        return {name: values[-1] for name, values in fields.items()}

    def _answer(self, data: object, *, cut: bool = False) -> None:
        self._reply(200, json.dumps({"error": None, "data": data, "success": True}, ensure_ascii=False), cut=cut)

    def _complain(self, complaint: tuple[object, str]) -> None:
        code, text = complaint
        error = {"message": text, "code": code}
        self._reply(200, json.dumps({"error": error, "data": None, "success": False}, ensure_ascii=False))

    def _page(self, page: tuple[int, str]) -> None:
        self._reply(*page)

    def _reply(self, status: int, text: str, *, cut: bool = False) -> None:
        body = text.encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()  # no length: the end of the connection is the end of the body
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def _drop(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _is_asked_for(message: Message, form: Mapping[str, str], moment: float) -> bool:
    if "id" in form:
        return str(message.id) == form["id"]
    if "groupId" in form:
        return message.group == form["groupId"]
    is_in_time = int(form["startTimestamp"]) <= message.stored_at <= int(form["endTimestamp"])
    return is_in_time and form["status"].casefold() == message.status_at(moment).casefold()
