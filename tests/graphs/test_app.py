"""Stages are bound by role, whatever their deployments are called; a role may have several."""

import asyncio
from types import SimpleNamespace

from ray.serve._private.build_app import build_app
from ray.serve.handle import DeploymentHandle

from deployments.embedder import Embedder
from deployments.generator import Generator
from deployments.reranker import Reranker
from deployments.safety_filter import SafetyFilter
from graphs.app import compose
from graphs.config import AppArgs, GatewayConfig
from graphs.gateway import Graph, Kept
from graphs.pipeline.trace import log_trace
from graphs.system import DeploymentState, SystemState


def composed(num_shards, *generators):
    models = {
        "embedder": (Embedder.options(name="Vectors"),),
        "reranker": (Reranker,),
        "safety_filter": (SafetyFilter,),
        "generator": generators,
    }
    return build_app(compose(AppArgs(retriever_shards=num_shards), models), name="test")


def test_the_gateway_gets_the_handles_of_every_role():
    built = composed(2, Generator, Generator.options(name="Small"))
    (gateway,) = [one for one in built.deployments if one.name == "Gateway"]
    (handles,) = gateway._replica_config.init_args
    assert all(isinstance(one, DeploymentHandle) for bound in handles.values() for one in bound)
    assert {role: [one.deployment_name for one in bound] for role, bound in handles.items()} == {
        "generator": ["Generator", "Small"],
        "embedder": ["Vectors"],
        "reranker": ["Reranker"],
        "safety_filter": ["SafetyFilter"],
        "retriever": ["Retriever0", "Retriever1"],
        "ingester": ["Ingester"],
    }


def handle(name, running):
    """A handle whose router knows these replicas; the real one is seen in end_to_end."""

    async def describe():
        if "frozen" in running or name == "Generator":
            await asyncio.sleep(60)

    router = SimpleNamespace(_request_router=None, _running_replicas=running)
    return SimpleNamespace(
        deployment_name=name,
        _init_router=lambda: SimpleNamespace(_asyncio_router=router),
        describe=SimpleNamespace(remote=describe),
    )


class Asleep:
    """The system as the controller tells it, with these deployments scaled to zero on purpose."""

    def __init__(self, *names, status="HEALTHY"):
        self._deployments = tuple(
            DeploymentState(
                name=name, status=status, message="", target=0, min_replicas=0, max_replicas=2,
                num_gpus=0, replicas=(),
            )
            for name in names
        )  # fmt: skip

    async def look(self):
        return SystemState(deployments=self._deployments)


async def test_what_is_scaled_to_zero_is_ready_and_is_not_woken_by_the_question():
    handles = {
        role: (handle(role.title(), []),)
        for role in ("generator", "embedder", "reranker", "safety_filter", "retriever", "ingester")
    }
    made = (GatewayConfig(), handles, log_trace)
    ready = await Graph(*made, Kept(system=Asleep("Generator", "Embedder"))).ready()
    assert {role for role, is_ready in ready.items() if is_ready} == {"generator", "embedder"}
    # One that fails to start is not asleep.
    broken = await Graph(*made, Kept(system=Asleep("Generator", status="UNHEALTHY"))).ready()
    assert not any(broken.values())


async def test_readiness_knows_every_role_and_every_shard_and_asks_no_generator():
    running = {
        "generator": {"Generator": ["one"], "Small": []},
        "embedder": {"Vectors": ["one"]},
        "reranker": {"Reranker": []},
        "safety_filter": {"SafetyFilter": ["one", "two"]},
        "retriever": {"Retriever0": ["one"], "Retriever1": ["frozen"]},
        "ingester": {"Ingester": ["one"]},
    }
    handles = {
        role: tuple(handle(name, replicas) for name, replicas in bound.items())
        for role, bound in running.items()
    }
    # Nothing routes to a second generator yet, so it keeps nobody from being ready.
    config = GatewayConfig.model_validate({"timeouts": {"ready_s": 0.05}})
    graph = Graph(config, handles, log_trace, Kept(system=Asleep()))
    assert await graph.ready() == {
        "generator": True,
        "embedder": True,
        "reranker": False,
        "safety_filter": True,
        "retriever0": True,
        "retriever1": False,
        "ingester": True,
    }
