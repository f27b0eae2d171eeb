"""Pushes inbound messages to a program on this machine, signed as the documentation says."""

import base64
import hashlib
import hmac
import http.client
import queue
import threading
from collections import Counter
from typing import Final
from urllib.parse import urlencode, urlsplit

WAIT_SECONDS: Final = (0.2, 1.0, 5.0)
TIMEOUT_SECONDS: Final = 5.0


def signature(messages: str, key: str) -> str:
    """Return the value of `X-SG-SIGNATURE`: base64 of HMAC-SHA256 over the field `messages`, with the API key."""
    return base64.b64encode(hmac.digest(key.encode(), messages.encode(), hashlib.sha256)).decode()


class WebhookPusher:
    """One thread that pushes in the order of arrival, so that a slow receiver does not hold up the API.

    `http.client` follows no redirects and knows no proxies: the key's signature goes only to the given address.
    """

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or 80
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._key = key
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._has_closed = threading.Event()
        self._counts: Counter[str] = Counter()
        threading.Thread(target=self._run, name="webhook", daemon=True).start()

    def push(self, messages: str) -> None:
        """Queue the value of the field `messages`, a JSON list of message objects."""
        self._waiting.put(messages)

    def counts(self) -> dict[str, int]:
        """Return how many pushes were answered with a 2xx, and how many were given up after four tries."""
        return {"pushed": self._counts["pushed"], "given_up": self._counts["given_up"]}

    def close(self) -> None:
        """Stop waiting for a receiver that does not answer."""
        self._has_closed.set()

    def _run(self) -> None:
        while True:
            messages = self._waiting.get()
            self._counts["pushed" if self._push_until_taken(messages) else "given_up"] += 1

    def _push_until_taken(self, messages: str) -> bool:
        for wait_seconds in (*WAIT_SECONDS, 0.0):
            if self._push_once(messages):
                return True
            if self._has_closed.wait(wait_seconds):
                break
        return False

    def _push_once(self, messages: str) -> bool:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-SG-SIGNATURE": signature(messages, self._key),
        }
        try:
            connection.request("POST", self._path, urlencode({"messages": messages}), headers)
            return 200 <= connection.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
