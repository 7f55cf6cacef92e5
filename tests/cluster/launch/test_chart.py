"""The chart holds what Kubernetes, KubeRay and clouds ask of it; Helm itself renders the same."""

import json
import re
from pathlib import Path

import pytest
import yaml

from cluster.launch import render as launch
from cluster.launch.render import read_values, render
from cluster.planning.nodes import NodeType
from graphs.errors import ConfigError
from tests.cluster.launch.kuberay_rules import refused

LAUNCH = Path(launch.__file__).parent
CHART = LAUNCH / "chart"
GIB = 2**30
# vCPUs, GiB and GPUs of the machines that values.yaml names.
MACHINES = {
    "g6.2xlarge": (8, 32, 1), "g6.12xlarge": (48, 192, 4),
    "g2-standard-8": (8, 32, 1), "g2-standard-48": (48, 192, 4),
    "Standard_NC8as_T4_v3": (8, 56, 1), "Standard_NC64as_T4_v3": (64, 440, 4),
}  # fmt: skip


@pytest.fixture(scope="module")
def values():
    return read_values(LAUNCH / "values.yaml")


@pytest.fixture(scope="module")
def objects(values):
    files = render(values)
    names = ("kuberay/around.yaml", "kuberay/rayservice.yaml")
    return {one["kind"]: one for name in names for one in yaml.safe_load_all(files[name])}


