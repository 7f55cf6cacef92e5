"""`python -m cluster.plan`: what it tells of the shipped files, and its exit status."""

import argparse
import json
import socket
import threading
from pathlib import Path

import pytest
import yaml

from cluster.plan import main, rate, seconds

ROOT = Path(__file__).parents[2]
CLUSTER, LOCAL = ROOT / "cluster.yaml", ROOT / "local.yaml"
NODES = ROOT / "cluster" / "launch" / "nodes.yaml"


def run(capsys, *arguments):
    status = main([str(one) for one in arguments])
    return status, capsys.readouterr().out


def as_json(capsys, *arguments):
    status, out = run(capsys, *arguments, "--json")
    return status, json.loads(out)


@pytest.fixture
def nodes(tmp_path):
    """Writes the shipped node types with changes: type -> keys."""

    def write(**changes):
        table = yaml.safe_load(NODES.read_text())
        for name, keys in changes.items():
            table["node_types"][name.replace("_", "-")] |= keys
        path = tmp_path / "nodes.yaml"
        path.write_text(yaml.safe_dump(table))
        return path

    return write


def copied(tmp_path, old, new):
    text = CLUSTER.read_text()
    assert old in text
    path = tmp_path / "copy.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_shipped_cluster_fits_the_shipped_machines(capsys):
    status, found = as_json(capsys, CLUSTER, "--nodes", NODES)
    assert found["faults"] == []
    assert status == 0
    assert all(one["placed"][0] == one["replicas"][0] for one in found["deployments"].values())
    lost = {name: one["losses_survived"] for name, one in found["deployments"].items()}
    assert lost == {  # what the head of cluster.yaml promises
        "Gateway": 0, "Embedder": 1, "Retriever": 1, "Reranker": 1, "SafetyFilter": 1,
        "Generator": 1, "Ingester": 0,
    }  # fmt: skip
    assert found["price_per_hour"] == {"on-demand": pytest.approx(2.4), "spot": pytest.approx(4.8)}


@pytest.mark.parametrize("path", [CLUSTER, LOCAL, ROOT / "chaos" / "simulated" / "simulated.yaml"])
def test_shipped_configs_are_clean(capsys, path):
    status, found = as_json(capsys, path)
    assert (status, found["faults"]) == (0, [])


def test_the_tables_name_every_deployment_and_formula(capsys):
    status, out = run(capsys, CLUSTER, "--nodes", NODES)
    assert status == 0
    for word in ("SafetyFilter", "109 M x 4 B", "apache-2.0", "on-demand", "2.40"):
        assert word in out.replace("110 M", "109 M")


def test_what_the_server_refuses_has_status_1(capsys, tmp_path):
    status, out = run(capsys, copied(tmp_path, "top_k: 8 ", "topk: 8 "))
    assert status == 1
    assert "unknown key 'topk'; did you mean 'top_k'?" in out


def test_a_wrong_argument_is_no_fault_of_the_config(capsys, tmp_path):
    (tmp_path / "bad.yaml").write_text("node_types: {a: {gpu: 1}}")
    (tmp_path / "sizes.yaml").write_text("org/x: {parameter: 1}")
    timed = (CLUSTER, "--latency", "5s", "--rate")
    for arguments in (
        (tmp_path / "none.yaml",),
        (CLUSTER, "--nodes", tmp_path / "bad.yaml"),
        (CLUSTER, "--nodes", tmp_path / "none.yaml"),
        (CLUSTER, "--models", tmp_path / "sizes.yaml"),
        (CLUSTER, "--against", tmp_path / "none.yaml"),
        (*timed, "1/s", "--calibration", tmp_path / "none.json"),
        (*timed, "0", "--calibration", tmp_path / "none.json"),
    ):
        assert run(capsys, *arguments)[0] == 2, arguments
    for arguments in ((*timed, "1/d"), (*timed, "-1"), (CLUSTER, "--latency", "nan"), timed[:3]):
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        assert ended.value.code == 2, arguments


def answer_as_no_ray(server):
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 400 \r\n")


@pytest.mark.timeout(30)  # Ray tries for 40 s
def test_a_cluster_that_is_not_there_is_told_within_seconds(capsys):
    status, out = run(capsys, CLUSTER, "--address", "127.0.0.1:9")
    assert (status, "no Ray cluster at 127.0.0.1:9" in out) == (2, True)
    with socket.create_server(("", 0)) as server:  # Ray takes 127.0.0.1 as this machine's address
        port = server.getsockname()[1]
        answer = threading.Thread(target=answer_as_no_ray, args=[server])
        answer.start()
        status, out = run(capsys, CLUSTER, "--address", f"127.0.0.1:{port}")
        answer.join()
    assert (status, "is no Ray" in out) == (2, True)


# What only the machines tell: the change of the config, that of the machines, what is told.
@pytest.mark.parametrize(
    ("config", "machines", "told"),
    [
        (("num_gpus: 2 ", "num_gpus: 8 "), {}, "the largest node has 4 GPU"),
        (("top_k: 8 ", "top_k: 8 "), {"spot": {"nodes": 0}}, "Generator: 0 of 2 replicas"),
        (("ray.io/market-type: on-demand}  #", "zone: b}  #"), {}, "no node has the labels"),
        (
            ("graceful_shutdown_timeout_s: 10 #", "graceful_shutdown_timeout_s: 45 #"), {},
            "must be below 23, got 45",
        ),
        (("top_k: 8 ", "top_k: 8 "), {"spot": {"gpu_memory_gb": 8.0}}, "its share is 14.4 GB"),
    ],
)  # fmt: skip
def test_what_does_not_run_on_the_machines_has_status_3(
    capsys, tmp_path, nodes, config, machines, told
):
    status, found = as_json(capsys, copied(tmp_path, *config), "--nodes", nodes(**machines))
    assert status == 3
    assert any(told in one and "copy.yaml:" in one for one in found["faults"]), found["faults"]


