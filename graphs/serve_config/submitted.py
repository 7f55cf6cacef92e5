"""What Serve was handed when it runs the builder, checked before any deployment is made.

The builder runs in a task of Serve's controller and gets the application's `args` alone. Here the
rest is found again:

    controller --> the application's config as Serve keeps it: every block, whoever sent it
    job table  --> `serve run copy.yaml` as a driver on this machine --> copy.yaml: the lines, and
                   the keys that Serve has dropped

The file counts only while it says what the controller was sent. Where nothing is found, the
application starts, and every deployment checks its own block.
"""

import logging
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import ray
from pydantic import ValidationError
from ray import serve
from ray._private import ray_constants
from ray._private.authentication.authentication_utils import is_token_auth_enabled
from ray._private.state import jobs
from ray.exceptions import RayError
from ray.experimental.internal_kv import _internal_kv_get as internal_kv_get
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_LOGGER_NAME, SERVE_NAMESPACE
from ray.serve.config import ProxyLocation
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ServeApplicationSchema

from deployments.user_config import ConfigFault
from graphs.errors import ConfigError
from graphs.serve_config.blocks import is_own_builder
from graphs.serve_config.checks import faults_in, has_haproxy, is_loopback, open_host_faults
from graphs.serve_config.config_file import ConfigFile, parse_config_file
from graphs.serve_config.reader import read_text

logger = logging.getLogger(SERVE_LOGGER_NAME)  # the one whose lines reach the driver's terminal

_BUILD_TASK = "build_serve_application"
_CONTROLLER_S, _DASHBOARD_S = 10.0, 5.0
_EVERYWHERE = "0.0.0.0"
_NOWHERE = "127.0.0.1"  # Serve has no HTTP proxy
_FORWARDING_S = 2.0  # Ray's log monitor reads the lines of a worker several times a second
_MAX_BYTES = 2**20  # of a config; the interpreter stands on the command line, too
# What decides whether a file is the one that was sent; Serve adds its logging to the rest.
_COMPARED = ("import_path", "args", "deployments")


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A process on this machine that named the file, such as `serve run`.

    Attributes:
        pid: its number.
        job_id: Ray's, in hexadecimal.
        file: what it named, as it stands there.
    """

    pid: int
    job_id: str
    file: ConfigFile


def refuse_wrong_submission() -> None:
    """Checks what Serve was handed; does nothing outside of Serve's task for the builder.

    A `serve run` that has started Serve for this file, and now would wait for ever over nothing, is
    ended with a status that is not 0.

    Raises:
        RayServeException: it has faults; the message tells all. Serve shows it as that of the
            application, and does not try again as after other exceptions.
    """
    if not ray.is_initialized() or not _is_build_task():
        return
    for sent in _sent_applications():
        driver = next(_drivers(sent), None)
        unknown = {"applications": [sent], "http_options": {"host": _host()}}
        file = driver.file if driver else ConfigFile(name="", value=unknown)
        try:
            file.refuse(faults_in(file))
            host = _host()
            listening = {"http_options": {"host": host}}
            file.refuse([*open_host_faults(listening, [sent]), *_open_ray_faults(host)])
        except ConfigError as err:
            logger.error("The Serve config is refused:\n%s", err)
            if driver and _is_of_no_use(driver):
                time.sleep(_FORWARDING_S)
                os.kill(driver.pid, signal.SIGTERM)
            raise RayServeException(f"the Serve config is refused:\n{err}") from err


def _is_build_task() -> bool:
    name = ray.get_runtime_context().get_task_function_name()
    return name is not None and name.endswith(_BUILD_TASK)


def _sent_applications() -> list[Mapping[str, Any]]:
    """The configs, as Serve keeps them, of the applications that the builder makes."""
    try:
        controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
        kept = ray.get(controller.get_app_configs.remote(), timeout=_CONTROLLER_S)
    except (ValueError, AttributeError, RayError) as err:  # ValueError: there is no controller
        logger.warning("the Serve config is not checked as a whole: %s", err)
        return []
    return [_as_sent(config) for config in kept.values() if is_own_builder(config.import_path)]


def _host() -> str:
    """Where Serve listens, which is settled when it starts: a later file does not change it."""
    if has_haproxy():
        return _EVERYWHERE
    try:
        controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
        asked = [controller.get_http_config.remote(), controller.get_proxy_location.remote()]
        options, location = ray.get(asked, timeout=_CONTROLLER_S)
    except (ValueError, AttributeError, RayError) as err:
        logger.warning("it is not known where Serve listens: %s", err)
        return _EVERYWHERE
    if location == ProxyLocation.Disabled:
        return _NOWHERE
    return str(options.host or _NOWHERE)


def _open_ray_faults(host: str) -> Iterator[ConfigFault]:
    """Ray's dashboard, jobs and clients run code of whoever reaches them, unless it wants a token.

    On a machine of one's own, for which alone it serves, that may be.
    """
    if not is_loopback(host):
        reached = f"other machines reach {host!r}"
    elif (num_nodes := _num_nodes()) > 1:
        reached = f"the cluster has {num_nodes} nodes"
    else:
        return
    # The mode is that of this task; the dashboard is asked, since it may be another there.
    if not is_token_auth_enabled() or _answers_without_token(_dashboard_url()):
        message = (
            f"{reached}, and Ray would run code of whoever asks its dashboard "
            "or its jobs: start every Ray process with RAY_AUTH_MODE=token (docs/SECURITY.md)"
        )
        yield ConfigFault(where=("http_options", "host"), message=message)


def _num_nodes() -> int:
    return sum(node["Alive"] for node in ray.nodes())


def _dashboard_url() -> str | None:
    """Where the cluster has its dashboard; None: it has none."""
    address = internal_kv_get(
        ray_constants.DASHBOARD_ADDRESS, namespace=ray_constants.KV_NAMESPACE_DASHBOARD
    )
    return f"http://{address.decode()}" if address else None


def _answers_without_token(dashboard_url: str | None) -> bool:
    """Whether Ray's jobs are told to somebody who brings nothing."""
    if dashboard_url is None:
        return False
    try:
        return httpx.get(f"{dashboard_url}/api/jobs/", timeout=_DASHBOARD_S).is_success
    except httpx.HTTPError as err:
        logger.warning("it is not known whether Ray's dashboard wants a token: %r", err)
        return False


