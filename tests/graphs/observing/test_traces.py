"""One trace, from the traceparent of a client to the replicas that wrote, though one is lost."""

from dataclasses import replace
from types import SimpleNamespace

import httpx2
import pytest
from openai import AsyncOpenAI
from opentelemetry.trace import StatusCode
from ray.exceptions import RayActorError
from ray.serve._private.tracing_utils import _load_span_processors, create_propagated_context
from ray.serve.exceptions import BackPressureError

from deployments.observing.spans import exporters
from graphs.api.app import build_app
from graphs.api.border.timing import tree
from graphs.config import FailoverSettings, GatewayConfig, TimeoutSettings
from graphs.failover import ResumingGenerator, Retries
from graphs.generator_client import GeneratorClient, TokenCounters
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from graphs.pipeline.trace import Trace
from models.generation import GenerationChunk
from tests.graphs.fake_stages import IDENTITY, FakeStages, word_counter

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
WORDS = ("Text of ", "two ", "and more.")


class Handle:
    """Serve's handle to a generator: the context goes along as its router hands it on."""

    deployment_name = "Generator"

    def __init__(self, *losses):
        self.losses = list(losses)
        self.contexts = []

    def options(self, *, stream, session_id=""):
        assert stream
        return SimpleNamespace(stream=SimpleNamespace(remote=self._stream))

    @property
    def profile(self):
        async def remote():
            return word_counter(context_tokens=1000, max_answer_tokens=100).profile

        return SimpleNamespace(remote=remote)

    def _stream(self, request):
        self.contexts.append(create_propagated_context()["traceparent"])
        chunks = self._chunks(request, f"replica-{len(self.contexts)}")
        return _Response(chunks)

    async def _chunks(self, request, name):
        first = len(request.delivered_token_ids)
        told = {"num_prompt_tokens": 7, "attempt": request.attempt, "identity": IDENTITY.digest}
        yield GenerationChunk(
            position=first, token_ids=(), text="", finish_reason=None, replica=name,
            model="fake-model", **told,
        )  # fmt: skip
        for position in range(first, len(WORDS)):
            if self.losses and self.losses[0][0] == position:
                raise self.losses.pop(0)[1]
            last = "stop" if position == len(WORDS) - 1 else None
            yield GenerationChunk(
                position=position, token_ids=(position,), text=WORDS[position],
                finish_reason=last, **told,
            )  # fmt: skip


class _Response:
    def __init__(self, chunks):
        self._chunks = chunks

    async def __anext__(self):
        return await anext(self._chunks)

    def cancel(self):
        pass


def rag(handle, traces):
    config, fake = GatewayConfig(), FakeStages()
    client = GeneratorClient(
        handle, timeouts=TimeoutSettings(), retries=Retries(FailoverSettings()),
        counters=TokenCounters(),
    )  # fmt: skip
    stages = Stages(
        embedder=fake, retriever=fake, reranker=fake, judge=fake, safety=fake,
        generator=ResumingGenerator(client, config.failover),
    )  # fmt: skip
    return RagPipeline(config, stages, traces.append)


async def asked(api_services, handle, **headers):
    traces = []
    services = replace(api_services, pipeline=rag(handle, traces))
    transport = httpx2.ASGITransport(build_app(services))
    async with AsyncOpenAI(
        base_url="http://ragfleet/v1", api_key="none", max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport),
    ) as client:  # fmt: skip
        reply = await client.chat.completions.create(
            model="rag", messages=[{"role": "user", "content": "What is two?"}],
            extra_headers=headers, extra_body={"rag": {"debug": True}},
        )  # fmt: skip
    return reply, traces[0]


def parent_of(span):
    return f"{span.parent.span_id:016x}" if span.parent else None


