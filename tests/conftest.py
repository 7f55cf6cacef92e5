import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from cluster.interrupts import heed_interrupts

pytest_plugins = ["tests.databases"]

# Their tests are marked `ray`: they start clusters, of which two at a time are too much.
SHARED_OUT = ("tests/graphs/api/test_fuzzed.py",)  # its tests go to whoever is free
WITH_CLUSTERS = (
    "tests/end_to_end/",
    "tests/cluster/launch/test_head.py",
    "tests/cluster/planning/test_packing_ray.py",
    "tests/cluster/test_spot.py",
    "tests/cluster/test_spot_mix_ray.py",
    "tests/graphs/commands/test_ingest_kill.py",
)


# Same examples in every run, no folder of failures left behind, no time limit on a busy machine.
settings.register_profile("tests", derandomize=True, database=None, deadline=None, max_examples=40)
settings.load_profile("tests")

heed_interrupts()  # workers and jobs of a shell ignore Ctrl-C; what tests start must not


def pytest_addoption(parser):
    parser.addoption(
        "--streams", type=int, default=24,
        help="answers that tests/graphs/test_failover_bundled.py moves from engine to engine, and "
        "those whose generator tests/end_to_end/test_vllm.py kills",
    )  # fmt: skip
    parser.addoption(
        "--cancelled", type=int, default=200,
        help="streams that tests/models/engines/test_contract.py cancels on each engine",
    )  # fmt: skip
    parser.addoption(
        "--calls", type=int, default=20,
        help="calls of tools and answers in JSON of tests/graphs/api/test_tools_bundled.py, each",
    )  # fmt: skip
    parser.addoption(
        "--requests", type=int, default=150,
        help="requests that tests/graphs/api/test_isolation.py sends, over all paths",
    )  # fmt: skip
    parser.addoption(
        "--served-requests", type=int, default=400,
        help="the same that tests/end_to_end/isolation/test_isolation.py sends to a served system",
    )  # fmt: skip
    parser.addoption(
        "--packings", type=int, default=4,
        help="random clusters on which tests/cluster/planning/test_packing_ray.py asks Ray for "
        "replicas; 200 take about 20 minutes",
    )  # fmt: skip
    parser.addoption(
        "--gpu-report", metavar="FOLDER",
        help="where tests/gpu writes what it has seen, on which card, with which versions",
    )  # fmt: skip


class Scheduling(LoadFileScheduling):
    """For `pytest -n 2`: tests go to the workers by file, those with clusters to the same one."""

    def _split_scope(self, nodeid):
        if nodeid.startswith(SHARED_OUT):
            return nodeid
        return "clusters" if nodeid.startswith(WITH_CLUSTERS) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    for item in items:
        if is_with_cluster(item) and not item.nodeid.startswith(WITH_CLUSTERS):
            raise pytest.UsageError(f"{item.nodeid} starts a cluster: name it in {__file__}")
    items.sort(key=lambda item: not is_with_cluster(item))  # they take longest, so they start first


def is_with_cluster(item):
    return item.get_closest_marker("ray") is not None
