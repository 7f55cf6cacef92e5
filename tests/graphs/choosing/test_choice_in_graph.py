"""A small and a large simulated generator in one graph: bound, chosen, true to their answers."""

import asyncio

import pytest
from ray.serve._private.build_app import build_app

from chaos.simulated import app as simulated
from chaos.simulated.generator import Generator
from graphs import gateway
from graphs.app import compose
from graphs.choosing import generators
from graphs.config import AppArgs, GatewayConfig
from graphs.gateway import Graph, Kept
from graphs.pipeline.trace import log_trace
from models.errors import EngineDrainingError
from tests.graphs.choosing.test_canary_graph import Breaking, Named, request, told, version
from tests.graphs.choosing.test_chooser import Easy

LOCAL = {"url": "http://127.0.0.1:9/v1", "model": "m"}


class Called(Named):
    """A handle with the name of its deployment."""

    def __init__(self, name, deployment):
        super().__init__(deployment)
        self.deployment_name = name


@pytest.fixture
def running(monkeypatch):
    """Names of the deployments without a replica, which a test may change."""
    gone = set()
    for module in (gateway, generators):
        monkeypatch.setattr(module, "has_running", lambda one: one.deployment_name not in gone)
    return gone


@pytest.fixture
def graph_of(running):
    def make(large, small, *, kept=None, easy=True, **settings):
        stages = {
            "embedder": simulated.Embedder,
            "reranker": simulated.Reranker,
            "safety_filter": simulated.SafetyFilter,
        }
        handles = {role: (Named(one.func_or_class()),) for role, one in stages.items()}
        handles |= {role: (Named(object()),) for role in ("retriever", "ingester")}
        handles["generator"] = (Called("Generator", large),)
        handles["small_generator"] = (Called("GeneratorSmall", small),)
        config = GatewayConfig.model_validate(settings)
        return Graph(config, handles, log_trace, kept or Kept(), Easy(easy))

    return make


async def test_a_broken_answer_of_the_small_one_goes_on_exactly(graph_of):
    large, small = await version(Generator.func_or_class, 0), await version(Breaking, 1)
    alone = graph_of(large, await version(Generator.func_or_class, 1))
    whole, identity = await told(alone, request())
    kept = Kept()
    graph = graph_of(large, small, kept=kept)
    assert await told(graph, request()) == (whole, identity)
    assert small.num_streams == 2
    # A client that comes back is answered by the one that began, though it would be hard now.
    back = graph_of(large, small, kept=kept, easy=False)
    assert await told(back, request(identity=identity)) == (whole, identity)
    assert (await told(back, request()))[1] == large._config.identity.digest


class Dying(Generator.func_or_class):
    """Loses its streams when it has taken them, before the first word."""

    num_streams = 0

    async def stream(self, request):
        self.num_streams += 1
        async for chunk in super().stream(request):
            if chunk.text:
                raise EngineDrainingError("the node goes away")
            yield chunk


async def test_a_small_one_that_dies_before_the_first_word_is_not_waited_for(graph_of):
    large, small = await version(Generator.func_or_class, 0), await version(Dying, 1)
    alone = graph_of(large, small, easy=False)
    async with asyncio.timeout(20):
        assert await told(graph_of(large, small), request()) == await told(alone, request())
    assert small.num_streams == 1


class DyingOnce(Dying):
    """Does so with its first stream only, as one of two replicas."""

    def stream(self, request):
        kind = super() if self.num_streams == 0 else super(Dying, self)
        return kind.stream(request)


async def test_a_small_one_that_stands_in_survives_the_loss_of_a_replica(graph_of, running):
    large, small = await version(Generator.func_or_class, 0), await version(DyingOnce, 1)
    running.add("Generator")
    assert (await told(graph_of(large, small), request()))[1] == small._config.identity.digest
    assert small.num_streams == 1  # the second was not counted


async def test_a_system_without_its_small_generator_is_ready(graph_of, running):
    large, small = [await version(Generator.func_or_class, number) for number in (0, 1)]
    graph = graph_of(large, small)
    running.add("GeneratorSmall")
    assert "small_generator" not in graph.runs()
    assert graph.runs()["generator"]
    assert (await told(graph, request()))[1] == large._config.identity.digest


@pytest.mark.parametrize(("settings", "ready"), [({}, False), ({"fallback": LOCAL}, True)])
async def test_with_a_fallback_questions_are_welcome_without_generators(
    graph_of, running, monkeypatch, settings, ready
):
    large, small = [await version(Generator.func_or_class, number) for number in (0, 1)]
    graph = graph_of(large, small, **settings)

    async def answers(_timeout_s):
        return True

    clients = (graph.embedder, graph.retriever, graph.reranker, graph.safety, graph.corpus)
    for client in clients:
        monkeypatch.setattr(client, "answers", answers)

    async def nobody():
        return set()

    monkeypatch.setattr(graph, "_asleep", nobody)
    running |= {"Generator", "GeneratorSmall"}
    # Prompts cannot be counted before a generator was met.
    assert not (await graph.ready())["generator"]
    running.clear()
    await graph.generator.tokens()
    running |= {"Generator", "GeneratorSmall"}
    assert (await graph.ready())["generator"] == ready


def test_a_fallback_without_its_key_is_off_and_told(graph_of, monkeypatch, caplog):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    graph = graph_of(None, None, fallback=LOCAL | {"api_key_env": "NO_SUCH_KEY"})
    assert not graph._generators.has_fallback
    assert "has no NO_SUCH_KEY" in caplog.text


def test_a_fallback_is_told_loudly_without_its_key(graph_of, monkeypatch, caplog):
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    graph = graph_of(None, None, fallback=LOCAL | {"api_key_env": "SOME_KEY"})
    assert graph._generators.has_fallback
    assert "DATA LEAVES THE HOUSE" in caplog.text
    assert "sk-very-secret" not in caplog.text


def test_the_small_generator_is_a_deployment_with_a_block_of_its_own():
    models = {
        "embedder": (simulated.Embedder,), "reranker": (simulated.Reranker,),
        "safety_filter": (simulated.SafetyFilter,), "generator": (Generator,),
    }  # fmt: skip
    built = build_app(compose(AppArgs(small=True, canary=True), models), name="test")
    (made,) = [one for one in built.deployments if one.name == "Gateway"]
    (handles,) = made._replica_config.init_args
    assert [one.deployment_name for one in handles["small_generator"]] == ["GeneratorSmall"]
    assert len(handles["generator"]) == 2
