"""What is wrong with the options of the whole Serve instance, but for who may reach it.

Serve takes each of them, and nothing, or less than was meant, would run.
"""

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from ray._common.utils import import_attr
from ray.serve.config import ProxyLocation

from deployments.user_config import ConfigFault
from graphs.config import TimeoutSettings

_WHOLE_PERCENT = 100
_MAX_PORT = 2**16 - 1


def instance_faults(
    value: Mapping[str, Any], *, is_alone: bool, has_haproxy: bool
) -> Iterator[ConfigFault]:
    """Finds a Serve that nobody reaches, that has fewer replicas than its blocks say, and the like.

    Args:
        value: the config.
        is_alone: whether no other application stands in it, which might serve gRPC.
        has_haproxy: whether Ray's HAProxy listens in the place of Serve's proxies.
    """
    if value.get("proxy_location") == ProxyLocation.Disabled and not has_haproxy:
        message = "must be HeadOnly or EveryNode, got 'Disabled': nothing would listen"
        yield ConfigFault(where=("proxy_location",), message=message)
    if is_alone and value.get("grpc_options") is not None:
        message = "grpc_options: nothing here serves gRPC, HTTP has all of it: leave them out"
        yield ConfigFault(where=(), key="grpc_options", message=message)
    capacity = value.get("target_capacity")
    if (
        isinstance(capacity, int | float)
        and not isinstance(capacity, bool)
        and capacity < _WHOLE_PERCENT
    ):
        message = f"target_capacity is in percent and must be 100, got {capacity:g}: each block "
        message += "would get so much of its replicas; leave it out"
        yield ConfigFault(where=(), key="target_capacity", message=message)
    yield from _port_faults(value.get("http_options"))
    yield from _ssl_faults(value.get("http_options"))
    yield from _exporter_faults(value.get("tracing_config"))


def request_timeout_faults(
    value: Mapping[str, Any], gateway: Mapping[str, Any]
) -> Iterator[ConfigFault]:
    """Finds a limit of Serve that ends requests on which the Gateway still waits.

    Args:
        value: the config.
        gateway: the `user_config` of its Gateway.
    """
    options = value.get("http_options")
    limit = options.get("request_timeout_s") if isinstance(options, Mapping) else None
    given = gateway.get("timeouts")
    timeouts = given if isinstance(given, Mapping) else {}
    known = {name: field.default for name, field in TimeoutSettings.model_fields.items()}
    waits = [timeouts.get(name, known[name]) for name in ("slot_s", "first_token_s")]
    if not isinstance(limit, int | float) or not all(isinstance(one, int | float) for one in waits):
        return
    if 0 <= limit <= sum(waits):
        message = "request_timeout_s must be above slot_s and first_token_s of the Gateway "
        message += f"({sum(waits):g}), got {limit:g}: Serve would break off what those still wait "
        message += "for; leave it out"
        yield ConfigFault(where=("http_options",), key="request_timeout_s", message=message)


def _port_faults(options: object) -> Iterator[ConfigFault]:
    """Serve's schema takes any whole number there; its proxy fails with it."""
    port = options.get("port") if isinstance(options, Mapping) else None
    if isinstance(port, int) and not 1 <= port <= _MAX_PORT:
        message = f"must be in 1..{_MAX_PORT}, got {port}"
        yield ConfigFault(where=("http_options", "port"), message=message)


def _ssl_faults(options: object) -> Iterator[ConfigFault]:
    """Serve asks for both files only where the certificate is named, and else speaks HTTP."""
    if not isinstance(options, Mapping) or options.get("ssl_certfile"):
        return
    for key in ("ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs"):
        if options.get(key):
            message = f"{key} needs ssl_certfile and ssl_keyfile: Serve would speak plain HTTP"
            yield ConfigFault(where=("http_options",), key=key, message=message)


def _exporter_faults(tracing: object) -> Iterator[ConfigFault]:
    """Every replica imports it as it starts; a package that only the nodes have is left alone."""
    path = tracing.get("exporter_import_path") if isinstance(tracing, Mapping) else None
    if not isinstance(path, str) or not path:
        return
    if re.match(r"\w+[.:]", path) and find_spec(re.split(r"[.:]", path)[0]) is None:
        return
    try:
        import_attr(path)
    except (ImportError, AttributeError, ValueError) as err:
        message = f"no exporter can be imported from {path!r}: {err}"
        where = ("tracing_config",)
        yield ConfigFault(where=where, key="exporter_import_path", message=message)