async def test_one_trace_goes_from_the_client_to_the_replicas_though_the_answer_moved(
    api_services, spans
):
    handle = Handle((2, RayActorError()))
    traceparent = f"00-{TRACE_ID}-{PARENT_ID}-01"
    reply, trace = await asked(api_services, handle, traceparent=traceparent)
    assert reply.choices[0].message.content.startswith("Text of two and more.")
    found = spans()
    assert {f"{span.context.trace_id:032x}" for span in found.values()} == {TRACE_ID}
    assert parent_of(found["rag.chat"]) == PARENT_ID
    assert found["generate"].parent.span_id == found["rag.chat"].context.span_id
    # Each replica was handed the span of its own attempt.
    assert [one.split("-")[1] for one in handle.contexts] == [TRACE_ID] * 2
    assert len({one.split("-")[2] for one in handle.contexts}) == 2
    assert handle.contexts[1].split("-")[2] == f"{found['generate.attempt'].context.span_id:016x}"
    assert trace.trace_id == TRACE_ID
    moved = [(one.replica, one.position, one.reason) for one in trace.findings.attempts]
    assert moved == [("replica-1", 0, ""), ("replica-2", 2, "replica_lost")]


async def test_a_lost_attempt_is_marked_with_the_kind_of_its_error_alone(
    api_services, spans, span_exporter
):
    await asked(api_services, Handle((1, RayActorError())))
    first, second = (s for s in span_exporter.get_finished_spans() if s.name == "generate.attempt")
    assert (first.status.status_code, first.status.description) == (
        StatusCode.ERROR, "replica_lost",
    )  # fmt: skip
    assert second.status.status_code == StatusCode.UNSET
    assert second.attributes["ragfleet.attempt"] == 1
    assert all(not span.events for span in span_exporter.get_finished_spans())
    told = str([dict(span.attributes) for span in span_exporter.get_finished_spans()])
    assert "two" not in told


async def test_what_the_client_does_not_sample_makes_no_spans_and_goes_on_as_such(
    api_services, spans
):
    handle = Handle()
    await asked(api_services, handle, traceparent=f"00-{TRACE_ID}-{PARENT_ID}-00")
    assert spans() == {}
    assert handle.contexts[0].startswith(f"00-{TRACE_ID}-")
    assert handle.contexts[0].endswith("-00")


@pytest.mark.parametrize("header", ["", "00-0-0-01", "x" * 500, f"00-{'0' * 32}-{PARENT_ID}-01"])
async def test_what_is_no_traceparent_begins_a_trace_of_its_own(api_services, spans, header):
    await asked(api_services, Handle(), traceparent=header)
    root = spans()["rag.chat"]
    assert root.parent is None


async def test_the_debug_of_a_reply_shows_the_same_as_a_tree(api_services, spans):
    reply, _ = await asked(api_services, Handle())
    tree = {one["stage"]: one for one in reply.rag["spans"]}
    assert {"condense", "retrieve", "rerank"} <= set(tree)
    assert all(one["latency_ms"] >= 0 for one in tree.values())


async def test_stages_that_are_made_within_others_stand_below_them(spans):
    trace = Trace("r")
    with trace.stage("outer"), trace.stage("inner"):
        pass
    (outer,) = tree(trace.spans)
    assert [one["stage"] for one in outer["below"]] == ["inner"]
    found = spans()
    assert found["inner"].parent.span_id == found["outer"].context.span_id


async def test_a_request_that_finds_no_room_has_its_error_in_its_trace(api_services, spans):
    class Full(Handle):
        async def _chunks(self, request, name):
            raise BackPressureError(num_queued_requests=1, max_queued_requests=1)
            yield

    with pytest.raises(Exception, match="is full"):
        await asked(api_services, Full())
    root = spans()["rag.chat"]
    assert root.status.description == root.attributes["error.type"] == "overloaded"
    assert spans()["generate"].attributes["error.type"] == "overloaded"


async def test_the_span_of_a_request_says_what_was_asked_and_which_model_answered(
    api_services, spans
):
    await asked(api_services, Handle())
    told = spans()["rag.chat"].attributes
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "ragfleet"
    assert told["gen_ai.response.model"] == "fake-model"
    assert told["gen_ai.usage.output_tokens"] == len(WORDS)
    assert "error.type" not in told
    with Trace("r"):
        pass
    assert spans()["rag.search"].attributes["gen_ai.operation.name"] == "retrieval"


def test_the_exporter_is_one_that_serve_takes():
    (processor,) = _load_span_processors("deployments.observing.spans:exporters", "")
    processor.shutdown()
    assert exporters.__name__ == "exporters"
