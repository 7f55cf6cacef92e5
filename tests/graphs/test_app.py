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
from graphs.gateway import Graph
from graphs.generator_client import TokenCounters
from graphs.pipeline.trace import log_trace


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
    assert await Graph(config, handles, log_trace, TokenCounters()).ready() == {
        "generator": True,
        "embedder": True,
        "reranker": False,
        "safety_filter": True,
        "retriever0": True,
        "retriever1": False,
        "ingester": True,
    }