def templates(objects):
    cluster = objects["RayService"]["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return {group.get("groupName", "head"): group["template"] for group in groups}


def chosen(selector, template):
    return selector["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_the_budget_of_disruptions_is_one_that_kubernetes_can_count(objects, values):
    """Of pods whose owner has no scale subresource: `minAvailable`, and a whole number."""
    budget = objects["PodDisruptionBudget"]["spec"]
    assert set(budget) == {"minAvailable", "selector", "unhealthyPodEvictionPolicy"}
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert type(budget["minAvailable"]) is int
    assert budget["minAvailable"] < values["on_demand_nodes"]  # else no machine could be drained
    pods = {name: chosen(budget["selector"], one) for name, one in templates(objects).items()}
    assert pods == {"head": False, "on-demand": True, "spot": False}


def test_the_network_policy_is_of_every_pod(objects):
    selector = objects["NetworkPolicy"]["spec"]["podSelector"]
    assert all(chosen(selector, one) for one in templates(objects).values())


def test_the_weights_stay_when_the_chart_is_uninstalled(objects):
    claim = objects["PersistentVolumeClaim"]["metadata"]
    assert claim["annotations"] == {"helm.sh/resource-policy": "keep"}
    for template in templates(objects).values():
        (state,) = [one for one in template["spec"]["volumes"] if one["name"] == "state"]
        assert state["persistentVolumeClaim"]["claimName"] == claim["name"]


def tolerates(pod, taint):
    def covers(one):
        key, value = one["key"] == taint[0], one.get("value") == taint[1]
        return key and (value or one.get("operator") == "Exists")

    return any(covers(one) for one in pod.get("tolerations", ()))


def test_workers_may_run_on_the_machines_that_clouds_taint(objects):
    pods = {name: one["spec"] for name, one in templates(objects).items()}
    gpu, azure = ("nvidia.com/gpu", "present"), ("kubernetes.azure.com/scalesetpriority", "spot")
    assert {name for name, pod in pods.items() if tolerates(pod, gpu)} == {"on-demand", "spot"}
    assert {name for name, pod in pods.items() if tolerates(pod, azure)} == {"spot"}


SLICES = {"gpu_resource": "nvidia.com/mig-3g.40gb", "gpu_slice": "3g.40gb", "spot_gpus": 1}


def test_workers_with_slices_of_gpus_stand_on_tainted_machines_and_say_so(values):
    service = yaml.safe_load(render(values | SLICES)["kuberay/rayservice.yaml"])
    for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]:
        pod = group["template"]["spec"]
        assert pod["containers"][0]["resources"]["limits"][SLICES["gpu_resource"]] == 1
        assert tolerates(pod, ("nvidia.com/gpu", "present"))
        assert NodeType(labels=group["labels"]).is_sliced
    assert list(refused(service)) == []


def test_workers_with_whole_gpus_are_of_no_slices(objects):
    groups = objects["RayService"]["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert not any(NodeType(labels=one["labels"]).is_sliced for one in groups)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"spot_gpus": 4}, "spot_gpus: 4 is greater than the maximum of 1"),
        ({"gpu_slice": "none"}, "gpu_slice: 'none' does not match"),
        ({"gpu_slice": "40gb"}, "gpu_slice: '40gb' does not match"),
    ],
)
def test_slices_that_no_process_would_see_are_refused(values, own, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        render(values | SLICES | own)


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()
    return int(number) * {"Mi": 2**20, "Gi": GIB}[unit]


def cores_of(quantity):
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def left_for_pods(gib):
    """Of GKE, which keeps most: 25 % of the first 4 GiB, 20 % of 4 more, 10 % of 8, 6 % of 112."""
    kept, rest = 0.35, gib  # 0.25 GiB more for what runs on every node
    for size, share in ((4, 0.25), (4, 0.2), (8, 0.1), (112, 0.06)):
        kept += min(rest, size) * share
        rest -= min(rest, size)
    return (gib - kept) * GIB


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
@pytest.mark.parametrize("group", ["on-demand", "spot"])
def test_a_worker_fits_its_machine(objects, values, cloud, group):
    key = group.replace("-", "_")
    cpus, gib, gpus = MACHINES[values[f"{cloud}_{key}"]]
    pod = templates(objects)[group]["spec"]
    containers = pod["containers"]
    sidecars = pod.get("initContainers", ())
    assert all(one["restartPolicy"] == "Always" for one in sidecars)  # which count with the others
    requests = [one["resources"]["requests"] for one in (*containers, *sidecars)]
    # The kubelet keeps a tenth of a core of 8, and what runs on every node asks for about 0.4.
    assert sum(cores_of(one["cpu"]) for one in requests) <= cpus - 0.5
    assert sum(bytes_of(one["memory"]) for one in requests) <= left_for_pods(gib)
    assert containers[0]["resources"]["limits"]["nvidia.com/gpu"] <= gpus


def test_the_plan_counts_with_the_same_machines(values):
    types = yaml.safe_load((LAUNCH / "nodes.yaml").read_text())["node_types"]
    for name, node in types.items():
        key = name.replace("-", "_")
        assert node["nodes"] == values[f"{key}_nodes"]
        assert (node["cpus"], node["gpus"]) == (values[f"{key}_cpus"], values[f"{key}_gpus"])
        assert node["memory_gb"] * GIB == bytes_of(values[f"{key}_memory"])


def test_every_pod_may_pull_from_a_registry_that_asks_who(values):
    rendered = render(values | {"image_pull_secrets": [{"name": "mine"}]})
    service = yaml.safe_load(rendered["kuberay/rayservice.yaml"])
    found = templates({"RayService": service}).values()
    assert [one["spec"]["imagePullSecrets"] for one in found] == [[{"name": "mine"}]] * 3


def test_the_schema_of_the_chart_names_every_value(values):
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]) == {*values, "serve_config_text"}
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"on_demand_nodes": "three"}, "on_demand_nodes: 'three' is not of type 'integer'"),
        ({"on_demand_nodes": 0}, "on_demand_nodes: 0 is less than the minimum of 1"),
        ({"keys": "yes"}, "keys: 'yes' is not of type 'boolean'"),
        ({"name": "Rag_Fleet"}, "name: 'Rag_Fleet' does not match '^[a-z]"),
        ({"image": "registry.example/ragfleet"}, "image: 'registry.example/ragfleet' does not"),
        ({"image": "registry.example:5000/ragfleet"}, "image: 'registry.example:5000/ragfleet' d"),
        ({"image": "ragfleet@sha256:0"}, "image: 'ragfleet@sha256:0' does not match"),
        ({"storage": 200}, "storage: 200 is not of type 'string'"),
        ({"image_pull_secrets": [{"nam": "x"}]}, "image_pull_secrets.0: 'name' is a required"),
        ({"redis_address": "redis"}, "redis_address: 'redis' does not match"),
        ({"redis_address": "http://redis:6379"}, "redis_address: 'http://redis:6379' does not"),
    ],
)
def test_a_value_of_another_kind_is_refused_without_helm(values, own, told, tmp_path, capsys):
    with pytest.raises(ConfigError, match=re.escape(told)):
        render(values | own)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    arguments = ["--values", str(tmp_path / "own.yaml"), "--out", str(tmp_path / "out")]
    assert launch.main(arguments) == 1
    assert told in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "image", ["mine:1", "mine:5000/of/us:1.2-gpu", f"mine/us@sha256:{'0a' * 32}"]
)
def test_an_image_is_pinned_by_a_tag_or_a_digest(values, image):
    assert f"image: {image}\n" in render(values | {"image": image})["kuberay/rayservice.yaml"]


