"""The contents of deploy/, read once for every test about it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
README: Final = (DEPLOY / "README.md").read_text(encoding="utf-8")
UNITS: Final = sorted((DEPLOY / "systemd").iterdir())
COMPOSE: Final = sorted((DEPLOY / "compose").glob("*.yaml"))
MANIFESTS: Final = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.stem != "kustomization")
CONTAINERFILE: Final = DEPLOY / "container/Containerfile"
SERVED: Final = frozenset({"up", "scheduler", "worker", "dashboard"})
"""The commands that run until they are stopped."""

Directive = tuple[str, str, str]
"""Section, key and value of a line of a unit."""


def directives(unit: Path) -> list[Directive]:
    """Every directive of a unit, in order. Raises ValueError at a line that is not one."""
    section, found = "", []
    for line in unit.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            continue
        key, separator, value = line.partition("=")
        if not separator:
            raise ValueError(f"{unit.name}: {line!r} is no directive")
        found.append((section, key, value))
    return found


def value_of(unit: Path, key: str) -> str:
    """The value of a directive that occurs once in a unit."""
    [value] = [value for _, name, value in directives(unit) if name == key]
    return value


def services() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every service of every compose file, as `file:service`, with what it merges in."""
    for path in COMPOSE:
        for name, service in yaml.safe_load(path.read_text(encoding="utf-8"))["services"].items():
            yield f"{path.stem}:{name}", service


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every Kubernetes object, as `file:kind`."""
    for path in MANIFESTS:
        for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield f"{path.stem}:{manifest['kind']}", manifest


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """The pod of every Deployment and Job."""
    for name, manifest in manifests():
        if manifest["kind"] in {"Deployment", "Job"}:
            yield name, manifest["spec"]["template"]["spec"]


def own_services() -> list[tuple[str, dict[str, Any]]]:
    """The services that run this project's image."""
    return [(name, service) for name, service in services() if service["image"].startswith("sms-campaign-worker:")]


def settings_lines(path: Path) -> dict[str, str]:
    """The lines `name value` or `name = value` of a server's configuration."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.replace(" = ", " ").split(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: value.strip('"') for name, value in pairs}
