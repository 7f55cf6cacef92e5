"""Stages are bound by role, whatever their deployments are called; a role may have several."""

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


async def test_readiness_asks_a_deployment_of_every_role_and_every_shard():
    asked = []

    def handle(name):
        async def describe():
            asked.append(name)

        return SimpleNamespace(
            deployment_name=name, describe=SimpleNamespace(remote=describe)
        )  # fmt: skip

    names = {
        "generator": ("Generator", "Small"),
        "embedder": ("Vectors",),
        "reranker": ("Reranker",),
        "safety_filter": ("SafetyFilter",),
        "retriever": ("Retriever0", "Retriever1"),
        "ingester": ("Ingester",),
    }
    handles = {role: tuple(map(handle, bound)) for role, bound in names.items()}
    graph = Graph(GatewayConfig(), handles, on_migration=lambda: None)
    assert await graph.ready() == dict.fromkeys(
        ["embedder", "retriever0", "retriever1", "reranker", "safety_filter", "generator",
         "ingester"],
        True,
    )  # fmt: skip
    # Nothing routes to a second generator yet, so it keeps nobody from being ready.
    assert set(asked) == {one for bound in names.values() for one in bound} - {"Small"}
