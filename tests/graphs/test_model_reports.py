"""What the Gateway knows of its models, without waiting for a busy one."""

import asyncio
import logging

import pytest

from deployments.life.model_life import LifeReport
from deployments.replica import ReplicaDescription
from graphs.errors import OverloadedError
from graphs.model_reports import ModelReports


class Fleet:
    """An embedder and a generator: whether they run, and what they answer."""

    def __init__(self, **life):
        self.running = {"embedder": True, "generator": True}
        self.life = {role: LifeReport(phase="serving", **life) for role in self.running}
        self.busy = set()

    def ask(self, role):
        async def describe():
            if role in self.busy:
                await asyncio.sleep(0.01)
                msg = "no slot"
                raise OverloadedError(msg)
            return ReplicaDescription(
                model="m", pid=1, node_id="n", num_gpus=0.3, gpu_ids=("0",), life=self.life[role],
                device="card", memory_bytes=7,
            )  # fmt: skip

        return describe

    def reports(self, resume_s=60.0):
        ask = {role: self.ask(role) for role in self.running}
        return ModelReports(ask, lambda: self.running, resume_s=resume_s)


async def test_a_report_tells_phase_failure_device_share_and_memory():
    fleet = Fleet(model="old", failure="new cannot be served", load_s=3.0, phase_s=1.0)
    found = (await fleet.reports().fresh())["embedder"]
    assert (found.phase, found.model, found.failure) == ("serving", "old", "new cannot be served")
    assert (found.device, found.num_gpus, found.memory_bytes) == ("card", 0.3, 7)


async def test_nobody_waits_for_a_busy_generator_and_what_was_known_stands():
    fleet = Fleet(model="old")
    reports = fleet.reports()
    assert reports.latest() == {}
    await reports.fresh()
    fleet.busy.add("generator")
    await reports.fresh()
    assert reports.latest()["generator"].model == "old"


async def test_a_model_without_a_replica_is_starting_and_tells_for_how_long():
    fleet = Fleet(model="old")
    reports = fleet.reports()
    await reports.fresh()
    fleet.running["generator"] = False
    assert reports.latest()["generator"].phase == "starting"
    await asyncio.sleep(0.02)
    assert reports.latest()["generator"].phase_s >= 0.02
    fleet.running["generator"] = True
    assert reports.latest()["generator"].phase == "serving"


@pytest.mark.parametrize(("load_s", "warned"), [(73.0, True), (59.0, False)])
async def test_a_generator_that_loads_for_longer_than_an_answer_waits_is_told_of_once(
    caplog, load_s, warned
):
    reports = Fleet(model="m", load_s=load_s).reports(resume_s=60.0)
    with caplog.at_level(logging.WARNING):
        await reports.fresh()
        await reports.fresh()
    found = [one for one in caplog.messages if "resume_s is 60 s" in one and "73.0 s" in one]
    assert len(found) == int(warned)
