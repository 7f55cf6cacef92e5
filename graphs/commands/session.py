"""The Ray cluster that a bulk load runs on: one that is there, or one of its own."""

import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray


class SessionError(RuntimeError):
    """The cluster cannot be reached, or has no room."""


@contextmanager
def ray_session(
    address: str | None, *, num_cpus: int | None, runtime_env: Mapping[str, Any]
) -> Iterator[None]:
    """Connects to the cluster at the address; without one, starts one here and ends it after.

    Args:
        address: host:port of the head; this machine must be a node of the cluster.
        num_cpus: of a cluster of its own; None: all of this machine.
        runtime_env: for the workers.

    Raises:
        SessionError: nobody answers at the address, or not to us.
    """
    options: dict[str, Any] = {
        "runtime_env": dict(runtime_env),
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what concerns a user is raised
    with ExitStack() as at_end:
        if address is None:
            at_end.enter_context(_own_folder(options))
            what = "no Ray cluster could be started here"
            options |= {"address": "local", "num_cpus": num_cpus, "include_dashboard": False}
        else:
            what = (
                f"no Ray cluster at RAY_ADDRESS={address} (are RAY_AUTH_MODE and its token those "
                "of the cluster?)"
            )
            options |= {"address": _checked(address)}
        at_end.callback(ray.shutdown)
        try:
            ray.init(**options)
        except Exception as err:  # Ray raises many kinds, plain Exception among them
            reason = (str(err).strip().splitlines() or [repr(err)])[0]
            raise SessionError(f"{what}: {reason}") from err
        yield


def _checked(address: str) -> str:
    if "://" in address:
        raise SessionError(
            f"RAY_ADDRESS={address}: files are read on this machine, which must be a node of the "
            "cluster; give the head's host:port"
        )
    return address


@contextmanager
def _own_folder(options: dict[str, Any]) -> Iterator[None]:
    """Keeps what a cluster of its own writes, and its token, in a folder that goes with it."""
    # Short, since the paths of Ray's sockets must stay below 108 characters (unix(7)).
    folder = Path(tempfile.mkdtemp(prefix="rf-", dir=os.environ.get("RAY_TMPDIR")))
    options["_temp_dir"] = str(folder)
    # Ray turns tokens on for a cluster that it starts, and would leave one in the home folder.
    has_token = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)
    if not has_token:
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(_token_file(folder))
    try:
        yield
    finally:
        if not has_token:
            del os.environ["RAY_AUTH_TOKEN_PATH"]
        shutil.rmtree(folder, ignore_errors=True)


def _token_file(folder: Path) -> Path:
    path = folder / "auth_token"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    return path
