"""The RayService of the chart is one that KubeRay starts, and its pods do what they promise."""

import copy
import subprocess

import pytest
import yaml
from ray._private import ray_constants

from cluster.launch.render import read_values, render
from tests.cluster.launch.kuberay_rules import refused
from tests.cluster.launch.terraform_files import VALUES

GIB = 2**30


@pytest.fixture(scope="module")
def service():
    return yaml.safe_load(render(read_values(VALUES))["kuberay/rayservice.yaml"])


def groups(service):
    cluster = service["spec"]["rayClusterConfig"]
    return {one.get("groupName", "head"): one
            for one in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])}  # fmt: skip


def test_kuberay_starts_the_service(service):
    assert refused(service) == []


def test_a_node_has_its_market_as_a_label(service):
    found = {name: one["labels"]["ray.io/market-type"] for name, one in groups(service).items()}
    assert found == {"head": "on-demand", "on-demand": "on-demand", "spot": "spot"}


def put(path, value):
    def change(service):
        *folders, last = path.split(".")
        for folder in folders:
            service = service[int(folder) if folder.isdigit() else folder]
        service[last] = value

    return change


CLUSTER = "spec.rayClusterConfig"
HEAD, SPOT = f"{CLUSTER}.headGroupSpec", f"{CLUSTER}.workerGroupSpecs.1"
CONTAINER = f"{HEAD}.template.spec.containers.0"
PLANTED = [
    (put("metadata.name", "r" * 48), "more than 47 characters"),
    (put("metadata.name", "9"), "no DNS label"),
    (put("metadata.annotations", {"ray.io/initializing-timeout": "soon"}), "no duration"),
    (put("metadata.annotations", {"ray.io/ft-enabled": "true"}), "annotations beside"),
    (put("spec.upgradeStrategy.type", "Rolling"), "upgradeStrategy.type"),
    (put("spec.rayClusterDeletionDelaySeconds", -1), "rayClusterDeletionDelaySeconds"),
    (put(f"{CLUSTER}.upgradeStrategy", {"type": "Recreate"}), "a cluster that a RayService makes"),
    (put(f"{HEAD}.headService", {"metadata": {"name": "x"}}), "headService has a name"),
    (put(f"{HEAD}.rayStartParams.labels", "a=b"), "Head: rayStartParams['labels']"),
    (put(f"{SPOT}.rayStartParams.labels", "a=b"), "spot: rayStartParams['labels']"),
    (put(f"{SPOT}.rayStartParams.num-cpus", 1), "spot: rayStartParams are strings"),
    (put(f"{SPOT}.labels", {"Ray.io/market": "spot"}), "spot: prefix of the label"),
    (put(f"{SPOT}.labels", {"ray.io/market": "-"}), "spot: label"),
    (put(f"{HEAD}.resources", {"CPU": "1"}), "Head: resources both"),
    (put(f"{SPOT}.template.spec.containers", []), "spot: no container"),
    (put(f"{SPOT}.minReplicas", 9), "minReplicas are above"),
    (put(f"{SPOT}.minReplicas", -1), "negative replicas"),
    (put(f"{SPOT}.suspend", True), "suspend beside"),
    (put(f"{SPOT}.idleTimeoutSeconds", -1), "spot: idleTimeoutSeconds is negative"),
    (put(f"{SPOT}.template.spec.restartPolicy", "Always"), "restartPolicy"),
    (put(f"{HEAD}.rayStartParams.redis-password", "x"), "redis in rayStartParams"),
    (put(f"{CONTAINER}.env", [{"name": "REDIS_PASSWORD"}]), "redis in the variables"),
    (put(f"{CONTAINER}.env", [{"name": "RAY_enable_autoscaler_v2"}]), "autoscaler_v2 of the head"),
    (put(f"{CLUSTER}.gcsFaultToleranceOptions.backend", "rocksdb"), "behind a feature gate"),
    (put(f"{CLUSTER}.networkPolicy", {}), "networkPolicy, behind a feature gate"),
    (put(f"{CLUSTER}.autoscalerOptions.idleTimeoutSeconds", -1), "idleTimeoutSeconds is negative"),
    (put(f"{CLUSTER}.rayVersion", "2.51.0"), "a token wants a rayVersion"),
    (put(f"{CLUSTER}.authOptions.enableK8sTokenAuth", True), "enableK8sTokenAuth"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), PLANTED)
def test_what_kuberay_refuses_is_found(service, change, told):
    planted = copy.deepcopy(service)
    change(planted)
    found = refused(planted)
    assert any(told in one for one in found)


@pytest.mark.parametrize("group", ["head", "on-demand", "spot"])
@pytest.mark.parametrize("gib", [1, 4, 16])
def test_rays_object_store_fits_into_shared_memory(group, gib):
    """What does not fit goes to a disk (ray/_private/services.py); above 10 GB nothing starts."""
    values = read_values(VALUES) | {"object_store_gib": gib}
    service = yaml.safe_load(render(values)["kuberay/rayservice.yaml"])
    one = groups(service)[group]
    (shm,) = [v for v in one["template"]["spec"]["volumes"] if v["name"] == "shm"]
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": f"{gib}Gi"}
    assert 0.9 * gib * GIB < int(one["rayStartParams"]["object-store-memory"]) < gib * GIB


def test_the_share_that_ray_takes_by_itself_would_not_fit(service):
    pod = groups(service)["spot"]["template"]["spec"]
    (shm,) = [one for one in pod["volumes"] if one["name"] == "shm"]
    size = int(shm["emptyDir"]["sizeLimit"].removesuffix("Gi")) * GIB
    memory = read_values(VALUES)["on_demand_memory"].removesuffix("Gi")
    own = int(memory) * GIB * ray_constants.DEFAULT_OBJECT_STORE_MEMORY_PROPORTION
    assert size < own < ray_constants.REQUIRE_SHM_SIZE_THRESHOLD


@pytest.fixture
def watcher(service):
    (found,) = groups(service)["spot"]["template"]["spec"]["initContainers"]
    return found


def test_a_spot_watcher_that_ends_is_started_again(watcher):
    """KubeRay makes the pod `restartPolicy: Never` for the autoscaler's v2; this is above it."""
    assert watcher["name"] == "spot-watcher"
    assert watcher["restartPolicy"] == "Always"
    chart = yaml.safe_load((VALUES.parent / "chart" / "Chart.yaml").read_text())
    # Kubernetes 1.29 is the first to know it without a feature gate; 1.28 would drop the field.
    assert chart["kubeVersion"] == ">=1.29.0-0"


def test_a_spot_watcher_hears_of_the_end_before_ray_has_ended(watcher, tmp_path):
    """Sidecars get SIGTERM last, but the hooks of all containers run at once, at the beginning."""
    (shell, option, command) = watcher["lifecycle"]["preStop"]["exec"]["command"]
    assert (shell, option) == ("sh", "-c")
    heard = tmp_path / "heard"
    script = f"trap 'touch {heard}; exit' TERM; echo ready; while :; do sleep 0.05; done"
    target = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
    assert target.stdout.readline() == b"ready\n"
    subprocess.run([shell, option, command.replace(" 1", f" {target.pid}")], check=True)
    target.communicate(timeout=10)
    assert heard.exists()
    assert command == "kill -TERM 1"
    assert "exec python -m cluster.spot --address" in watcher["command"][2]  # as process 1
    subprocess.run(["sh", "-n", "-c", watcher["command"][2]], check=True)
