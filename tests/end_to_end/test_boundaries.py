"""A served system is calibrated, planned by that, and carries the rate it was planned for.

`python -m benchmarks.boundaries` is the long form, with the times.
"""

import asyncio
from dataclasses import replace

import pytest

from benchmarks.boundaries import (
    ANSWER_TOKENS,
    TOKENS_PER_S,
    WORK_S,
    calibrated,
    load_documents,
    loaded,
    questions_at,
    simulated_changes,
)
from chaos.fleet import Fleet
from cluster.planning.boundaries import boundaries

pytestmark = [pytest.mark.ray, pytest.mark.systems]
RATE = 3.0


@pytest.fixture(scope="module")
def fleet():
    with Fleet(num_spot=0, changes=simulated_changes({})) as made:
        load_documents(made.url)
        yield made


def test_a_calibrated_plan_carries_its_rate(fleet):
    found = calibrated(fleet.url, fleet.folder / "served.yaml", num_questions=5)
    measured, sizes, questions = asyncio.run(found)
    for name, work_s in WORK_S.items():  # sleeps are longer than asked for, never shorter
        assert min(measured.work_s[name]) >= work_s * 0.99
    assert measured.writing.step_s >= 0.9 / TOKENS_PER_S
    planned = boundaries(replace(sizes, latency_s=10, rate=RATE), measured)
    replicas = {one.deployment: one.replicas for one in planned}
    assert replicas["Reranker"] >= 1
    assert replicas["Generator"] >= 1
    fleet.edit(simulated_changes(replicas))
    calls = questions_at(RATE, 30, questions, max_tokens=ANSWER_TOKENS)
    seen = asyncio.run(loaded(fleet.url, calls, planned))
    assert seen.failures == []
    assert all(one.num_tokens == ANSWER_TOKENS for one in seen.outcomes)
