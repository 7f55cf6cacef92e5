"""What a plan tells of machines, licences and times to load, with its exit status."""

import json
from pathlib import Path

import pytest
import yaml

from cluster.plan import main
from tests.models.checkpoints.safetensors_headers import write_weights

ROOT = Path(__file__).parents[3]
CLUSTER, NODES = ROOT / "cluster.yaml", ROOT / "cluster" / "launch" / "nodes.yaml"
GENERATOR = "model: Qwen/Qwen2.5-32B-Instruct-GPTQ-Int4 "
COMMIT = "c83e67dfb2664f5039fd4cd99e206799e27dd800"


@pytest.fixture
def planned(capsys, tmp_path):
    """Plans `cluster.yaml` with changes; gives the status and the JSON."""

    def plan(*changes, options=(), nodes=NODES):
        text = CLUSTER.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "copy.yaml"
        path.write_text(text)
        more = () if nodes is None else ("--nodes", nodes)
        none = ("--calibration", tmp_path / "none.json")
        status = main([str(one) for one in (path, "--json", *more, *none, *options)])
        return status, json.loads(capsys.readouterr().out)

    return plan


def calibration(tmp_path, **load_s):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"work_s": {}, "writing": None, "load_s": load_s}))
    return "--calibration", path


def test_a_model_of_unknown_size_is_a_fault_on_machines_and_a_note_without(planned):
    change = (GENERATOR, "model: meta-llama/Llama-4-Scout-17B-16E-Instruct ")
    status, found = planned(change)
    assert status == 3
    (fault,) = found["faults"]
    assert "memory of meta-llama/Llama-4-Scout-17B-16E-Instruct is not known" in fault
    assert "give its sizes with --models FILE" in fault
    status, found = planned(change, nodes=None)
    assert (status, found["faults"]) == (0, [])
    assert any("Scout" in note for note in found["notes"])


def test_without_machines_it_is_told_that_memory_is_not_checked(planned):
    status, found = planned(("num_gpus: 0.4\n", "num_gpus: 0.05\n"), nodes=None)
    assert status == 0
    assert "memory, places and losses are not checked" in found["notes"][0]
    assert not any("not checked" in note for note in planned()[1]["notes"])


def test_nodes_that_tell_no_gpu_memory_are_told(planned, tmp_path):
    table = yaml.safe_load(NODES.read_text())
    for one in table["node_types"].values():
        del one["gpu_memory_gb"]
    (tmp_path / "nodes.yaml").write_text(yaml.safe_dump(table))
    status, found = planned(nodes=tmp_path / "nodes.yaml")
    assert status == 0
    assert any("Generator: its share of a GPU is not checked" in one for one in found["notes"])


@pytest.mark.parametrize("kind", ["A100", "L44"])
def test_an_accelerator_that_no_node_has_has_no_place(planned, kind):
    change = (
        "          num_gpus: 2  ",
        f"          accelerator_type: {kind}\n          num_gpus: 2  ",
    )
    status, found = planned(change)
    assert status == 3
    assert any("no node has that accelerator, there are L4" in one for one in found["faults"])
    status, found = planned((change[0], change[1].replace(kind, "L4")))
    assert (status, found["faults"]) == (0, [])


@pytest.fixture
def with_slices(tmp_path):
    """The nodes of the repository, and one whose four GPUs are slices."""
    table = yaml.safe_load(NODES.read_text())
    labels = {"ray.io/market-type": "on-demand", "ragfleet/gpu-slice": "3g.40gb"}
    sliced = table["node_types"]["spot"] | {"gpu_memory_gb": 40, "nodes": 1, "labels": labels}
    table["node_types"]["sliced"] = sliced
    path = tmp_path / "sliced.yaml"
    path.write_text(yaml.safe_dump(table))
    return path


def test_a_model_over_two_gpus_that_may_be_slices_is_told(planned, with_slices):
    status, found = planned(nodes=with_slices)
    assert status == 3
    (fault,) = found["faults"]
    assert "num_gpus is 2, and the GPUs may be slices, of which CUDA shows one to" in fault
    told = 'ragfleet/gpu-slice: "!in(3g.40gb)"'
    assert f"{{{told}}}" in fault
    where = "          num_gpus: 2                  # whole GPUs; the model is split over them\n"
    where += "          label_selector: {ray.io/market-type: on-demand"
    status, found = planned((where, f"{where}, {told}"), nodes=with_slices)
    assert (status, found["faults"]) == (0, [])


def test_a_slice_is_a_smaller_gpu(planned, with_slices):
    table = yaml.safe_load(with_slices.read_text())
    table["node_types"]["sliced"]["gpu_memory_gb"] = 5
    with_slices.write_text(yaml.safe_dump(table))
    status, found = planned(("num_gpus: 2  ", "num_gpus: 1  "), nodes=with_slices)
    assert status == 3
    assert any("its share is 4.5 GB" in one for one in found["faults"])
    assert not any("may be slices" in one for one in found["faults"])


