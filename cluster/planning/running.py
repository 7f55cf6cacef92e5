"""What runs: the Serve config of an application, or one from a file, and the nodes of a cluster."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray._private.services import canonicalize_bootstrap_address
from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

from graphs.errors import ConfigError
from graphs.serve_config.config_file import parse_config_file
from graphs.serve_config.differences import as_config
from graphs.serve_config.reader import read_text

_ANSWER_S = 3.0
_CLIENT = "ray://"
# What a client of HTTP/2 says first (RFC 9113, 3.4), and the kind of frame that a server answers.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_BYTES, _KIND, _SETTINGS = 9, 3, 4


def running_config(source: str) -> Mapping[str, Any]:
    """Gives a config in the form of the YAML.

    Args:
        source: the URL of a Ray dashboard, or a file.

    Raises:
        ConfigError: nothing answers there, or there is no such file.
    """
    if not source.startswith(("http://", "https://")):
        value: Any = parse_config_file(read_text(Path(source)), source).value
        if not isinstance(value, Mapping):
            raise ConfigError(f"{source}: must be a mapping, got {value!r}")
        return value
    try:
        details = ServeSubmissionClient(source).get_serve_details()
    except (OSError, RuntimeError) as err:  # errors of requests are OSErrors
        raise ConfigError(f"{source}: no Ray dashboard answers there: {err}") from err
    return as_config(details)


def running_nodes(address: str) -> list[Mapping[str, Any]]:
    """Gives the nodes of a cluster, as `ray.nodes()` tells them.

    Raises:
        ConfigError: there is no cluster; told within seconds, where Ray would try for a minute.
    """
    try:
        _check_answers(address)
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as err:
        raise ConfigError(f"no Ray cluster at {address}: {err}") from err
    try:
        nodes: list[Mapping[str, Any]] = ray.nodes()
        return nodes
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Looks whether something there speaks as Ray does.

    Raises:
        OSError: nothing does.
    """
    known = address.removeprefix(_CLIENT)
    if not address.startswith(_CLIENT):
        known = canonicalize_bootstrap_address(address) or ""
    host, _, port = known.rpartition(":")
    if not host or not port.isdecimal():
        raise OSError("none was started here" if address == "auto" else "must be HOST:PORT")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S) as connection:
        connection.sendall(_GREETING)
        answer = connection.recv(_FRAME_BYTES)
    if len(answer) <= _KIND or answer[_KIND] != _SETTINGS:
        raise OSError("what answers there is no Ray")
