"""Engines on a card, and the report of what was seen there."""

from pathlib import Path

import pytest

from tests.gpu.card import HAS_CARD, IS_DRY, share_of
from tests.gpu.report import Outcome, machine, write_report
from tests.models.engines.held import Held, load_held

# What is short comes first: a session may be cut.
ORDER = ("sharing", "gptq", "speed", "batch_invariant", "contract_on_card")
SHARES = {"transformers": 0.1, "vllm": 0.2}


def pytest_collection_modifyitems(items):
    ranks = {Path(__file__).with_name(f"test_{name}.py"): rank for rank, name in enumerate(ORDER)}
    items.sort(key=lambda item: ranks.get(item.path, -1))


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not (HAS_CARD or IS_DRY):
        pytest.skip("torch sees no GPU; RAGFLEET_GPU_DRY=1 tries on the CPU what is no card's own")


class HeldOnCard(Held):
    """Breaks its engine without CUDA: an id out of range would end CUDA for the whole process."""

    async def _decode_unknown_id(self):
        def fail(*_):
            msg = "CUDA error: device-side assert triggered"
            raise RuntimeError(msg)

        self.engine._manager.batch_processor._generation_step = fail


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Gives the engine of a kind, both on one card, loaded anew where a test has ended it."""
    held = {}

    def get(kind):
        if kind not in held or held[kind].is_ended():
            close(kind)
            cache = tmp_path_factory.mktemp("cache")
            held[kind] = load_held(kind, cache, HeldOnCard, share=share_of(SHARES[kind]))
        return held[kind]

    def close(kind):
        if kind in held:
            held.pop(kind).generator.close()

    yield get
    for kind in list(held):
        close(kind)


@pytest.fixture(params=["transformers", "vllm"])
def held(request, loaded):
    return loaded(request.param)


@pytest.fixture
def figures(record_property):
    """Keeps a figure of this test for the report: `figures(name, value)`."""
    return record_property


class Kept:
    """Keeps what tests came to, and writes it when they end or are cut."""

    def __init__(self, folder):
        self._folder, self._outcomes = folder, []

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            why = "" if report.passed else str(report.longrepr)
            if report.skipped:
                why = report.longrepr[2]
            self._outcomes.append(
                Outcome(
                    test=report.nodeid, outcome=report.outcome, seconds=round(report.duration, 2),
                    why=why[-2000:], figures=dict(report.user_properties),
                )
            )  # fmt: skip

    def pytest_sessionfinish(self, exitstatus):
        if self._outcomes:
            write_report(self._folder, machine(), self._outcomes, exit_status=int(exitstatus))


def pytest_configure(config):
    folder = config.getoption("gpu_report", None)
    if folder is not None:
        config.pluginmanager.register(Kept(Path(folder)))
