"""All that is wrong with a Serve config, each fault with its place in the file."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any

from ray.serve._private.utils import validate_route_prefix
from ray.serve.config import ProxyLocation, RequestRouterConfig
from ray.serve.schema import HTTPOptionsSchema, ServeDeploySchema

from deployments.prefix_router import Bounds
from deployments.user_config import ConfigFault, Place, faults_of, parse_config, shown
from graphs.config import AppArgs
from graphs.serve_config.blocks import (
    BUILDER,
    Blocks,
    blocks_of,
    expected_blocks,
    needs_settings,
    settings_faults,
)
from graphs.serve_config.config_file import ConfigFile
from graphs.serve_config.contradictions import (
    contradictions,
    language_faults,
    speculation_faults,
)
from graphs.serve_config.generator_choice import choice_faults
from graphs.serve_config.gpus import gpu_faults
from graphs.serve_config.imported import PREFIX_ROUTER, same_path
from graphs.serve_config.instance import instance_faults, request_timeout_faults
from graphs.serve_config.model_sizes import SizesOf, known_here, size_faults
from graphs.serve_config.places import place_faults
from graphs.serve_config.resources import resource_faults
from graphs.serve_config.runtime_env import runtime_env_faults
from graphs.serve_config.scaling import (
    application_policy_faults,
    scaling_faults,
    unwarned,
    without_policies,
)
from graphs.serve_config.times import time_faults

_OLD_OPTIONS = ("host", "port")


def faults_in(file: ConfigFile, sizes_of: SizesOf = known_here) -> list[ConfigFault]:
    """Finds every fault; other applications in the file are checked as far as Serve knows them.

    Args:
        file: the config.
        sizes_of: what is known of models; by default, of those whose files lie here.
    """
    value = file.value
    if not isinstance(value, Mapping):
        return [ConfigFault(where=(), message=f"must be a mapping, got {shown(value)}")]
    routers = [*_router_faults(value)]  # which end the check of Serve's schema
    with unwarned():
        of_schema = routers or faults_of(ServeDeploySchema, _told_by_schema(value))
    faults = [*file.repeated_keys(), *of_schema, *_old_option_faults(value)]
    faults += _route_faults(value)
    own = own_applications(value)
    is_alone = len(own) == len(list(_applications(value)))
    faults += instance_faults(value, is_alone=is_alone, has_haproxy=has_haproxy())
    faults += open_host_faults(value, [value["applications"][index] for index in own])
    if len(own) != 1:
        faults.append(_no_one_application(value, len(own)))
    for index, blocks in own.items():
        place = ("applications", index)
        application = value["applications"][index]
        found = _application_faults(application, blocks, sizes_of)
        faults += [fault.under(place) for fault in found]
        faults += request_timeout_faults(value, gateway_settings(application))
    return faults


def _told_by_schema(value: Mapping[str, Any]) -> object:
    """The config without what Serve's schema would import, or tells with no place."""
    bare: Any = without_policies(value)
    applications = bare.get("applications")
    if not isinstance(applications, list):
        return bare
    kept = [
        {key: one for key, one in application.items() if key not in _OLD_OPTIONS}
        if isinstance(application, Mapping)
        else application
        for application in applications
    ]
    return {**bare, "applications": kept}


