"""A system to look at, without one; the page in Chromium over it."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import yaml

from graphs.model_reports import ModelReport
from graphs.observing.at_work import QueueState
from graphs.system import DeploymentState, NodeState, ReplicaState, RunningConfig, SystemState
from tests.browser import LAUNCH, Watch
from tests.graphs.serving import serving
from tests.ray_environment import ROOT

LOCAL = ROOT / "local.yaml"


def replica(name, state="RUNNING", node="n1"):
    return ReplicaState(id=name, state=state, pid=7, node_id=node, node_ip="10.0.0.1")


def deployment(*replicas, name="Generator", num_gpus=0.5):
    return DeploymentState(
        name=name, status="HEALTHY", message="", target=len(replicas), min_replicas=1,
        max_replicas=4, num_gpus=num_gpus, replicas=replicas, slots=8, max_waiting=10,
    )  # fmt: skip


def node(name, market="spot"):
    return NodeState(id=name, ip="10.0.0.1", alive=True, market=market, num_cpus=8.0, num_gpus=1.0)


class Reports:
    def latest(self):
        return {"generator": ModelReport(phase="serving", phase_s=3, model="small", device="cpu")}


class FakeSystem:
    def __init__(self, state):
        self.state = state

    async def look(self):
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    async def running(self):
        value = yaml.safe_load(LOCAL.read_text())
        return RunningConfig(name="ragfleet", value=value)


@pytest.fixture
def system(api_app):
    fake = FakeSystem(
        SystemState(
            deployments=(deployment(replica("a"), replica("b", node="n2")),),
            nodes=(node("n1"), node("n2", "on-demand"), node("n3")),
            queues={"Generator": QueueState(waiting=3, working=11)},
        )
    )
    state = api_app.state
    state.services = replace(state.services, system=fake, reports=Reports())
    return fake


@pytest.fixture
async def open_page(api_app):
    """Opens the page; when the test ends, it has done nothing that it must not do.

    The browser logs an error where the server refuses a request: of paths with an end of `refused`
    that is expected.
    """
    tools = pytest.importorskip("playwright.async_api")

    @asynccontextmanager
    async def opened(*refused, **options):
        async with (
            serving(api_app) as base,
            tools.async_playwright() as started,
            await started.chromium.launch(**LAUNCH) as browser,
        ):
            url = base.removesuffix("v1")
            page = await browser.new_page(**options)
            page.set_default_timeout(20_000)
            watch = Watch(page, url, expected=("/v1/chat/completions", *refused))
            await page.goto(url)
            yield page
            assert watch.faults == []

    return opened
