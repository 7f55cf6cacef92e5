"""The adapter of Ray's private drain call, over a GCS of our own; test_spot.py has a real one."""

import socket

import pytest

from cluster import drain
from cluster.drain import (
    AmbiguousNodeError,
    DrainRefusedError,
    GcsUnreachableError,
    NodeNotFoundError,
    NodeState,
    RayNode,
    UnsupportedRayError,
    check_ray,
    connect,
)

HERE, HERE_TOO, ELSEWHERE = "aa" * 28, "bb" * 28, "cc" * 28


class FakeGcs:
    """Answers as GCS does: it accepts the drain of any id."""

    def __init__(self, living, *, accepts=True, leaves=False):
        self.living = living
        self.accepts = accepts
        self.leaves = leaves
        self.draining = {}
        self.calls = []
        self.error = None

    def get_all_node_info(self, timeout):
        if self.error:
            raise self.error
        return {bytes.fromhex(key): FakeNodeInfo(address) for key, address in self.living.items()}

    def get_draining_nodes(self, timeout):
        return self.draining

    def drain_node(self, node_id, reason, message, deadline_ms, timeout):
        self.calls.append((node_id, reason, message, deadline_ms))
        if self.accepts and node_id in self.living:
            self.draining[node_id] = deadline_ms
            if self.leaves:
                del self.living[node_id]
        return self.accepts, "" if self.accepts else "busy"


class FakeNodeInfo:
    state = 0  # GcsNodeInfo.GcsNodeState.ALIVE

    def __init__(self, address):
        self.node_manager_address = address


@pytest.fixture
def gcs(monkeypatch):
    made = FakeGcs({HERE: "127.0.0.1", ELSEWHERE: "203.0.113.9"})
    monkeypatch.setattr(drain, "_open_gcs", lambda address: made)
    return made


def test_a_drain_says_preemption_and_the_deadline_in_milliseconds(gcs):
    assert RayNode(gcs, HERE).drain("spot notice", 1_700_000_000.25) is NodeState.DRAINING
    assert gcs.calls == [(HERE, 2, "spot notice", 1_700_000_000_250)]
    assert RayNode(gcs, HERE).state() is NodeState.DRAINING


def test_an_idle_node_is_gone_at_once(gcs):
    gcs.leaves = True
    assert RayNode(gcs, HERE).drain("spot notice", 0) is NodeState.GONE


def test_a_rejected_drain_raises_and_says_why(gcs):
    gcs.accepts = False
    with pytest.raises(DrainRefusedError, match="busy"):
        RayNode(gcs, HERE).drain("spot notice", 0)


def test_a_drain_that_is_accepted_without_effect_raises(gcs, monkeypatch):
    monkeypatch.setattr(gcs, "drain_node", lambda *_, **__: (True, ""))
    with pytest.raises(DrainRefusedError, match="without effect"):
        RayNode(gcs, HERE).drain("spot notice", 0)


@pytest.mark.parametrize("error", [RuntimeError("x"), ConnectionError("x")])
def test_any_failure_of_gcs_is_one_kind_of_error(gcs, error):
    gcs.error = error
    with pytest.raises(GcsUnreachableError):
        RayNode(gcs, HERE).state()


def test_the_node_on_this_machine_is_found_by_its_address(gcs):
    assert connect("head:6379").node_id == HERE


def test_a_node_id_goes_before_the_address(gcs):
    assert connect("head:6379", ELSEWHERE).node_id == ELSEWHERE


def test_several_nodes_on_this_machine_are_refused(gcs):
    gcs.living[HERE_TOO] = "127.0.0.1"
    with pytest.raises(AmbiguousNodeError, match="--node-id"):
        connect("head:6379")


@pytest.mark.parametrize("node_id", ["dd" * 28, "not an id", HERE[:-2], HERE.upper()])
def test_an_unknown_node_id_is_refused_though_gcs_would_accept_it(gcs, node_id):
    with pytest.raises(NodeNotFoundError, match="no living node"):
        connect("head:6379", node_id)


def test_a_machine_without_a_node_is_refused(gcs):
    del gcs.living[HERE]
    with pytest.raises(NodeNotFoundError, match=r"203\.0\.113\.9"):
        connect("head:6379")


@pytest.mark.parametrize("version", ["2.59.1", "1.99.0", "2.9"])
def test_an_old_ray_is_refused(gcs, monkeypatch, version):
    monkeypatch.setattr("ray.__version__", version)
    with pytest.raises(UnsupportedRayError, match=version):
        connect("head:6379")


@pytest.mark.parametrize("version", ["2.60.0", "2.61.0rc1", "3.0.0.dev0"])
def test_a_newer_ray_is_accepted(monkeypatch, version):
    monkeypatch.setattr("ray.__version__", version)
    check_ray()


def test_a_ray_without_the_private_call_is_refused(monkeypatch):
    monkeypatch.setattr(drain, "_open_gcs", lambda address: object())
    with pytest.raises(UnsupportedRayError, match="drain_node"):
        connect("head:6379")


@pytest.mark.parametrize("name", ["drain_node", "get_draining_nodes", "get_all_node_info"])
def test_a_ray_whose_calls_take_other_arguments_is_refused(gcs, monkeypatch, name):
    monkeypatch.setattr(gcs, name, lambda: None)
    with pytest.raises(UnsupportedRayError, match="another way"):
        connect("head:6379")


def test_the_self_test_drains_no_node(gcs):
    connect("head:6379")
    assert not {node_id for node_id, *_ in gcs.calls} & set(gcs.living)
    assert gcs.draining == {}


def test_a_ray_without_the_word_for_preemption_is_refused(gcs, monkeypatch):
    class Reasons:
        @staticmethod
        def Value(name):
            raise ValueError(name)

    monkeypatch.setattr("ray.core.generated.autoscaler_pb2.DrainNodeReason", Reasons)
    with pytest.raises(UnsupportedRayError, match="PREEMPTION"):
        connect("head:6379")


def test_a_port_where_nobody_listens_is_refused_at_once():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(GcsUnreachableError, match=address):
            connect(address)


@pytest.mark.parametrize("address", ["", "head", "auto", "head:", ":6379", "ray://head:x"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ValueError, match="host:port"):
        connect(address)
