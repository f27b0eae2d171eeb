"""A misspelt setting is ignored: everybody who plans, sends or looks is warned, and nothing fails."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from worker.settings.unknown import unknown_settings

Cli = Callable[..., Result]

MISSPELT = "CAMPAIGNS_REQUIRE_APROVAL (did you mean CAMPAIGNS_REQUIRE_APPROVAL?)"
TOLD = f"not a setting, and ignored: {MISSPELT}"


@pytest.mark.parametrize(
    ("environment", "env_file", "told"),
    [
        ({"CAMPAIGNS_REQUIRE_APROVAL": "true"}, "", TOLD),
        ({}, "CAMPAIGNS_REQUIRE_APROVAL=true\nCAMPAIGNS_THREADS=2\nOTHER=1\n", TOLD),
        ({"CAMPAIGNS_REQUIRE_APROVAL": "x"}, "campaigns_require_aproval=true\n", TOLD),
        ({"CAMPAIGNS_QQQQQQ": "secret"}, "", "not a setting, and ignored: CAMPAIGNS_QQQQQQ"),
        (
            {f"CAMPAIGNS_QQQQQQ{n}": "1" for n in range(7)},
            "",
            "not a setting, and ignored: " + ", ".join(f"CAMPAIGNS_QQQQQQ{n}" for n in range(5)) + ", and 2 more",
        ),
        ({"CAMPAIGNS_THREADS": "2"}, "CAMPAIGNS_RATE=1/minute\n", ""),
    ],
)
def test_a_name_that_is_no_setting_is_told_with_the_nearest(
    environment: dict[str, str], env_file: str, told: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (folder / ".env").write_text(env_file)
    (folder / ".env").chmod(0o600)

    assert unknown_settings() == told


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("plan", "spring.yaml"), f"warning: {TOLD}\n"),
        (("run", "none.yaml"), f"warning: {TOLD}\n"),
        (("doctor",), f"warning  settings  {TOLD}\n"),
        (("worker", "--json"), TOLD),
    ],
)
def test_whoever_plans_sends_serves_or_looks_is_told_once(
    command: tuple[str, ...], told: str, run: Cli, campaign_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGNS_REQUIRE_APROVAL", "true")

    result = run(*command)

    assert (result.stdout + result.stderr).count(told) == 1
    assert (result.stdout + result.stderr).count(MISSPELT) == 1
    assert command[0] != "plan" or result.exit_code == 0
