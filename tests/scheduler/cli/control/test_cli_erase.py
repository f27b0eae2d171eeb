"""`erase`: people by name or from a table, the key that it takes, and what is handed out before."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import Result

from campaigns.phone_numbers.pseudonyms import ERASED_TEXT, is_pseudonym
from worker.store.engine import Store
from worker.store.tables import audit_entries, recipients

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

ANNA = "+393331000001"


@pytest.fixture
def key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder / "privacy.key"
    monkeypatch.setenv("CAMPAIGNS_PRIVACY_KEY_FILE", str(path))
    return path


def test_a_key_is_made_once_and_for_its_owner_alone(cli: Cli, key: Path) -> None:
    assert cli("erase", "--make-key").stdout.startswith(f"made {key}: keep a copy")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    text = key.read_text()
    again = cli("erase", "--make-key")
    assert (again.exit_code, "exists already" in again.output, key.read_text()) == (2, True, text)


def test_without_a_key_nobody_is_erased(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = cli("erase", ANNA)
    assert (refused.exit_code, "make it: campaigns erase --make-key" in refused.output) == (2, True)
    (folder / "short").write_text("secret")
    monkeypatch.setenv("CAMPAIGNS_PRIVACY_KEY_FILE", str(folder / "short"))
    refused = cli("erase", ANNA)
    assert (refused.exit_code, "has 6 characters, of 32" in refused.output) == (2, True)
    assert "secret" not in refused.output


def test_people_are_erased_and_an_opt_out_is_known_by_the_number(key: Path, run: Cli, planned: Planned) -> None:
    store, run_id = planned("spring-sale")
    with store.read() as session:
        number, text = session.execute(
            sa.select(recipients.c.number, recipients.c.text).where(recipients.c.text != "").limit(1)
        ).one()
    run("erase", "--make-key")
    run("suppress", "add", number)
    handed_out = run("why", number, "--export", "all.json")
    assert handed_out.exit_code == 0
    kept = json.loads(Path("all.json").read_text())
    assert (kept["number"], kept["texts"][0]["text"], kept["opt_outs"][0]["source"]) == (number, text, "command")
    assert [entry["action"] for entry in kept["audit"]] == ["suppress"]
    Path("leave.csv").write_text(f"who\n{number}\n+393339999999\n")
    said = run("erase", "--file", "leave.csv", "--number", "who", "--json")
    assert said.exit_code == 0
    done = json.loads(said.stdout)
    assert (done["erased"], done["unknown"], done["waits"], done["wiped"]) == (1, 1, 0, True)
    with store.read() as session:
        rows = session.execute(sa.select(recipients.c.number, recipients.c.text).where(recipients.c.run_id == run_id))
        assert [row.text for row in rows if is_pseudonym(row.number)] == [ERASED_TEXT, ""]  # Anna, and Anna again
        audit = session.execute(sa.select(audit_entries).where(audit_entries.c.action == "erase")).all()
    assert number not in repr(audit)
    assert number not in run("export", "spring-sale").stdout
    assert json.loads(run("suppress", "remove", number, "--json").stdout)["removed"] == 1


def test_a_key_that_is_gone_stops_plans(key: Path, run: Cli, planned: Planned) -> None:
    store, _ = planned("spring-sale")
    with store.read() as session:
        number = session.scalars(sa.select(recipients.c.number).where(recipients.c.text != "").limit(1)).one()
    run("erase", "--make-key")
    assert run("erase", number).stdout.startswith("erased: 1 person\ncancelled: 1 text that was planned for them\n")
    key.unlink()
    another = run("erase", "--make-key")
    assert (another.exit_code, "put that key back" in another.output, key.exists()) == (2, True, False)
    refused = run("suppress", "remove", number)
    assert refused.exit_code == 2
    assert "CAMPAIGNS_PRIVACY_KEY_FILE" in refused.output
