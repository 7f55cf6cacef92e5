"""Node types out of the nodes of a cluster that runs."""

from cluster.planning.nodes import NodeType, running_machines


def node(memory, *, alive=True, labels=None, **resources):
    offered = {"CPU": 4.0, "memory": memory, "node:10.0.0.1": 1.0, "object_store_memory": 1.0}
    own = {"ray.io/node-id": str(memory)} | (labels or {})
    return {"Alive": alive, "Resources": offered | resources, "Labels": own}


def test_nodes_that_differ_in_free_memory_alone_are_of_one_type():
    found = running_machines([node(7e9), node(14e9), node(10e9), node(7e9, alive=False)])
    (one,) = found.node_types.values()
    assert (one.nodes, one.cpus, one.gpus, one.memory_gb, one.resources) == (3, 4.0, 0, 10.0, {})


def test_labels_and_gpus_tell_types_apart():
    spot = {"ray.io/market-type": "spot", "ray.io/node-group": "burst"}
    found = running_machines([node(7e9), node(7e9, labels=spot), node(7e9, GPU=2.0, disk=1.0)])
    assert [one.nodes for one in found.node_types.values()] == [1, 1, 1]
    assert found.node_types["burst"].is_spot
    assert [one.gpus for one in found.node_types.values()] == [0, 0, 2]


def test_the_accelerator_is_what_ray_has_found():
    found = running_machines([node(7e9, GPU=2.0, **{"accelerator_type:A100": 1.0}), node(7e9)])
    assert [one.accelerator for one in found.node_types.values()] == ["A100", None]
    assert found.node_types["type-1"].offered()["accelerator_type:A100"] == 1.0
    labelled = NodeType(labels={"ray.io/accelerator-type": "L4"})
    assert labelled.offered()["accelerator_type:L4"] == 1.0


def test_slices_are_told_by_the_label_of_their_node():
    sliced = {"ragfleet/gpu-slice": "1g.10gb"}
    found = running_machines([node(7e9, GPU=7.0, labels=sliced), node(7e9, GPU=1.0)])
    assert [(one.is_sliced, one.gpus) for one in found.node_types.values()] == [
        (True, 7), (False, 1),
    ]  # fmt: skip
    assert not NodeType(labels={"ragfleet/gpu-slice": "none"}).is_sliced
