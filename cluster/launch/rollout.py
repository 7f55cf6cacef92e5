"""Waits until a RayService serves its newest spec: `python -m cluster.launch.rollout NAME`.

`kubectl wait --for=condition=Ready` does not tell: KubeRay leaves Ready true for the cluster before
while a new one starts or the new Serve config is taken over. Exit status: 0 every application
runs, 1 one of them failed or the time is over; then its reason is printed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from rich.console import Console

# KubeRay writes the statuses that it read before it hands a new Serve config over, and reads
# them again 2 s later: what is told of a new spec counts when it is told for longer than that.
_TIMES = 3
_FAILED = {"DEPLOY_FAILED", "UNHEALTHY"}
# Reasons of Ready after which KubeRay does nothing more.
_REFUSED = {"ValidationFailed", "InitializingTimeout"}


class Progress(NamedTuple):
    """How far a RayService is, and why."""

    state: Literal["waiting", "running", "failed"]
    why: str


def progress(service: Mapping[str, Any]) -> Progress:
    """Tells how far KubeRay is with the newest spec.

    Args:
        service: the RayService as Kubernetes has it.
    """
    status = service.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    ready = conditions.get("Ready", {})
    if ready.get("reason") in _REFUSED:
        return Progress("failed", f"{ready['reason']}: {ready.get('message', '')}")
    wanted, seen = service["metadata"]["generation"], status.get("observedGeneration", 0)
    if seen < wanted:
        return Progress("waiting", f"KubeRay has seen generation {seen} of {wanted}")
    active, pending = (
        status.get(key, {}).get("applicationStatuses") or {}
        for key in ("activeServiceStatus", "pendingServiceStatus")
    )
    for name, one in [*active.items(), *pending.items()]:
        if one.get("status") in _FAILED:
            told = f"application {name!r} is {one['status']}: {one.get('message', '')}"
            return Progress("failed", told)
    upgrade = conditions.get("UpgradeInProgress", {}).get("status")
    statuses = {name: one.get("status") for name, one in active.items()}
    if upgrade != "False":
        why = "a new Ray cluster is starting beside the active one"
    elif set(statuses.values()) != {"RUNNING"}:
        why = f"not every application runs: {statuses or 'there is none yet'}"
    elif ready.get("status") != "True":
        why = f"not ready: {ready.get('message', '')}"
    else:
        return Progress("running", f"running: {', '.join(active)}")
    return Progress("waiting", why)


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks kubectl until the newest spec is served, has failed, or the time is over."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.launch.rollout", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("name", help="of the RayService")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--timeout-s", type=float, default=1800.0)
    parser.add_argument("--every-s", type=float, default=5.0, help="between two looks")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    end = time.monotonic() + options.timeout_s
    last, times = Progress("waiting", ""), 0
    while time.monotonic() < end:
        now = _look(options.name, options.namespace)
        if now != last:
            console.print(f"{now.state}: {now.why}")
        times = times + 1 if now.state == last.state else 1
        last = now
        if now.state != "waiting" and times >= _TIMES:
            return 0 if now.state == "running" else 1
        time.sleep(options.every_s)
    console.print(f"not served after {options.timeout_s:g} s: {last.why}", style="red")
    return 1


def _look(name: str, namespace: str) -> Progress:
    command = ["kubectl", "--namespace", namespace, "get", f"rayservice/{name}", "--output=json"]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    if told.returncode:  # the API may be away for a moment
        return Progress("waiting", told.stderr.strip())
    return progress(json.loads(told.stdout))


if __name__ == "__main__":
    sys.exit(main())
