"""What a log line may hold, whoever reads it on a terminal."""

import io
import json
import logging

import pytest

from worker.logs import configure_logs, get_logger

HOSTILE = "a\x1b]0;pwn\x07\u202eb\nlevel=critical \x9b"
SEEN = "a�]0;pwn��b�level=critical �"


@pytest.mark.parametrize("form", ["json", "text"])
def test_l2_no_name_and_no_answer_of_a_server_moves_what_stands_around_it(form: str) -> None:
    stream = io.StringIO()
    configure_logs(form, stream=stream)

    get_logger().warning("inbox.file_skipped", file=HOSTILE)
    logging.getLogger("library").warning("said %s", HOSTILE)

    event, *library = stream.getvalue().splitlines()
    assert SEEN in (json.loads(event)["file"] if form == "json" else event)
    assert "\n".join(library) == f"WARNING library: said {SEEN}".replace("b�", "b\n")


def test_l2_a_traceback_keeps_its_lines_and_nothing_else() -> None:
    stream = io.StringIO()
    configure_logs("text", stream=stream)

    get_logger().error("tick.failed", exc_info=ValueError("a\x1b[2J\nb"))

    assert stream.getvalue().endswith("ValueError: a�[2J\nb\n")
