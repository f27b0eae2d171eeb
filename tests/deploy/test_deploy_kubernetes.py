"""The Kubernetes manifests, checked without a cluster."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.deploy_files import DEPLOY, MANIFESTS, ROOT, SERVED, manifests, pods
from worker.jobs import STOP_MILLISECONDS

FOLDER: Final = DEPLOY / "kubernetes"
KUSTOMIZATION: Final = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
NOT_LISTED: Final = {"secret.example.yaml", "recover.yaml"}
VERSIONS: Final = ("1.30.0", "1.37.0")
"""The oldest with all that is used here (scaling by one container's CPU), and the newest that the checker knows."""

OBJECTS: Final = list(manifests())
PODS: Final = list(pods())
SERVING: Final = [(name, pod) for name, pod in PODS if pod["containers"][0]["args"][0] in SERVED]
every_pod = pytest.mark.parametrize(("name", "pod"), PODS, ids=[name for name, _ in PODS])
serving_pod = pytest.mark.parametrize(("name", "pod"), SERVING, ids=[name for name, _ in SERVING])


def named(kind: str, name: str) -> dict[str, Any]:
    [found] = [object_ for _, object_ in OBJECTS if (object_["kind"], object_["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_follow_their_schemas(version: str) -> None:
    checker = Path(sys.executable).with_name("kubernetes-validate")

    done = subprocess.run([checker, "--strict", "-k", version, *MANIFESTS], capture_output=True, text=True, check=False)

    told = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 0, told
    assert len([line for line in told if " passed for resource " in line]) == len(OBJECTS)


def test_the_kustomization_lists_every_manifest_that_is_to_stand() -> None:
    assert {*KUSTOMIZATION["resources"], *NOT_LISTED} == {path.name for path in MANIFESTS}
    assert "namespace" not in KUSTOMIZATION
    assert [name for name, manifest in OBJECTS if "namespace" in manifest["metadata"]] == []


def test_the_images_have_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert KUSTOMIZATION["images"] == [{"name": "sms-campaign-worker", "newTag": version}]
    assert {pod["containers"][0]["image"] for name, pod in PODS if not name.startswith("recover")} == {
        "sms-campaign-worker"
    }
    assert f"image: sms-campaign-worker:{version}\n" in (FOLDER / "recover.yaml").read_text(encoding="utf-8")


@every_pod
def test_a_pod_may_do_next_to_nothing(name: str, pod: dict[str, Any]) -> None:
    [container] = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert {"requests", "limits"} == set(container["resources"])


@every_pod
def test_a_pod_finds_its_settings_and_secrets_where_they_are_mounted(name: str, pod: dict[str, Any]) -> None:
    [container] = pod["containers"]
    settings = named("ConfigMap", container["envFrom"][0]["configMapRef"]["name"])["data"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    [secret] = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]

    files = {Path(value) for setting, value in settings.items() if setting.endswith("_FILE")}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    assert {str(file.parent) for file in files} == {mounts["secrets"]}
    assert {file.name for file in files} == set(named("Secret", secret)["stringData"])
    assert mounts.get("inbox", settings["CAMPAIGNS_INBOX"]) == settings["CAMPAIGNS_INBOX"]


@serving_pod
def test_a_stop_waits_longer_than_the_service_needs(name: str, pod: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] > STOP_MILLISECONDS / 1000 + 10


@serving_pod
def test_a_pod_is_started_watched_and_ready_by_its_heartbeat(name: str, pod: dict[str, Any]) -> None:
    [container] = pod["containers"]
    probes = [container[probe]["exec"]["command"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]

    # What is not ready gets no traffic; what is not alive is killed. A minute without the database is no reason for
    # that.
    assert [command[-1].partition("-mmin -")[2].split()[0] for command in probes] == ["1", "1", "5"]


def test_two_schedulers_stand_and_one_of_them_at_any_time() -> None:
    assert named("Deployment", "campaigns-scheduler")["spec"]["replicas"] == 2
    assert named("PodDisruptionBudget", "campaigns-scheduler")["spec"]["minAvailable"] == 1


def test_the_autoscaler_and_nothing_else_says_how_many_workers_there_are() -> None:
    scaler = named("HorizontalPodAutoscaler", "campaigns-worker")["spec"]
    worker = named(scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"])["spec"]

    assert "replicas" not in worker
    assert {metric["containerResource"]["container"] for metric in scaler["metrics"]} == {
        container["name"] for container in worker["template"]["spec"]["containers"]
    }
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]


@pytest.mark.parametrize("kind", ["Deployment", "PodDisruptionBudget"])
def test_selectors_select_the_pods_of_their_name(kind: str) -> None:
    for _, manifest in OBJECTS:
        if manifest["kind"] == kind:
            labels = manifest["spec"]["selector"]["matchLabels"]
            target = named("Deployment", manifest["metadata"]["name"])["spec"]["template"]["metadata"]["labels"]
            assert labels.items() <= target.items()
