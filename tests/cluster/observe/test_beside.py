"""Prometheus beside `make serve`: `OBSERVE=1` starts it over the cluster, and it ends with it."""

import io
import json
import shutil
import time

import httpx
import prometheus_client
import pytest
from rich.console import Console

from cluster import local
from cluster.local import HANDBOOK, StartError, prometheus_beside
from cluster.ports import free_port
from tests.ray_environment import ROOT

FOUND = "ray/session_latest/prom_metrics_service_discovery.json"


@pytest.fixture
def ray_folder(tmp_path):
    """The folder of a cluster that tells Prometheus of one node, which has answered 7 times."""
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Gauge("ray_answers", "Answers.", registry=registry).set(7)
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry)
    path = tmp_path / "cluster" / FOUND
    path.parent.mkdir(parents=True)
    target = f"127.0.0.1:{server.server_port}"
    path.write_text(json.dumps([{"labels": {"job": "ray"}, "targets": [target]}]))
    yield tmp_path / "cluster"
    server.shutdown()
    server.server_close()
    thread.join()


def scraped(address):
    """What Prometheus has of the node, waited for."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            reply = httpx.get(f"{address}/api/v1/query", params={"query": "ray_answers"})
            # 503 while it starts.
            if reply.is_success and (found := reply.json()["data"]["result"]):
                return found[0]["value"][1]
        except httpx.TransportError:
            pass  # it starts
        time.sleep(0.5)
    pytest.fail("nothing was scraped")


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="apt-get install prometheus")
def test_it_scrapes_the_cluster_knows_the_alerts_and_ends_with_it(
    monkeypatch, tmp_path, ray_folder
):
    monkeypatch.setenv("RAGFLEET_STATE", str(tmp_path / "state"))
    console = Console(record=True, file=io.StringIO(), width=200)
    with prometheus_beside(console)(ray_folder):
        told = console.export_text()
        address = told.split()[2]
        assert told.startswith("Prometheus at http://127.0.0.1:")
        assert scraped(address) == "7"
        (group,) = httpx.get(f"{address}/api/v1/rules").json()["data"]["groups"]
        assert "RagfleetDown" in {rule["name"] for rule in group["rules"]}
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)
    assert (tmp_path / "state" / "prometheus" / "data").is_dir()  # kept for the next start


@pytest.mark.parametrize("observe", ["1", "0", None])
def test_it_is_started_where_it_is_asked_for(monkeypatch, tmp_path, observe):
    asked = []

    def refuse(config, log, environment, *, beside):
        asked.append(beside is not None)
        raise StartError("not in this test")

    monkeypatch.setattr(local, "serving", refuse)
    monkeypatch.setenv("RAGFLEET_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("OBSERVE", raising=False)
    if observe:
        monkeypatch.setenv("OBSERVE", observe)
    config = tmp_path / "local.yaml"
    config.write_text((ROOT / "local.yaml").read_text().replace("8000", str(free_port())))
    with pytest.raises(StartError, match="not in this test"):
        local.run(config, HANDBOOK, "handbook", Console(file=io.StringIO()))
    assert asked == [observe == "1"]
