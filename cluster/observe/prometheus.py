"""Prometheus beside `make serve`, where it is installed (`apt-get install prometheus`).

    Ray --> prom_metrics_service_discovery.json --> Prometheus --> rules.yml, dashboards
    spot watcher, if one runs: 127.0.0.1:9465 ------'

It listens on this machine only and keeps what it scraped in the state folder.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from cluster.observe.written import HERE

SCRAPE_S = 5
_STOP_S = 10
_KEPT = "15d"
_SPOT = "127.0.0.1:9465"
_OPTIONAL = {"optional": "yes"}


class NoPrometheusError(RuntimeError):
    """Prometheus is not installed; the message says how it is."""


def config(ray_folder: Path) -> str:
    """Gives the configuration of Prometheus for a Ray cluster of this machine.

    Args:
        ray_folder: the cluster's RAY_TMPDIR.
    """
    found = ray_folder / "ray" / "session_latest" / "prom_metrics_service_discovery.json"
    scrapes = [
        {"job_name": "ray", "file_sd_configs": [{"files": [str(found)], "refresh_interval": "5s"}]},
        # Most machines have no watcher: that it is silent is no alert (RagfleetNotScraped).
        {"job_name": "spot", "static_configs": [{"targets": [_SPOT], "labels": _OPTIONAL}]},
    ]
    every = f"{SCRAPE_S}s"
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": [str(HERE / "rules.yml")],
            "scrape_configs": scrapes,
        },
        sort_keys=False,
    )


@contextlib.contextmanager
def running(ray_folder: Path, state: Path, port: int) -> Iterator[str]:
    """Runs Prometheus as long as the block; gives its address.

    Raises:
        NoPrometheusError: it is not installed.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise NoPrometheusError("prometheus is not installed: apt-get install prometheus")
    folder = state / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(config(ray_folder))
    command = [
        program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder}/data",
        f"--storage.tsdb.retention.time={_KEPT}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
