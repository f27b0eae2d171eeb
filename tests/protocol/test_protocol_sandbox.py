"""The protocol over real HTTP: the sandbox in both of its dialects, real queue, threads and clock."""

import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from campaigns.lifecycle import RecipientState, RunState
from scheduler.intake import read_file, take_up
from scheduler.loop import Clockwork
from worker.runtime import build_runtime
from worker.sandbox.options import Profile, SandboxOptions
from worker.sandbox.process import PrivateSandbox
from worker.settings import Settings
from worker.store import counts, runs

PATIENCE_SECONDS = 30.0


@pytest.mark.parametrize("profile", list(Profile))
def test_a_campaign_runs_by_itself_from_file_to_completed(tmp_path: Path, profile: Profile) -> None:
    # given a sandbox in which every tenth number fails
    options = SandboxOptions(
        profile=profile, pace_per_second=2_000.0, delivery_min_seconds=0.0, delivery_max_seconds=0.05, failed=0.1,
        group_per_device=profile is Profile.INTS,
    )  # fmt: skip
    people = "".join(f"+39333{place:07},N{place}\n" for place in range(200))
    (tmp_path / "people.csv").write_text(f"number,first_name\n{people}")
    file = tmp_path / "sale.yaml"
    file.write_text(
        "campaign: sale\nmessage: Ciao {{ first_name }}\naudience:\n  - file: people.csv\n"
        'devices:\n  use: [1, "2|0"]\nthroughput:\n  batch_size: 20\n'
    )
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'campaigns.db'}", timezone="UTC", device_rate=None, first_poll_seconds=0.2
    )
    with PrivateSandbox.start(options) as sandbox:
        runtime = build_runtime(settings, sandbox=(sandbox.url, SecretStr(sandbox.key)))
        clockwork = Clockwork(runtime)
        try:
            run_id = take_up(runtime, read_file(file, settings), source=file.name).run_id
            # when workers and ticks are started
            runtime.queue.work(4)
            clockwork.start()
            deadline = time.monotonic() + PATIENCE_SECONDS
            state = RunState.SCHEDULED
            while state is not RunState.COMPLETED and time.monotonic() < deadline:
                time.sleep(0.05)
                with runtime.store.read() as session:
                    state = runs.run_view(session, run_id).state
            with runtime.store.read() as session:
                books = counts.books(session, run_id)
        finally:
            clockwork.stop()
            runtime.close()

    # then everybody has an end, in ten requests
    assert state is RunState.COMPLETED
    assert set(books.by_state) == {RecipientState.DELIVERED, RecipientState.FAILED}
    assert (books.audience, books.send_requests, books.segments) == (200, 10, 200)
    assert 5 <= books.by_state[RecipientState.FAILED] <= 50