@pytest.mark.parametrize("address", ["redis:6379", "redis://redis:6379", "rediss://a.b-c.d:6380"])
def test_redis_may_be_reached_by_tls(values, address):
    assert (
        f"redisAddress: {address}\n"
        in render(values | {"redis_address": address})["kuberay/rayservice.yaml"]
    )


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("{{ if .Values.name }}", "is more than a value"),
        ("{{ .Values.name | quote }}", "is more than a value"),
        ("{{ .Values.nmae }}", "wants a value that is not given: 'nmae'"),
    ],
)
def test_a_template_that_only_helm_could_render_is_refused(tmp_path, monkeypatch, values, action,
                                                           told):  # fmt: skip
    (tmp_path / "ray_up").mkdir()
    (tmp_path / "ray_up" / "common.yaml").write_text("")
    (tmp_path / "one.yaml").write_text(f"name: {action}\n")
    monkeypatch.setattr(launch, "_HERE", tmp_path)
    monkeypatch.setattr(launch, "TEMPLATES", {"one.yaml": "one.yaml"})
    with pytest.raises(ConfigError, match=re.escape(told)):
        render(values)


@pytest.fixture(scope="module")
def helm():
    return pytest.importorskip("helm_python", reason="`make test-launch` installs Helm")


OTHERS = [
    {},
    {"name": "other", "namespace": "elsewhere", "on_demand_nodes": 1, "on_demand_kept": 0},
    {
        "image": f"mine:5000/of/us:1@sha256:{'0a' * 32}",
        "image_pull_secrets": [{"name": "of-mine"}],
        "storage": "2Ti",
        "gpu_resource": "amd.com/gpu",
        "spot_nodes": 0,
    },
    SLICES,
]


@pytest.mark.parametrize("own", OTHERS)
def test_helm_renders_what_is_written_without_it(helm, values, own, tmp_path):
    files = render(values | own)
    given = yaml.safe_load(files["helm.yaml"])
    packed = helm.package(CHART, destination=tmp_path)  # as a registry gets it
    for chart in (helm.Chart.load(CHART), helm.Chart.load(packed)):
        made = chart.render(given, name="mine", namespace=given["namespace"])
        for name in ("around", "rayservice"):
            assert made[f"ragfleet/templates/{name}.yaml"] == files[f"kuberay/{name}.yaml"]
        assert len(made) == 3  # and the notes


def test_helm_finds_no_fault(helm, values):
    given = yaml.safe_load(render(values)["helm.yaml"])
    report = helm.lint(CHART, given, strict=True, namespace="ragfleet")
    assert report["errors"] == []
    assert {one["error"] for one in report["messages"]} <= {"icon is recommended"}


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"spot_node": 3}, "'spot_node' not allowed"),
        ({"spot_nodes": "3"}, "got string, want integer"),
        ({"ray_version": 2.6}, "got number, want string"),
        ({"storage": "200"}, "does not match pattern"),
        ({"image_pull_secrets": ["mine"]}, "got string, want object"),
        ({"serve_config_text": ""}, "serve_config_text"),
    ],
)
def test_helm_refuses_a_value_that_would_be_overlooked(helm, values, own, told):
    given = yaml.safe_load(render(values)["helm.yaml"]) | own
    with pytest.raises(helm.HelmError, match=re.escape(told)):
        helm.Chart.load(CHART).render(given, name="mine", namespace="ragfleet")


@pytest.mark.parametrize("version", ["1.29.0", "1.37.0"])
def test_kubernetes_takes_the_objects_and_the_pods(objects, version):
    checker = pytest.importorskip("kubernetes_validate", reason="`make test-launch` installs it")
    for kind in ("PersistentVolumeClaim", "PodDisruptionBudget", "NetworkPolicy"):
        checker.validate(objects[kind], version, strict=True)
    for template in templates(objects).values():
        checker.validate({"apiVersion": "v1", "kind": "Pod", **template}, version, strict=True)
    wrong = {**objects["PodDisruptionBudget"], "specs": {}}
    with pytest.raises(checker.ValidationError):
        checker.validate(wrong, version, strict=True)
