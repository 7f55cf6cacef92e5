"""What KubeRay refuses of a RayService beyond its CRD, by its own rules.

They are those of ray-operator/controllers/ray/utils/validation.go at feeaf72fa (August 2026),
which the operator asks before it makes anything; a fault is told in an event, and nothing starts.
Left out are RayJobs, and what lies behind feature gates that are off by default is refused whole.
"""

import re

_LONGEST_NAME = 47  # of a RayService; KubeRay adds to it
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
_LABEL_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_AUTOSCALER_V2 = "RAY_enable_autoscaler_v2"
_GATED = ("networkPolicy", "tlsOptions", "historyServerOptions")
_RESOURCES = {"num-cpus", "num-gpus", "memory", "resources"}
_STRATEGIES = {None, "None", "NewCluster"}  # NewClusterWithIncrementalUpgrade wants a gateway


def refused(service):
    """Why KubeRay would not start this RayService; empty: it would."""
    cluster = service["spec"]["rayClusterConfig"]
    return [
        *_metadata(service["metadata"]), *_service(service["spec"]), *_groups(cluster),
        *_state_of_the_head(cluster, service["metadata"].get("annotations", {})),
        *_autoscaler(cluster), *_token(cluster),
    ]  # fmt: skip


def _metadata(metadata):
    if len(metadata["name"]) > _LONGEST_NAME:
        yield f"the name has more than {_LONGEST_NAME} characters"
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", metadata["name"]):
        yield "the name is no DNS label"
    timeout = metadata.get("annotations", {}).get("ray.io/initializing-timeout", "1s")
    if not re.fullmatch(r"([1-9]\d*|[1-9]\d*[smh])", timeout):
        yield "ray.io/initializing-timeout is no duration"


def _service(spec):
    if spec.get("upgradeStrategy", {}).get("type") not in _STRATEGIES:
        yield "upgradeStrategy.type is none of ours"
    if spec.get("rayClusterDeletionDelaySeconds", 0) < 0:
        yield "rayClusterDeletionDelaySeconds is negative"
    head = spec["rayClusterConfig"]["headGroupSpec"]
    if head.get("headService", {}).get("metadata", {}).get("name"):
        yield "headService has a name"
    if "upgradeStrategy" in spec["rayClusterConfig"]:
        yield "upgradeStrategy of a cluster that a RayService makes"


def _groups(cluster):
    yield from _group("Head", cluster["headGroupSpec"])
    for group in cluster["workerGroupSpecs"]:
        name = group["groupName"]
        yield from _group(name, group)
        yield from _counts(name, group, cluster)
        if group.get("suspend"):
            yield f"{name}: suspend beside the autoscaler"
        if group.get("idleTimeoutSeconds", 0) < 0:
            yield f"{name}: idleTimeoutSeconds is negative"
        if {"idleTimeoutSeconds", "priority"} & set(group) and not _is_v2(cluster):
            yield f"{name}: idleTimeoutSeconds and priority want the autoscaler's v2"


def _group(name, group):
    params = group.get("rayStartParams", {})
    if not group["template"]["spec"].get("containers"):
        yield f"{name}: no container"
    if _RESOURCES & set(params) and group.get("resources"):
        yield f"{name}: resources both in rayStartParams and beside it"
    if "labels" in params:
        yield f"{name}: rayStartParams['labels'], for which there is the field labels"
    for key, value in group.get("labels", {}).items():
        prefix, _, last = key.rpartition("/")
        if prefix and not _LABEL_PREFIX.fullmatch(prefix):
            yield f"{name}: prefix of the label {key}"
        if not _LABEL_NAME.fullmatch(last) or (value and not _LABEL_NAME.fullmatch(value)):
            yield f"{name}: label {key}={value}"
    if any(type(one) is not str for one in params.values()):
        yield f"{name}: rayStartParams are strings"


def _counts(name, group, cluster):
    least, most = group.get("minReplicas"), group.get("maxReplicas")
    if not cluster.get("enableInTreeAutoscaling") and None in (least, most):
        yield f"{name}: wants minReplicas and maxReplicas"
    if min(least or 0, most or 0) < 0:
        yield f"{name}: negative replicas"
    if None not in (least, most) and least > most:
        yield f"{name}: minReplicas are above maxReplicas"


def _state_of_the_head(cluster, annotations):
    options, head = cluster.get("gcsFaultToleranceOptions"), cluster["headGroupSpec"]
    params, known = head.get("rayStartParams", {}), _variables(head)
    if options is None:
        if "RAY_REDIS_ADDRESS" in known and annotations.get("ray.io/ft-enabled") != "true":
            yield "RAY_REDIS_ADDRESS without gcsFaultToleranceOptions"
        return
    if {"ray.io/ft-enabled", "ray.io/external-storage-namespace"} & set(annotations):
        yield "annotations beside gcsFaultToleranceOptions"
    if {"redis-password", "redis-username"} & set(params):
        yield "redis in rayStartParams"
    if {"REDIS_PASSWORD", "REDIS_USERNAME", "RAY_REDIS_ADDRESS"} & set(known):
        yield "redis in the variables of the head"
    if options.get("backend", "redis") != "redis" or "storage" in options:
        yield "a backend behind a feature gate"


def _autoscaler(cluster):
    options, known = cluster.get("autoscalerOptions", {}), _variables(cluster["headGroupSpec"])
    if _AUTOSCALER_V2 in known and ("version" in options or not _is_v2(cluster)):
        yield f"{_AUTOSCALER_V2} of the head"
    if options.get("idleTimeoutSeconds", 0) < 0:
        yield "idleTimeoutSeconds is negative"
    if "KUBERAY_GEN_AUTOSCALER_START_CMD" in {one["name"] for one in options.get("env", ())}:
        yield "a variable of the autoscaler that is KubeRay's own"
    groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    policies = {one["template"]["spec"].get("restartPolicy", "Never") for one in groups}
    if _is_v2(cluster) and policies != {"Never"}:
        yield "restartPolicy beside the autoscaler's v2"
    yield from (f"{name}, behind a feature gate" for name in _GATED if name in cluster)


def _token(cluster):
    options = cluster.get("authOptions", {})
    if options.get("enableK8sTokenAuth"):
        yield "enableK8sTokenAuth of a RayService"
    version = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", str(cluster.get("rayVersion")))
    if options.get("mode") == "token" and (
        not version or tuple(map(int, version.groups())) < (2, 52)
    ):
        yield "a token wants a rayVersion of 2.52.0 or later"


def _is_v2(cluster):
    on = cluster.get("enableInTreeAutoscaling")
    return bool(on) and cluster.get("autoscalerOptions", {}).get("version") == "v2"


def _variables(group):
    return {one["name"] for one in group["template"]["spec"]["containers"][0].get("env", ())}
