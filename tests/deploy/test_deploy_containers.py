"""The container file and the compose files, checked without an engine."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.deploy_files import COMPOSE, CONTAINERFILE, ROOT, SERVED, own_services, services
from worker.jobs import STOP_MILLISECONDS

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SCRIPTS: Final = Path(sys.executable).parent
OWN: Final = own_services()
SERVING: Final = [(name, service) for name, service in OWN if service["command"][0] in SERVED]


def checked(*command: str | Path) -> str:
    """The output of a checker; empty if it finds nothing."""
    done = subprocess.run([SCRIPTS / command[0], *command[1:]], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_linter_of_container_files_finds_nothing() -> None:
    assert checked("hadolint", "--no-color", CONTAINERFILE) == ""


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_compose_file_follows_the_specification(path: Path) -> None:
    assert checked("check-jsonschema", "--builtin-schema", "vendor.compose-spec", path) == ""


def test_the_image_has_a_python_that_the_project_runs_on() -> None:
    used = set(re.findall(r"^FROM python:(\d+)\.(\d+)-", CONTAINERFILE.read_text(encoding="utf-8"), re.MULTILINE))
    [(major, minor)] = used
    least = re.fullmatch(r">=(\d+)\.(\d+)", PROJECT["requires-python"])

    assert least is not None
    assert (int(major), int(minor)) >= (int(least[1]), int(least[2]))


def test_the_image_copies_what_is_there_and_lets_nothing_else_into_its_build() -> None:
    text = CONTAINERFILE.read_text(encoding="utf-8")
    copied = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in line.split()}
    ignored = CONTAINERFILE.with_name("Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()

    assert {name for name in copied if not (ROOT / name).exists()} == set()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert "*" in ignored


@pytest.mark.parametrize(("name", "service"), OWN, ids=[name for name, _ in OWN])
def test_every_container_of_ours_may_do_next_to_nothing(name: str, service: dict[str, Any]) -> None:
    user = re.search(r"^USER (\S+)$", CONTAINERFILE.read_text(encoding="utf-8"), re.MULTILINE)

    assert user is not None
    assert service["user"] == user[1] != "0:0"
    assert service["image"] == f"sms-campaign-worker:{PROJECT['version']}"
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108  a folder of the container, where the heartbeat lies


@pytest.mark.parametrize(("name", "service"), list(services()), ids=[name for name, _ in services()])
def test_every_container_is_guarded_and_comes_back(name: str, service: dict[str, Any]) -> None:
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in {"root", "0"}
    assert service["restart"] == ("no" if name.endswith(":migrate") else "unless-stopped")
    assert ("healthcheck" in service) != name.endswith(":migrate")
    assert "ports" not in service


@pytest.mark.parametrize(("name", "service"), SERVING, ids=[name for name, _ in SERVING])
def test_a_stop_waits_longer_than_the_service_needs(name: str, service: dict[str, Any]) -> None:
    assert float(service["stop_grace_period"].removesuffix("s")) > STOP_MILLISECONDS / 1000 + 10


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_secrets_are_files_and_every_one_is_used(path: Path) -> None:
    composed = yaml.safe_load(path.read_text(encoding="utf-8"))
    used = {secret for service in composed["services"].values() for secret in service.get("secrets", [])}
    environment = [item for service in composed["services"].values() for item in service.get("environment", {}).items()]

    assert used == set(composed["secrets"])
    assert {secret["file"] for secret in composed["secrets"].values()} == {f"./secrets/{name}" for name in used}
    assert {value for key, value in environment if key.endswith("_FILE")} <= {f"/run/secrets/{name}" for name in used}
    assert [key for key, _ in environment if re.search("PASSWORD|KEY|_URL", key) and not key.endswith("_FILE")] == []


def test_configurations_that_are_mounted_are_the_ones_of_this_project() -> None:
    for path in COMPOSE:
        for config in yaml.safe_load(path.read_text(encoding="utf-8")).get("configs", {}).values():
            assert (path.parent / config["file"]).is_file()
