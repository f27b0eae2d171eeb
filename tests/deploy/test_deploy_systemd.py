"""The systemd units: known directives only, verified by systemd where it is installed, and patient enough."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from scheduler.processes.heartbeat import BEAT_SECONDS
from tests.deploy.deploy_files import UNITS, directives, value_of
from worker.jobs import STOP_MILLISECONDS

PROGRAM: Final = "/opt/campaigns/bin/campaigns"

SWITCHES: Final = frozenset({
    "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "PrivateDevices", "PrivateMounts", "PrivateTmp",
    "PrivateUsers", "ProtectClock", "ProtectControlGroups",
    "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "RemoveIPC",
    "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
})  # fmt: skip
"""Boolean directives of systemd.exec(5); a unit here only ever says yes."""

DOCUMENTED: Final = {
    "Unit": {"Description", "Wants", "After"},
    "Service": {
        "Type", "ExecStart", "User", "Group", "WorkingDirectory", "EnvironmentFile", "Environment", "LoadCredential",
        "TimeoutStartSec", "TimeoutStopSec", "WatchdogSec", "WatchdogSignal", "Restart", "RestartSec", "StateDirectory",
        "StateDirectoryMode", "UMask", "LimitCORE", "MemoryMax", "TasksMax", "CapabilityBoundingSet", "ProtectProc",
        "ProcSubset", "ProtectSystem", "RestrictAddressFamilies", "SystemCallArchitectures", "SystemCallErrorNumber",
        "SystemCallFilter", *SWITCHES,
    },
    "Install": {"WantedBy"},
}  # fmt: skip
"""The directives of systemd.unit(5), systemd.service(5) and systemd.exec(5) that the units use."""

REPEATED: Final = frozenset({"Environment", "LoadCredential", "SystemCallFilter"})
"""Directives that add up; of any other, the last line would silently win."""

SECONDS: Final = {"5min": 300.0}


def seconds(value: str) -> float:
    return SECONDS.get(value) or float(value)


units = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


@units
def test_a_unit_has_documented_directives_only(unit: Path) -> None:
    found = directives(unit)
    keys = [key for _, key, _ in found]

    assert [(section, key) for section, key, _ in found if key not in DOCUMENTED.get(section, set())] == []
    assert {key for key in keys if keys.count(key) > 1} <= REPEATED
    assert {value for _, key, value in found if key in SWITCHES} == {"yes"}
    assert {key for key in SWITCHES if key not in keys} == set()


@units
def test_systemd_finds_nothing_to_complain_about(unit: Path, tmp_path: Path) -> None:
    # Where systemd is not installed, the test above is the check; its list is the part of the manual pages in use.
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    name = unit.name.replace("@.", "@1.")
    # systemd checks that the program exists, which it does not before it is installed.
    (tmp_path / name).write_text(unit.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")

    verified = subprocess.run([analyze, "verify", name], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (verified.returncode, verified.stderr) == (0, "")


@units
def test_a_unit_waits_longer_than_the_service_needs(unit: Path) -> None:
    assert seconds(value_of(unit, "TimeoutStopSec")) > STOP_MILLISECONDS / 1000 + 10
    assert seconds(value_of(unit, "WatchdogSec")) > 30 * BEAT_SECONDS
    assert value_of(unit, "TimeoutStartSec") == "infinity"


@units
def test_a_unit_keeps_secrets_out_of_the_environment(unit: Path) -> None:
    given = {value.split(":")[0] for _, key, value in directives(unit) if key == "LoadCredential"}
    named = [value for _, key, value in directives(unit) if key == "Environment"]

    assert {value.partition("=%d/")[2] for value in named} - {""} == given
    open_values = [value for value in named if not value.partition("=")[0].endswith("_FILE")]
    assert [value for value in open_values if not value.startswith("CAMPAIGNS_METRICS_HTTP=127.0.0.")] == []
