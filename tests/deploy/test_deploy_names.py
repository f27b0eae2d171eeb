"""Everything that deploy/ names exists: settings, commands, secrets; and deploy/README.md explains every value."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from typer.main import get_command

from scheduler.cli.app import app
from scheduler.processes.heartbeat import BEAT_SECONDS
from tests.deploy.deploy_files import (
    COMPOSE,
    CONTAINERFILE,
    DEPLOY,
    MANIFESTS,
    README,
    UNITS,
    directives,
    own_services,
    pods,
    settings_lines,
    value_of,
)
from worker.settings.settings import PREFIX, Settings

FILES: Final = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and "secrets" not in path.parts)
SETTINGS: Final = {PREFIX + name.upper() for name in Settings.model_fields}
COMMANDS: Final[dict[str, Any]] = getattr(get_command(app), "commands", {})
EXPLAINED: Final = {code for text in re.findall(r"`([^`]+)`", README) for code in (text, re.split("[ =:]", text)[0])}
"""Everything in backticks, and its first word: `TimeoutStopSec=45` explains TimeoutStopSec."""

STRUCTURE: Final = frozenset({
    "apiVersion", "kind", "metadata", "name", "labels", "spec", "template", "selector", "matchLabels", "labelSelector",
    "containers", "image", "args", "command", "exec", "data", "stringData", "type", "volumes", "volumeMounts",
    "mountPath", "readOnly", "secret", "secretName", "emptyDir", "persistentVolumeClaim", "claimName", "configMapRef",
    "requests", "limits", "cpu", "memory", "storage", "topologyKey", "metrics", "target", "container", "policies",
    "value", "periodSeconds", "scaleTargetRef", "capabilities", "drop", "rollingUpdate", "resources", "securityContext",
    "medium", "containerResource",
})  # fmt: skip
"""Kubernetes keys that say where something is, not what it is; the rest is explained."""


def test_every_setting_that_is_named_exists() -> None:
    named = {name for path in FILES for name in re.findall(rf"{PREFIX}[A-Z_]+", path.read_text(encoding="utf-8"))}

    assert named <= SETTINGS
    assert {f"{PREFIX}API_KEY_FILE", f"{PREFIX}DATABASE_URL_FILE", f"{PREFIX}REDIS_URL_FILE"} <= named


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Every product command that a file of deploy/ starts."""
    for unit in UNITS:
        yield unit.name, shlex.split(value_of(unit, "ExecStart"))[1:]
    for name, service in own_services():
        yield name, service["command"]
    for name, pod in pods():
        yield name, pod["containers"][0]["args"]
    [command] = re.findall(r'^CMD \["(\w+)"\]$', CONTAINERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    yield CONTAINERFILE.name, [command]
    for line in re.findall(r"(?:`|bin/)campaigns ([a-z]+(?: --[a-z]+)*)", README):
        yield "README.md", line.split()


@pytest.mark.parametrize(("where", "command"), list(command_lines()))
def test_every_command_that_is_started_exists(where: str, command: list[str]) -> None:
    name, *options = command

    assert name in COMMANDS
    assert {option for option in options if option.startswith("-")} <= {
        word for parameter in COMMANDS[name].params for word in parameter.opts
    }


def test_every_probe_looks_at_the_file_that_the_image_sets() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (*COMPOSE, *MANIFESTS)]
    probes = [probe for text in texts for probe in re.findall(r'find "\$?(\$\w+)" -mmin -(\d)', text)]

    assert f"{PREFIX}HEARTBEAT_FILE=" in CONTAINERFILE.read_text(encoding="utf-8")
    assert {name for name, _ in probes} == {f"${PREFIX}HEARTBEAT_FILE"}
    assert min(int(minutes) for _, minutes in probes) * 60 > 10 * BEAT_SECONDS
    assert len(probes) == 2 + 3 * 3  # one service of each compose file; three probes of schedulers, workers, dashboards


def keys(node: Any) -> Iterator[str]:
    """Every key of a document, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            yield from keys(value)
    elif isinstance(node, list):
        for item in node:
            yield from keys(item)


def values_of(path: Path) -> set[str]:
    """The values that a file sets and the README explains."""
    text = path.read_text(encoding="utf-8")
    if path in UNITS:
        return {key for _, key, _ in directives(path)}
    if path.parent.name == "proxy":
        return set(re.findall(r"^\s+([a-z]\w*) ", text, re.MULTILINE))
    if path.suffix == ".conf":
        return set(settings_lines(path))
    if path in COMPOSE:
        composed = yaml.safe_load(text)
        services = {key for service in composed["services"].values() for key in service}
        health = {key for service in composed["services"].values() for key in service.get("healthcheck", {})}
        return services | health | {key for key in composed if key not in {"services", "name"} and key[:2] != "x-"}
    if path in MANIFESTS:
        found = {key for document in yaml.safe_load_all(text) for key in keys(document)}
        return {key for key in found if key not in STRUCTURE and not key.startswith((PREFIX, "app.kubernetes.io/"))}
    if path == CONTAINERFILE:
        return {*re.findall(r"^([A-Z]+) ", text, re.MULTILINE), *re.findall(r"([A-Z_]+)=", text)}
    return set()


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name != "README.md"], ids=lambda path: str(path.relative_to(DEPLOY))
)
def test_the_readme_explains_every_value(path: Path) -> None:
    assert values_of(path) - EXPLAINED == set()
    assert path.name in README or path.parent.name == "kubernetes"


def test_the_readme_names_every_manifest() -> None:
    assert {path.stem for path in MANIFESTS if path.name not in README} == set()


def test_links_in_the_readme_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", README) if "://" not in link]

    assert [link for link in links if not (DEPLOY / link).exists()] == []
