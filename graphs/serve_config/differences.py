"""What `serve deploy` of a config would do to an application that runs.

Serve's rules (ray/serve/_private/version.py, config.py and deploy_utils.py of Ray 2.60), tried with
process ids: one version of the code stands for the whole application, so a change of its wiring
restarts every deployment; `ray_actor_options` restart their own; all else changes where it stands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ray.serve.schema import HTTPOptionsSchema, LoggingConfig, gRPCOptionsSchema

from graphs.serve_config.blocks import CANARY, SMALL

Effect = Literal[
    "in place", "reloads", "rolls", "restarts all", "starts", "ends", "not until Serve"
]

_OF_ALL = ("import_path", "runtime_env", "args", "autoscaling_policy", "external_scaler_enabled")
_OF_ALL_IN_BLOCK = ("request_router_config", "deployment_actors")
_ROLLING = (
    "ray_actor_options",
    "placement_group_bundles",
    "placement_group_strategy",
    "placement_group_bundle_label_selector",
    "max_replicas_per_node",
    "gang_scheduling_config",
)
_OF_SERVE = ("proxy_location", "controller_options")
_LISTENING = {"http_options": HTTPOptionsSchema, "grpc_options": gRPCOptionsSchema}
_ADDRESS = ("host", "port", "root_path")  # of HTTP; the other defaults are those of a machine
# Those of a `user_config` that a model is loaded anew for.
_OF_MODEL = (
    "model", "revision", "engine", "engine_options", "context_tokens", "judge", "also",
    "allow_cpu", "num_threads", "max_adapters", "max_adapter_rank",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One change and what it does.

    Attributes:
        where: the deployment, the application or Serve.
        key: what changes.
        effect: what happens to what runs.
        told: what is lost meanwhile, in words.
    """

    where: str
    key: str
    effect: Effect
    told: str = ""


def differences(
    running: Mapping[str, Any], wanted: Mapping[str, Any], *, name: str
) -> list[Difference]:
    """Compares two Serve configs, each as YAML gives it.

    Args:
        running: the config of what runs.
        wanted: the config that would be deployed.
        name: of the application; where it is not running, all of it starts.
    """
    found = [*_serve_differences(running, wanted)]
    olds, news = _applications(running), _applications(wanted)
    for one in dict.fromkeys((name, *olds, *news)):
        old, new = olds.get(one), news.get(one)
        if old is None:
            found.append(Difference(where=one, key="application", effect="starts"))
        elif new is None:
            told = "a deploy ends what the file does not hold"
            found.append(Difference(where=one, key="application", effect="ends", told=told))
        else:
            found += _application_differences(one, old, new)
            if _logging(running, old) != _logging(wanted, new):
                told = "replicas take it up where they stand"
                key = "logging_config"
                found.append(Difference(where=one, key=key, effect="in place", told=told))
    return found


def _serve_differences(
    running: Mapping[str, Any], wanted: Mapping[str, Any]
) -> Iterator[Difference]:
    """Compares what all applications share; what is not written in the file stays as it is."""
    keys = [
        key for key in _OF_SERVE
        if running.get(key) is not None and running[key] != wanted.get(key, running[key])
    ]  # fmt: skip
    for key, schema in _LISTENING.items():
        old, new = running.get(key), wanted.get(key)
        if not old or not new:
            continue
        asked = [*new, *(_ADDRESS if key == "http_options" else ())]
        for one in dict.fromkeys(asked):
            field = schema.model_fields.get(one)
            default = field.get_default(call_default_factory=True) if field else None
            if old.get(one, default) != new.get(one, default):
                keys.append(f"{key}.{one}")
    for key in keys:
        told = "counts when Serve itself starts anew: `serve shutdown`, then deploy"
        yield Difference(where="Serve", key=key, effect="not until Serve", told=told)
    if running.get("target_capacity") != wanted.get("target_capacity"):
        told = "all deployments scale to this share of their replicas"
        yield Difference(where="Serve", key="target_capacity", effect="in place", told=told)


def _application_differences(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Difference]:
    for key in _OF_ALL:
        if (old.get(key) or None) != (new.get(key) or None):
            yield _all_restart(name, key)
    if old.get("route_prefix", "/") != new.get("route_prefix", "/"):
        told = "requests to the old path get 404 from then on"
        yield Difference(where=name, key="route_prefix", effect="in place", told=told)
    olds, news = _blocks(old), _blocks(new)
    for block in dict.fromkeys((*olds, *news)):
        yield from _block_differences(block, olds.get(block), news.get(block))


def _logging(config: Mapping[str, Any], application: Mapping[str, Any]) -> dict[str, Any]:
    """What counts for an application: its own settings, or those of the whole file."""
    own = application.get("logging_config") or config.get("logging_config") or {}
    return {**LoggingConfig().model_dump(), **own}


def as_config(details: Mapping[str, Any]) -> dict[str, Any]:
    """Gives what was deployed in the form of the YAML, out of what Serve tells of itself."""
    deployed = [one.get("deployed_app_config") for one in details.get("applications", {}).values()]
    return {
        **{key: details.get(key) for key in ("proxy_location", "target_capacity", *_LISTENING)},
        "applications": [one for one in deployed if one is not None],
    }


def _block_differences(
    name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[Difference]:
    if old is None or new is None:
        effect: Effect = "starts" if old is None else "ends"
        yield Difference(where=name, key="deployment", effect=effect)
        return
    for key in dict.fromkeys((*old, *new)):
        before, after = old.get(key), new.get(key)
        if before == after or key == "name":
            continue
        if key in _OF_ALL_IN_BLOCK or (
            key == "autoscaling_config" and _policy_changes(before, after)
        ):
            yield _all_restart(name, key)
        elif key in _ROLLING:
            yield Difference(where=name, key=key, effect="rolls", told=_rolling(new))
        elif key == "user_config":
            yield from _settings_differences(name, before or {}, after or {}, new)
        else:
            yield Difference(where=name, key=key, effect="in place")


def _policy_changes(before: Any, after: Any) -> bool:
    """Whether the list of policies changes, which a block without autoscaling has no entry in."""
    if not before or not after:
        return True
    return bool(before.get("policy") != after.get("policy"))


def _settings_differences(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any], block: Mapping[str, Any]
) -> Iterator[Difference]:
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) == after.get(key):
            continue
        label = f"user_config.{key}"
        if name != "Gateway" and key in _OF_MODEL:
            options = block.get("ray_actor_options") or {}
            is_whole = name in ("Generator", CANARY, SMALL) and options.get("num_gpus", 0)
            told = "the new model is loaded beside the old one; no request is lost"
            if is_whole:
                told = "a GPU has no room for two: its streams end first, new ones wait"
            yield Difference(where=name, key=label, effect="reloads", told=told)
        else:
            yield Difference(where=name, key=label, effect="in place")


def _rolling(block: Mapping[str, Any]) -> str:
    scaling = block.get("autoscaling_config") or {}
    replicas = scaling.get("min_replicas", block.get("num_replicas") or 1)
    if replicas == "auto" or int(replicas) <= 1:
        return "its one replica stops before the new one starts: requests wait or get 503"
    return "replicas are replaced in turn, a fifth at a time; answers go on at another one"


def _all_restart(where: str, key: str) -> Difference:
    told = "every deployment is replaced, models are loaded again, searches wait"
    return Difference(where=where, key=key, effect="restarts all", told=told)


def _applications(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {one.get("name", "default"): one for one in config.get("applications") or []}


def _blocks(application: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {one["name"]: one for one in application.get("deployments") or []}
