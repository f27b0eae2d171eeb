"""The OpenAPI document is that of the routes, and is served as it is checked in."""

import json
import subprocess
import sys

from scheduler.web.api.app import document
from scheduler.web.api.document import PLACE, as_text
from tests.scheduler.web.api.api_caller import Caller


def test_the_document_that_is_checked_in_is_that_of_the_routes() -> None:
    """`make openapi` writes it."""
    assert PLACE.read_text(encoding="utf-8") == as_text(document())


def test_only_a_process_that_listens_imports_fastapi() -> None:
    """`campaigns worker` and `campaigns scheduler` import no more than this, with what the command line does."""
    code = "import sys, scheduler.cli.app, scheduler.processes.services.clock; sys.exit('fastapi' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_document_is_served(reader: Caller) -> None:
    answer = reader.get("/openapi.json")
    assert answer.json == json.loads(PLACE.read_bytes())
    assert answer.json["openapi"].startswith("3.1")
