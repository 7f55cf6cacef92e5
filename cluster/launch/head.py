"""`python -m cluster.launch.head OPTION...`: `ray start --head` that shows no password of Redis.

`ray start` takes it as an option and hands it on as an option of the GCS and of every worker
(ray/_private/services.py), which `ps` and /proc show to all users of the machine. Here it comes by
RAY_REDIS_PASSWORD; the GCS reads it from its own environment, and workers, which ask the GCS alone,
are started without it. For that, functions that Ray keeps private are replaced in this process.

Errors:
    UnsupportedRayError (RuntimeError): a new Ray has changed them, so the password could show
"""

import inspect
import os
import sys
from collections.abc import Sequence
from typing import Any

from ray._private import ray_constants, services
from ray.scripts.scripts import cli

PASSWORD = "RAY_REDIS_PASSWORD"  # the name of the variable
# gflags, which the GCS is built with, reads a flag from the variable FLAGS_<flag>.
_FROM_ENVIRONMENT = "--fromenv=redis_password"
_FLAG = "FLAGS_redis_password"
_NEEDED = {
    "start_gcs_server": "redis_password",
    "start_raylet": "redis_password",
    "start_ray_process": "env_updates",
}


class UnsupportedRayError(RuntimeError):
    """The installed Ray lacks what hiding the password needs."""

    code = "unsupported_ray"


def main(arguments: Sequence[str]) -> None:
    """Starts the head with these options of `ray start`; ends the process as that does."""
    if password := os.environ.get(PASSWORD):
        hide(password)
        arguments = (f"--redis-password={password}", *arguments)
    # Called, not executed: what is handed over here stands in no process list.
    cli(["start", "--head", *arguments], prog_name="ray")


def hide(password: str) -> None:
    """Lets Ray start its processes without the password among their arguments.

    Raises:
        UnsupportedRayError: they would be started in another way.
    """
    for name, parameter in _NEEDED.items():
        if parameter not in inspect.signature(getattr(services, name, main)).parameters:
            msg = f"ray._private.services.{name} has no {parameter}: the password would show"
            raise UnsupportedRayError(msg)
    start = services.start_ray_process

    def start_process(command: list[str], process_type: str, *args: Any, **options: Any) -> Any:
        if process_type == ray_constants.PROCESS_TYPE_GCS_SERVER:
            command = [*command, _FROM_ENVIRONMENT]
            options["env_updates"] = {**(options.get("env_updates") or {}), _FLAG: password}
        return start(command, process_type, *args, **options)

    services.start_ray_process = start_process
    for name in ("start_gcs_server", "start_raylet"):
        setattr(services, name, _without_password(getattr(services, name)))


def _without_password(start: Any) -> Any:
    def started(*args: Any, **options: Any) -> Any:
        return start(*args, **{**options, "redis_password": None})

    return started


if __name__ == "__main__":
    main(sys.argv[1:])
