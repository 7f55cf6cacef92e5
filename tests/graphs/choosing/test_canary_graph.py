"""Two versions of a simulated generator in one graph: bound, chosen, true to their answers."""

import pytest
from ray.serve._private.build_app import build_app

from chaos.simulated import app as simulated
from chaos.simulated.generator import Generator
from graphs import gateway
from graphs.app import compose
from graphs.choosing import generators
from graphs.choosing.canary import Canary
from graphs.config import AppArgs, GatewayConfig
from graphs.gateway import Graph, Kept
from graphs.pipeline.events import ChatRequest, Message, Retrieved, TextDelta
from graphs.pipeline.trace import log_trace
from graphs.settings import CanarySettings
from models.errors import EngineDrainingError
from tests.graphs.local_handle import LocalHandle


class Breaking(Generator.func_or_class):
    """Loses its first stream after five tokens, as a node that goes away does."""

    num_streams = 0

    async def stream(self, request):
        self.num_streams += 1
        is_first = self.num_streams == 1
        async for chunk in super().stream(request):
            if is_first and chunk.position == 5:
                raise EngineDrainingError("the node goes away")
            yield chunk


class Named(LocalHandle):
    deployment_name = "Local"


async def version(kind, number):
    made = kind()
    await made.reconfigure({"version": number, "tokens_per_s": 1e6, "max_answer_tokens": 12})
    return made


@pytest.fixture
def graph_of(monkeypatch):
    """Makes a graph of these generators that sends every new question to the second one."""
    for module in (gateway, generators):
        monkeypatch.setattr(module, "has_running", lambda _handle: True)

    def make(*generators, share=1.0, shadow=False, kept=None, seen=log_trace):
        stages = {
            "embedder": simulated.Embedder,
            "reranker": simulated.Reranker,
            "safety_filter": simulated.SafetyFilter,
        }
        handles = {role: (Named(one.func_or_class()),) for role, one in stages.items()}
        handles |= {role: (Named(object()),) for role in ("retriever", "ingester")}
        handles["generator"] = tuple(map(Named, generators))
        settings = {"canary": {"share": share, "shadow": shadow}}
        return Graph(GatewayConfig.model_validate(settings), handles, seen, kept or Kept())

    return make


def request(**fields):
    messages = (Message(role="user", content="Which port?"),)
    return ChatRequest(request_id="r", messages=messages, retrieves=False, **fields)


async def told(graph, asked):
    events = [event async for event in graph.answer(asked)]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return text, next(event.identity for event in events if isinstance(event, Retrieved))


async def test_a_broken_answer_of_the_second_version_goes_on_exactly(graph_of):
    first, second = await version(Generator.func_or_class, 0), await version(Breaking, 1)
    whole, identity = await told(graph_of(await version(Generator.func_or_class, 1)), request())
    kept = Kept()
    graph = graph_of(first, second, kept=kept)
    assert await told(graph, request()) == (whole, identity)
    assert second.num_streams == 2
    assert kept.canary.status().second.failed == 0.0
    # A client that comes back is answered by the version that began, though it has no share now.
    back = graph_of(first, second, share=0.0, kept=kept)
    assert await told(back, request(identity=identity)) == (whole, identity)
    assert (await told(back, request()))[1] != identity


async def test_an_answer_in_shadow_is_on_nobodys_account(graph_of):
    first, second = [await version(Generator.func_or_class, number) for number in (0, 1)]
    kept, seen = Kept(), []
    graph = graph_of(first, second, shadow=True, kept=kept, seen=seen.append)
    _, identity = await told(graph, request())
    for task in list(kept.canary._shadows):
        await task
    assert identity == first._config.identity.digest
    assert [trace.request_id for trace in seen] == ["r"]
    assert kept.canary.status().second.answers == 1


async def test_an_answer_that_the_second_version_began_is_billed_in_shadow_too(graph_of):
    first, second = [await version(Generator.func_or_class, number) for number in (0, 1)]
    kept, seen = Kept(), []
    _, identity = await told(graph_of(first, second, kept=kept), request())
    graph = graph_of(first, second, shadow=True, kept=kept, seen=seen.append)
    assert (await told(graph, request(identity=identity)))[1] == identity
    assert [trace.request_id for trace in seen] == ["r"]


async def test_other_settings_of_the_gateway_keep_the_tally(graph_of):
    first, second = [await version(Generator.func_or_class, number) for number in (0, 1)]
    kept = Kept(canary=Canary(CanarySettings(share=1.0)))
    await told(graph_of(first, second, kept=kept), request())
    graph_of(first, second, kept=kept)
    assert kept.canary.status().second.answers == 1
    graph_of(first, second, kept=kept, share=0.5)
    assert kept.canary.status().second.answers == 0


def test_the_second_version_is_a_deployment_with_a_block_of_its_own():
    models = {
        "embedder": (simulated.Embedder,), "reranker": (simulated.Reranker,),
        "safety_filter": (simulated.SafetyFilter,), "generator": (Generator,),
    }  # fmt: skip
    built = build_app(compose(AppArgs(canary=True), models), name="test")
    (made,) = [one for one in built.deployments if one.name == "Gateway"]
    (handles,) = made._replica_config.init_args
    names = [one.deployment_name for one in handles["generator"]]
    assert names == ["Generator", "GeneratorCanary"]