def test_more_replicas_than_a_node_has_memory_for_have_status_3(capsys, tmp_path):
    nodes = tmp_path / "nodes.yaml"
    laptop = {"cpus": 4, "memory_gb": 2.0}
    nodes.write_text(yaml.safe_dump({"node_types": {"laptop": laptop}}))
    status, found = as_json(capsys, LOCAL, "--nodes", nodes)
    assert status == 3
    assert any("a laptop node of 2 GB may get replicas that take" in one for one in found["faults"])
    nodes.write_text(yaml.safe_dump({"node_types": {"laptop": laptop | {"memory_gb": 8.0}}}))
    assert run(capsys, LOCAL, "--nodes", nodes)[0] == 0


def test_a_longer_notice_allows_a_longer_shutdown(capsys, tmp_path):
    table = yaml.safe_load(NODES.read_text()) | {"notice_s": 120}
    (tmp_path / "nodes.yaml").write_text(yaml.safe_dump(table))
    old = "graceful_shutdown_timeout_s: 10 #"
    path = copied(tmp_path, old, old.replace("10", "45"))
    assert run(capsys, path, "--nodes", tmp_path / "nodes.yaml")[0] == 0


def test_a_nodes_file_with_a_fault_is_told_with_its_line(capsys, tmp_path):
    path = tmp_path / "nodes.yaml"
    path.write_text("node_types:\n  a:\n    cpu: 4\n")
    status, out = run(capsys, CLUSTER, "--nodes", path)
    assert status == 2
    assert "nodes.yaml:3: " in out
    assert "did you mean 'cpus'?" in out


def test_a_latency_that_the_replicas_do_not_reach_has_status_4(capsys, tmp_path):
    calibration = tmp_path / "calibration.json"
    calibration.write_text(
        json.dumps(
            {
                "work_s": {"Embedder": [0.01], "Reranker": [0.1, 0.12]},
                "writing": {
                    "prefill_tokens_per_s": 4000.0,
                    "step_s": 0.02,
                    "step_s_per_answer": 0.0005,
                    "slots": 64,
                },
            }
        )
    )
    asked = ("--latency", "10s", "--calibration", calibration)
    status, found = as_json(capsys, CLUSTER, *asked, "--rate", "1/s")
    assert status == 0
    assert {one["deployment"] for one in found["boundaries"]} == {
        "Embedder", "Reranker", "Generator",
    }  # fmt: skip
    assert run(capsys, CLUSTER, *asked, "--rate", "500/s")[0] == 4
    assert run(capsys, CLUSTER, "--latency", "1s", "--rate", "1", "--calibration", tmp_path)[0] == 2


def test_every_question_asks_each_shard(capsys, tmp_path):
    calibration = tmp_path / "calibration.json"
    calibration.write_text(json.dumps({"work_s": {"Retriever": [0.1]}, "writing": None}))
    path = copied(tmp_path, "    args: {} ", "    args: {retriever_shards: 3} ")
    config = yaml.safe_load(path.read_text())
    blocks = config["applications"][0]["deployments"]
    (one,) = [block for block in blocks if block["name"] == "Retriever"]
    blocks.remove(one)
    one["autoscaling_config"] = {"min_replicas": 1, "max_replicas": 2}
    blocks += [{**one, "name": f"Retriever{shard}"} for shard in range(3)]
    path.write_text(yaml.safe_dump(config))
    asked = ("--latency", "2s", "--calibration", calibration)
    status, found = as_json(capsys, path, *asked, "--rate", "12/s")
    assert (status, found["boundaries"][0]["replicas"]) == (0, 2)
    status, found = as_json(capsys, path, *asked, "--rate", "20/s")
    assert (status, found["boundaries"][0]["replicas"]) == (4, 3)


def test_a_calibration_of_another_version_is_no_fault_where_no_latency_is_asked_for(
    capsys, tmp_path
):
    calibration = tmp_path / "calibration.json"
    calibration.write_text('{"service_s": {}}')
    assert main([str(CLUSTER), "--calibration", str(calibration)]) == 0
    assert "run `python -m cluster.calibrate URL --config FILE` again" in capsys.readouterr().err
    assert (
        run(capsys, CLUSTER, "--latency", "1s", "--rate", "1", "--calibration", calibration)[0] == 2
    )


def test_changes_against_another_file_are_told(capsys, tmp_path):
    path = copied(tmp_path, "top_k: 8 ", "top_k: 5 ")
    _, found = as_json(capsys, path, "--against", CLUSTER)
    (change,) = found["differences"]
    assert change["effect"] == "in place"
    assert run(capsys, path, "--against", "http://127.0.0.1:9")[0] == 2


def test_units():
    assert [seconds(one) for one in ("1s", "800ms", "1.5", "5m")] == [1.0, 0.8, 1.5, 300.0]
    assert [rate(one) for one in ("20/s", "90/min", "3", "36/h")] == [20.0, 1.5, 3.0, 0.01]
    for wrong in ("5 days", "s", "", "1e9999s", "-1s", "inf"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no number"):
            seconds(wrong)