def _as_sent(config: ServeApplicationSchema) -> dict[str, Any]:
    sent: dict[str, Any] = config.model_dump(mode="json", exclude_unset=True)
    return sent


def _drivers(sent: Mapping[str, Any]) -> Iterator[Driver]:
    """The live drivers of this machine with a file on their command line that says the same."""
    here = ray.util.get_node_ip_address()
    for job in jobs():
        if job["IsDead"] or job["DriverIPAddress"] != here:
            continue
        for name, path in _named_files(job["DriverPid"]).items():
            file = _same(name, path, sent)
            if file is not None:
                yield Driver(pid=job["DriverPid"], job_id=job["JobID"], file=file)


def _named_files(pid: int) -> dict[str, Path]:
    """The files on the command line of a process, by what is written there; none if it is gone."""
    process = Path("/proc", str(pid))
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        folder = (process / "cwd").readlink()
    except OSError:  # or another user's, or this is no Linux
        return {}
    return {word: folder / word for word in words if _may_be_config(folder / word)}


def _may_be_config(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size <= _MAX_BYTES
    except OSError:  # a word that is no path, such as a whole script after `-c`
        return False


def _same(name: str, path: Path, sent: Mapping[str, Any]) -> ConfigFile | None:
    """The file, if it holds the application as it was sent."""
    try:
        file = parse_config_file(read_text(path), name)
        for application in file.value["applications"]:
            given = _as_sent(ServeApplicationSchema.model_validate(application))
            if all(given.get(key) == sent.get(key) for key in _COMPARED):
                return file
    except (ConfigError, ValidationError, KeyError, TypeError):
        return None
    return None


def _is_of_no_use(driver: Driver) -> bool:
    """Whether the driver started Serve, and Serve has nothing else to run.

    A driver of a Serve at work is never ended: its replicas would end with its Ray cluster.
    """
    applications = serve.status().applications.values()
    is_own = driver.job_id == ray.get_runtime_context().get_job_id()
    return is_own and not any(one.deployments for one in applications)
