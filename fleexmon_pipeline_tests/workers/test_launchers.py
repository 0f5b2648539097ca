"""The examples under packaging/: Dagster can read each launcher's configuration, and their parts fit together.

Neither an engine for containers nor a cluster is here: that they run is not tested.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.ref import InstanceRef
from dagster_docker import DockerRunLauncher
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import DagsterK8sJobConfig, UserDefinedDagsterK8sConfig, construct_dagster_k8s_job

from fleexmon_pipeline import __version__

LAUNCHER: Any = K8sRunLauncher
OF_RUN: Any = UserDefinedDagsterK8sConfig
PACKAGING = Path(__file__).parent.parent.parent / "packaging"
OURS = yaml.safe_load((PACKAGING.parent / "dagster.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((PACKAGING / "kubernetes" / "fleexmon.yaml").read_text()))
COMPOSE = yaml.safe_load((PACKAGING / "docker" / "compose.yaml").read_text())


def manifest(kind: str, name: str = "fleexmon") -> dict[str, Any]:
    (found,) = [each for each in MANIFESTS if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def texts() -> dict[str, str]:
    in_cluster = manifest("ConfigMap", "fleexmon-instance")["data"]["dagster.yaml"]
    of_folder = {name: (PACKAGING / name / "dagster.yaml").read_text() for name in ("several-machines", "docker")}
    return of_folder | {"kubernetes": in_cluster}


@pytest.mark.parametrize("name", ["several-machines", "docker", "kubernetes"])
def test_dagster_reads_it_and_the_rest_is_as_on_one_machine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEEXMON_BROKER", "redis://127.0.0.1:1/0")
    (tmp_path / "dagster.yaml").write_text(texts()[name])
    read = yaml.safe_load(texts()[name])

    reference = InstanceRef.from_dir(str(tmp_path))  # raises for a key that Dagster does not know

    launcher = reference.run_launcher_data
    assert launcher is not None
    assert launcher.module_name == read["run_launcher"]["module"]
    for key in ("storage", "freshness", "retention", "compute_logs", "telemetry", "nux", "run_retries"):
        assert read[key] == OURS[key]
    assert read["run_monitoring"]["enabled"]


def test_docker_gets_a_launcher_and_what_it_names_is_in_the_compose_file(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(texts()["docker"])
    launcher = InstanceRef.from_dir(str(tmp_path)).run_launcher
    services, project = COMPOSE["services"], COMPOSE["name"]

    assert isinstance(launcher, DockerRunLauncher)
    assert launcher.image == services["fleexmon"]["image"] == f"fleexmon-docker:{__version__}"
    assert launcher.networks == [f"{project}_default"]
    assert {volume.split(":")[0] for volume in launcher.container_kwargs["volumes"]} == {f"{project}_socket"}
    assert set(launcher.env_vars or ()) - {"DAGSTER_HOME"} == set(services["fleexmon"]["environment"])
    assert all(port.startswith("127.0.0.1:") for port in services["fleexmon"]["ports"])


def test_kubernetes_gets_a_job_for_each_run() -> None:
    config = yaml.safe_load(texts()["kubernetes"])["run_launcher"]["config"]
    checked = process_config(resolve_to_config_type(LAUNCHER.config_type()), config)
    assert checked.success, checked.errors
    deployment = manifest("Deployment")["spec"]["template"]["spec"]
    (container,) = deployment["containers"]

    assert config["job_image"] == container["image"]
    assert config["job_image"].endswith(f":{__version__}")
    assert manifest("ServiceAccount")["metadata"]["name"] == config["service_account_name"]
    assert manifest("ConfigMap", config["instance_config_map"])
    assert all(manifest("Secret", name) for name in config["env_secrets"])
    assert all(manifest("ConfigMap", name) for name in config["env_config_maps"])
    assert {"name": "DAGSTER_HOME", "value": config["dagster_home"]} in container["env"]
    assert manifest("Deployment")["spec"]["replicas"] == 1
    assert all(each["metadata"].get("namespace", "fleexmon") == config["job_namespace"] for each in MANIFESTS)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kubernetes.config.load_incluster_config", lambda: None)  # there is no cluster
        launcher = LAUNCHER.from_config_value(None, checked.value)
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(
            job_image=launcher.job_image, dagster_home=launcher.dagster_home,
            instance_config_map=launcher.instance_config_map,
        ),
        ["dagster", "api", "execute_run"], "a-run", OF_RUN.from_dict(config["run_k8s_config"]),
    ).to_dict()  # fmt: skip
    (run,) = job["spec"]["template"]["spec"]["containers"]
    assert (run["command"], run["args"]) == (["/usr/bin/env"], ["dagster", "api", "execute_run"])
    assert run["image"] == config["job_image"]


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_the_image_ends_without_root(kind: str) -> None:
    lines = (PACKAGING / kind / "Dockerfile").read_text().splitlines()

    assert [line for line in lines if line.startswith("USER")][-1] == "USER 10001:10001"
    assert any(f"fleexmon:{__version__}" in line for line in lines if line.startswith("ARG"))