def test_gpus_that_do_not_divide_the_heads_are_refused_by_the_table(planned):
    status, found = planned(("num_gpus: 2  ", "num_gpus: 3  "))
    assert status == 1
    assert "num_gpus must divide the 40 attention heads" in found["faults"][0]


def test_what_serve_takes_and_nobody_means_is_refused_before_machines_are_looked_at(planned):
    auto = "        max_ongoing_requests: 64       # calls in work"
    status, found = planned((auto, f"        num_replicas: auto\n{auto}"))
    assert status == 1
    (fault,) = found["faults"]
    assert "Embedder: num_replicas must be a whole number or be left out, got 'auto'" in fault


def test_unknown_licences_fail_the_gate_until_somebody_allows_them(planned, tmp_path):
    status, found = planned(options=["--commercial"])
    assert (status, found["faults"]) == (0, [])
    other = (GENERATOR, "model: org/Thing-7B ")
    status, found = planned(other, options=["--commercial"])
    assert status == 3
    assert "licence of org/Thing-7B is not known: read it" in found["faults"][0]
    assert planned(other, options=["--commercial", "--allow-licence", "org/Thing-7B"])[0] == 0
    assert planned(other)[0] == 0


def test_a_named_licence_fails_or_is_allowed_by_its_name(planned, tmp_path):
    write_weights(tmp_path / "model.safetensors", {"a": ("F16", [4, 8])})
    sizes = {"num_attention_heads": 2, "hidden_size": 8, "num_hidden_layers": 1, "vocab_size": 4}
    sizes |= {"intermediate_size": 16, "max_position_embeddings": 16384}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: house-rules\n---\n")
    own = [(GENERATOR, f"model: {tmp_path} "), (f"          revision: {COMMIT}\n", "")]
    status, found = planned(*own, options=["--commercial"])
    assert (status, "(house-rules) is none that is known" in found["faults"][0]) == (3, True)
    assert planned(*own, options=["--commercial", "--allow-licence", "house-rules"])[0] == 0
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: x-research\n---\n")
    status, found = planned(*own, options=["--commercial"])
    assert (status, "forbids commercial use" in found["faults"][0]) == (3, True)


def test_a_shutdown_is_held_to_the_notice_less_the_measured_load(planned, tmp_path):
    slower = ("graceful_shutdown_timeout_s: 10 #", "graceful_shutdown_timeout_s: 18 #")
    status, found = planned(slower)
    assert status == 0
    assert any("not measured (python -m cluster.calibrate)" in one for one in found["notes"])
    status, found = planned(slower, options=calibration(tmp_path, Generator=9.0))
    assert status == 3
    assert "must be below 14, got 18" in found["faults"][0]
    assert "less the 9 s that the model took to load" in found["faults"][0]
    status, found = planned(slower, options=calibration(tmp_path, Generator=90.0))
    assert status == 0
    assert any("as measured" in one and "Generator 90 s" in one for one in found["notes"])


def test_the_only_generator_must_load_before_answers_give_up(planned, tmp_path):
    two = "min_replicas: 2\n          max_replicas: 4\n          target_ongoing_requests: 48"
    change = (two, two.replace("2", "1", 1))
    options = calibration(tmp_path, Generator=90.0)
    status, found = planned(change, options=options)
    assert status == 3
    assert "resume_s must be above the 90 s that the only Generator takes" in found["faults"][0]
    assert any("the only replica is lost with its spot node" in one for one in found["notes"])
    assert planned(change, ("resume_s: 60 ", "resume_s: 120 "), options=options)[0] == 0
    assert planned(options=options)[0] == 0


def test_the_filter_is_called_for_every_piece_of_an_answer(planned, tmp_path):
    path = tmp_path / "calibration.json"
    writing = {"prefill_tokens_per_s": 4e3, "step_s": 0.02, "step_s_per_answer": 5e-4, "slots": 64}
    work_s = {"Embedder": [0.01], "SafetyFilter": [0.01]}
    path.write_text(json.dumps({"work_s": work_s, "writing": writing}))
    options = ["--calibration", path, "--latency", "12s", "--rate", "2", "--answer", "300"]
    told = {one["deployment"]: one for one in planned(options=options)[1]["boundaries"]}
    # A question and 1200 characters in pieces of 120.
    busy = {name: one["busy"] * one["replicas"] for name, one in told.items()}
    assert busy["SafetyFilter"] == pytest.approx(2 * 0.01 * 11)
    assert busy["Embedder"] == pytest.approx(2 * 0.01)
