"""Rules, dashboards and scrape settings: of metrics that are served, with a condition and a chapter for each alert."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest
import yaml

from campaigns.alerts.conditions import CONDITIONS
from campaigns.alerts.figures import FAST, HELD_SECONDS, OBJECTIVE, ON_TIME_SECONDS, SETTLING_TIMES, SLOW
from tests.deploy.deploy_files import DEPLOY, manifests
from tests.support.scraping import counted, counting
from worker import metrics
from worker.metrics import METRICS, MetricType
from worker.settings.settings import Settings

FOLDER: Final = DEPLOY / "monitoring"
RULES: Final = [
    rule
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS: Final = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED: Final = {rule["record"] for rule in RULES if "record" in rule}
BOARDS: Final = sorted((FOLDER / "grafana").glob("*.json"))


def board(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    for path in BOARDS:
        for panel in board(path)["panels"]:
            yield from (target["expr"] for target in panel["targets"])


def matchers(expression: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Every metric that an expression selects, with what it selects by: (label, operator, value)."""
    text = re.sub(r"\$\w+", ".+", expression)  # Grafana's variables
    promql_parser.parse(text)  # raises where it is not PromQL
    for name, labels in re.findall(r"\b((?:campaigns[_:]|ALERTS)[\w:]*)(\{[^}]*\})?", text):
        yield name, re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', labels)


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The same, with the labels alone."""
    for name, by in matchers(expression):
        yield name, {label for label, _, _ in by}


def grouped(expression: str) -> set[str]:
    return {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")}


def served() -> dict[str, set[str]]:
    """Every sample's name that a process serves, with its labels, from a scrape; labels from the table."""
    with counting():
        types = counted().types
    assert types == {each.full_name: each.type.value for each in METRICS}
    found = {}
    for each in METRICS:
        is_histogram = each.type is MetricType.HISTOGRAM
        for suffix in ("_bucket", "_count", "_sum") if is_histogram else ("",):
            found[each.full_name + suffix] = {*each.labels, *(["le"] if suffix == "_bucket" else [])}
    return found


def test_every_metric_in_rules_and_dashboards_is_served_with_its_labels() -> None:
    names = served()
    for expression in expressions():
        used = list(selectors(expression))
        assert used
        for name, labels in used:
            if name in RECORDED or name == "ALERTS":
                continue
            assert name in names, expression
            assert labels <= names[name], expression
            assert len(used) > 1 or grouped(expression) <= names[name], expression


def test_every_metric_but_money_is_on_a_dashboard_or_in_a_rule() -> None:
    used = {name for expression in expressions() for name, _ in selectors(expression)}
    unseen = {
        each.name
        for each in METRICS
        if not used & {each.full_name, *(each.full_name + suffix for suffix in ("_bucket", "_count"))}
    }
    assert unseen == {"spend_total"}


def test_every_alert_has_a_condition_a_rule_and_a_chapter_of_the_same_name() -> None:
    chapters = re.findall(r"^## (\w+)\n\n(\w+)\.", (DEPLOY / "ALERTS.md").read_text(encoding="utf-8"), re.MULTILINE)
    conditions = {name.value: condition.severity.value for name, condition in CONDITIONS.items()}

    assert dict(chapters) == conditions
    assert {name: rule["labels"]["severity"] for name, rule in ALERTS.items()} == conditions


def test_the_thresholds_of_the_rules_are_those_of_the_conditions() -> None:
    settle = Settings.model_fields["settle_seconds"].default

    assert ALERTS["in_doubt_too_long"]["expr"].endswith(f"> {SETTLING_TIMES * settle:.0f}")
    assert ALERTS["held_too_long"]["expr"].endswith(f"> {HELD_SECONDS:.0f}")
    for name, rate in (("late_texts", FAST), ("late_texts_slowly", SLOW)):
        assert ALERTS[name]["expr"].count(f"> {rate.times:g} * {1 - OBJECTIVE:.3f}") == 2
    assert {le for rule in RULES for le in re.findall(r'le="([^"]+)"', rule["expr"])} == {f"{ON_TIME_SECONDS}"}
    assert ON_TIME_SECONDS in metrics.LATENESS.buckets
    for name, condition in CONDITIONS.items():
        assert ALERTS[name].get("for", "0m") == f"{condition.holds.total_seconds() / 60:.0f}m", name


def test_prometheus_reads_its_settings_and_the_rules_pass_their_tests() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:  # Debian has it in its package prometheus; without it at least every expression is parsed
        assert all(promql_parser.parse(rule["expr"]) for rule in RULES)
        return
    for command in (
        ["check", "rules", "rules.yml"],
        ["check", "config", "prometheus.yml"],
        ["check", "config", "prometheus-compose.yml"],
        ["test", "rules", "rules.test.yml"],
    ):
        environment = {**os.environ, "TZ": "UTC"}
        done = subprocess.run(
            [promtool, *command], cwd=FOLDER, capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_raised_and_not_raised_by_the_tests_of_the_rules() -> None:
    cases = yaml.safe_load((FOLDER / "rules.test.yml").read_text(encoding="utf-8"))["tests"]
    seen = {(at["alertname"], bool(at["exp_alerts"])) for case in cases for at in case["alert_rule_test"]}

    assert seen == {(name, is_raised) for name in ALERTS for is_raised in (True, False)}


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_imported_anywhere(path: Path) -> None:
    found = board(path)

    assert found["uid"] == f"campaigns-{path.stem}"
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    assert {panel["datasource"]["uid"] for panel in found["panels"]} == {"${datasource}"}
    assert not re.search(r"https?://|\d+\.\d+\.\d+\.\d+", path.read_text(encoding="utf-8"))


def test_there_are_three_dashboards() -> None:
    assert [path.stem for path in BOARDS] == ["campaign", "fleet", "operate"]


def test_the_compose_file_follows_the_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [str(checker), "--builtin-schema", "vendor.compose-spec", str(FOLDER / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    scaled = yaml.safe_load((DEPLOY / "compose/scaled.yaml").read_text(encoding="utf-8"))
    [service] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))["services"].values()
    assert set(service["networks"]) <= set(scaled["networks"])


def test_scraping_goes_where_the_processes_serve() -> None:
    systemd, compose = (
        yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))["scrape_configs"]
        for name in ("prometheus.yml", "prometheus-compose.yml")
    )
    units = " ".join(path.read_text(encoding="utf-8") for path in (DEPLOY / "systemd").iterdir())
    for address in (address for job in systemd for each in job["static_configs"] for address in each["targets"]):
        host, _, port = address.rpartition(":")
        numbered = f"CAMPAIGNS_METRICS_HTTP={host.rpartition('.')[0]}.%i:{port}"
        assert f"CAMPAIGNS_METRICS_HTTP={address}" in units or numbered in units
    [found] = compose[0]["dns_sd_configs"]
    for path in (DEPLOY / "compose").glob("*.yaml"):
        assert f"CAMPAIGNS_METRICS_HTTP: 0.0.0.0:{found['port']}" in path.read_text(encoding="utf-8")
    [monitor] = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8"))
    ports = {
        port["name"]
        for _, manifest in manifests()
        if manifest["kind"] == "Deployment"
        for container in manifest["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports", [])
    }
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} == ports