def _old_option_faults(value: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Finds what an application had before one Serve ran several."""
    for index, application in _applications(value):
        for key in _OLD_OPTIONS:
            if key in application:
                message = f"{key} stands in http_options, no application has its own"
                yield ConfigFault(where=("applications", index), key=key, message=message)


def open_host_faults(
    value: Mapping[str, Any], applications: Sequence[Mapping[str, Any]]
) -> Iterator[ConfigFault]:
    """A server that other machines reach must ask for keys."""
    if value.get("proxy_location") == ProxyLocation.Disabled and not has_haproxy():
        return  # nothing listens
    options = value.get("http_options")
    given = options.get("host") if isinstance(options, Mapping) else None
    host = given if isinstance(given, str) else HTTPOptionsSchema().host
    if is_loopback(host) or all(map(_asks_for_keys, applications)):
        return
    where: Place = ("http_options", "host") if given else ("http_options",) if options else ()
    message = f"host {host!r} can be reached by other machines: it must be 127.0.0.1"
    yield ConfigFault(
        where=where,
        message=f"{message}, or the Gateway's user_config must say `auth: {{keys: true}}`",
    )


def has_haproxy() -> bool:
    """Whether Ray's HAProxy is on, which listens everywhere, whatever a file says."""
    return os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def gateway_settings(application: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `user_config` of the Gateway, as far as it is one."""
    blocks = application.get("deployments")
    gateway = next(
        (
            block
            for block in (blocks if isinstance(blocks, list) else ())
            if isinstance(block, Mapping) and block.get("name") == "Gateway"
        ),
        {},
    )
    settings = gateway.get("user_config")
    return settings if isinstance(settings, Mapping) else {}


def _asks_for_keys(application: Mapping[str, Any]) -> bool:
    auth = gateway_settings(application).get("auth")
    return isinstance(auth, Mapping) and auth.get("keys") is True


def _route_faults(value: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Serve has a rule for routes, but asks it only when the application is made."""
    for index, application in _applications(value):
        route = application.get("route_prefix")
        try:
            validate_route_prefix(route if isinstance(route, str) else None)
        except ValueError as err:
            yield ConfigFault(where=("applications", index), key="route_prefix", message=str(err))


def _router_faults(value: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Finds routers that cannot be imported: the errors of that pass through Serve's schema."""
    for index, application in _applications(value):
        blocks = application.get("deployments")
        for number, block in enumerate(blocks if isinstance(blocks, list) else ()):
            router = block.get("request_router_config") if isinstance(block, Mapping) else None
            where = ("applications", index, "deployments", number, "request_router_config")
            try:
                faults_of(RequestRouterConfig, router)
            except (ImportError, AttributeError, TypeError) as err:
                message = f"no router can be imported from {shown(router)}: {err}"
                yield ConfigFault(where=where, key="request_router_class", message=message)
            if isinstance(router, Mapping) and _is_ours(router.get("request_router_class")):
                kwargs = router.get("request_router_kwargs", {})  # Serve calls it with them, later
                below = (*where, "request_router_kwargs")
                yield from (fault.under(below) for fault in faults_of(Bounds, kwargs))


def _is_ours(router: object) -> bool:
    return isinstance(router, str) and same_path(router) == same_path(PREFIX_ROUTER)


def _no_one_application(value: Mapping[str, Any], number: int) -> ConfigFault:
    """Tells that there is not one application of ours, and which one may be meant to be."""
    for index, application in _applications(value):
        written = str(application.get("import_path"))
        if number == 0 and get_close_matches(written, [BUILDER]):
            place = ("applications", index, "import_path")
            message = f"no builder of this application, got {written!r}; did you mean {BUILDER!r}?"
            return ConfigFault(where=place, message=message)
    message = f"must hold one application of {BUILDER}, got {number}"
    return ConfigFault(where=("applications",), message=message)


def _applications(value: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    applications = value.get("applications")
    for index, application in enumerate(applications if isinstance(applications, list) else ()):
        if isinstance(application, Mapping):
            yield index, application


def own_applications(value: Mapping[str, Any]) -> dict[int, Blocks]:
    """The applications whose blocks are known, by their place in the list."""
    found = {
        index: blocks_of(str(application.get("import_path", "")))
        for index, application in _applications(value)
    }
    return {index: blocks for index, blocks in found.items() if blocks is not None}


def own_application(value: Mapping[str, Any]) -> tuple[int, Blocks]:
    """The one application whose blocks are known, in a config without faults."""
    (found,) = own_applications(value).items()
    return found


def _application_faults(
    application: Mapping[str, Any], blocks: Blocks, sizes_of: SizesOf
) -> Iterator[ConfigFault]:
    if "route_prefix" in application and application["route_prefix"] is None:
        message = "must be a path such as '/', got null: HTTP would reach nothing"
        yield ConfigFault(where=("route_prefix",), message=message)
    yield from application_policy_faults(application)
    env = runtime_env_faults(application.get("runtime_env"))
    yield from (fault.under(("runtime_env",)) for fault in env)
    given = application.get("args") or {}
    faults = faults_of(AppArgs, given)
    yield from (fault.under(("args",)) for fault in faults)
    # With wrong `args` it is not known which shards there are; all else is checked nevertheless.
    args = AppArgs() if faults else parse_config(AppArgs, given)
    expected = expected_blocks(blocks, args)
    deployments = application.get("deployments", [])
    if not isinstance(deployments, list):
        return  # Serve's own check has told that
    named = [
        ((("deployments", index), str(block.get("name"))), block)
        for index, block in enumerate(deployments)
        if isinstance(block, Mapping)
    ]
    if not faults:
        yield from _wrong_names([label for label, _ in named], expected)
    yield from choice_faults(named, args)
    yield from language_faults(named)
    yield from speculation_faults(named)
    yield from size_faults(named, expected, sizes_of)
    for (place, name), block in named:
        yield from (fault.under(place) for fault in _block_faults(name, block, expected, args))


def _wrong_names(named: list[tuple[Place, str]], expected: Blocks) -> Iterator[ConfigFault]:
    counts = Counter(name for _, name in named)
    for place, name in named:
        if name not in expected:
            near = get_close_matches(name, sorted(set(expected) - set(counts)), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(expected)}"
            yield ConfigFault(where=place, message=f"no deployment of the application; {hint}")
        elif counts[name] > 1:
            yield ConfigFault(where=place, message=f"{counts[name]} blocks have this name")
    for name in expected:
        if name not in counts:
            yield ConfigFault(where=("deployments",), message=f"missing block {name!r}")


def _block_faults(
    name: str, block: Mapping[str, Any], expected: Blocks, args: AppArgs
) -> Iterator[ConfigFault]:
    yield from scaling_faults(expected.get(name), block)
    if name not in expected:
        return
    for found in (place_faults, resource_faults, time_faults):
        yield from found(block)
    options = block.get("ray_actor_options")
    env = options.get("runtime_env") if isinstance(options, Mapping) else None
    under = ("ray_actor_options", "runtime_env")
    yield from (fault.under(under) for fault in runtime_env_faults(env))
    user_config = block.get("user_config")
    if isinstance(user_config, Mapping):
        faults = settings_faults(expected[name], user_config)
        yield from (fault.under(("user_config",)) for fault in faults)
        yield from gpu_faults(expected[name], block, user_config)
        yield from contradictions(expected[name], block, user_config)
    elif user_config is None and needs_settings(name, args):
        yield _no_settings(expected[name], is_null="user_config" in block)


def _no_settings(kind: type[Any], *, is_null: bool) -> ConfigFault:
    what = "user_config must be a mapping, got null" if is_null else "missing key 'user_config'"
    needed = "; ".join(fault.message for fault in settings_faults(kind, {}))
    hint = f"in it, {needed}" if needed else "{} stands for the defaults"
    return ConfigFault(where=(), key="user_config", message=f"{what}; {hint}")
