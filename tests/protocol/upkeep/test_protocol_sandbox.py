"""The protocol over real HTTP: the sandbox in both of its dialects, real queue, threads and clock."""

from pathlib import Path

import pytest

from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.real_time import run_to_its_end
from worker.sandbox.running.options import Profile, SandboxOptions
from worker.settings.settings import Settings

pytestmark = pytest.mark.long


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
    # when
    state, books = run_to_its_end(file, settings, options, threads=4)

    # then everybody has an end, in ten requests
    assert state is RunState.COMPLETED
    assert set(books.by_state) == {RecipientState.DELIVERED, RecipientState.FAILED}
    assert (books.audience, books.send_requests, books.segments) == (200, 10, 200)
    assert 5 <= books.by_state[RecipientState.FAILED] <= 50
