"""What the metrics tell of requests, read from the traces of the real pipeline."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import get_args

import pytest
from pydantic import ValidationError

from deployments.observing.metrics import MAX_VALUES, METRICS, OTHER
from graphs.caller import Caller
from graphs.choosing.chooser import FALLBACK
from graphs.errors import OverloadedError
from graphs.observing.observer import Observer
from graphs.observing.record import RecentRequests
from graphs.observing_settings import FIRST, ObservingSettings, WriterName
from graphs.pipeline.events import Generated
from graphs.pipeline.trace import Trace
from graphs.serve_config.blocks import BLOCKS, CANARY, SMALL
from tests.graphs.fake_stages import FakeStages, chat, hit, pipeline
from tests.graphs.observing.recorder import RecordingMeter

QUESTION = chat("What is two?")
PRICES = {"input": 1_000_000.0, "output": 2_000_000.0, "currency": "EUR"}


CHAT = ("chat", "ragfleet")  # gen_ai_operation_name, gen_ai_provider_name


async def observed(fake, request=QUESTION, settings=None, **config):
    meter = RecordingMeter()
    observer = Observer(ObservingSettings.model_validate(settings or {}), meter, "gateway-1")
    try:
        async for _ in pipeline(fake, observer, **config).answer(request):
            pass
    except OverloadedError:
        pass
    return meter, observer


async def test_an_answer_is_counted_with_its_tokens_stages_and_scores():
    meter, _ = await observed(FakeStages(), settings={"prices": PRICES})
    assert meter.of("ragfleet_requests") == {("chat", "answered"): 1}
    assert meter.of("ragfleet_tokens") == {("input", "generate"): 7, ("output", "generate"): 3}
    assert meter.of("ragfleet_cost") == {("EUR",): 7 + 2 * 3}
    assert meter.of("ragfleet_retrieval_score")["reranker", "vs_1"] == pytest.approx(0.9)
    assert meter.of("ragfleet_passages_given") == {("vs_1",): 2}
    assert meter.of("gen_ai_client_token_usage") == {(*CHAT, "input"): 7, (*CHAT, "output"): 3}
    assert len(meter.values["gen_ai_server_time_to_first_token_seconds", *CHAT]) == 1
    assert len(meter.values["gen_ai_server_time_per_output_token_seconds", *CHAT]) == 1
    assert (*CHAT, "") in meter.of("gen_ai_server_request_duration_seconds")
    stages = {key[1] for key in meter.values if key[0] == "ragfleet_stage_duration_seconds"}
    assert stages >= {"check_question", "embed", "retrieve", "rerank", "generate", "check_answer"}


@dataclass
class Slow(FakeStages):
    """Begins after a while, then writes `answer`, a piece each `delay_s`; notes when.

    Attributes:
        given_at: when each piece was given away, just before the pipeline had it.
        asked_at: when the next one was asked for, just after.
    """

    given_at: list = field(default_factory=list)
    asked_at: list = field(default_factory=list)

    async def stream(self, request):
        await asyncio.sleep(0.3)
        async for chunk in super().stream(request):
            self.given_at.append(time.perf_counter())
            yield chunk
            self.asked_at.append(time.perf_counter())


async def test_the_time_of_a_token_begins_after_the_first_one():
    fake = Slow(answer=("a ", "b ", "c ", "d ", "e."), delay_s=0.02)
    meter, _ = await observed(fake)
    (each,) = meter.values["gen_ai_server_time_per_output_token_seconds", *CHAT]
    shortest_s = fake.given_at[-1] - fake.asked_at[0]  # however long the process stood still
    longest_s = fake.asked_at[-1] - fake.given_at[0]
    assert max(0.02, shortest_s / 4) <= each <= longest_s / 4
    meter, _ = await observed(Slow(answer=("a.",)))
    assert "gen_ai_server_time_per_output_token_seconds" not in {key[0] for key in meter.values}


async def test_a_search_is_what_the_conventions_call_a_retrieval():
    meter, trace = RecordingMeter(), Trace("r", "search")
    with trace:
        trace.outcome = "answered"
    Observer(ObservingSettings(), meter)(trace)
    told = meter.of("gen_ai_server_request_duration_seconds")
    assert told.keys() == {("retrieval", "ragfleet", "")}
    assert meter.of("ragfleet_requests") == {("search", "answered"): 1}


def test_buckets_are_those_of_the_conventions():
    usage = METRICS["gen_ai_client_token_usage"].buckets
    assert (usage[0], usage[1], usage[-1], len(usage)) == (1, 4, 67_108_864, 14)
    first = METRICS["gen_ai_server_time_to_first_token_seconds"].buckets
    assert (first[0], first[-3], first[-1]) == (0.001, 10.0, 60.0)


async def test_scores_and_passages_are_of_the_store_of_the_best_passage():
    others = (replace(hit(1), store_id="vs_9"), replace(hit(2), store_id="vs_2"), hit(3))
    meter, _ = await observed(FakeStages(hits=others))
    assert {store for _, store in meter.of("ragfleet_retrieval_score")} == {"vs_2"}
    assert meter.of("ragfleet_passages_given").keys() == {("vs_2",)}
    without = FakeStages(hits=others, failing={"rerank": OverloadedError("full")})
    meter, _ = await observed(without)
    assert meter.of("ragfleet_retrieval_score").keys() == {("cosine", "vs_9")}
    meter, _ = await observed(FakeStages(hits=()))
    assert meter.of("ragfleet_retrieval_score") == {}


def test_every_generator_may_have_prices():
    assert set(get_args(WriterName)) == {FIRST, SMALL, CANARY, FALLBACK}
    assert FIRST in BLOCKS


async def test_tokens_cost_what_those_of_their_generator_do():
    writers = {"fallback": {"input": 3_000_000, "output": 5_000_000}, "Generator": {"input": 0}}
    prices = ObservingSettings.model_validate({"prices": {**PRICES, "writers": writers}})

    def cost(writer):
        meter, trace = RecordingMeter(), Trace("r", "chat")
        counts = {"num_prompt_tokens": 7, "num_completion_tokens": 3}
        trace.count(Generated(stage="generate", writer=writer, **counts))
        Observer(prices, meter)(trace)
        return meter.of("ragfleet_cost").get(("EUR",), 0)

    assert cost("fallback") == 3 * 7 + 5 * 3
    assert cost("GeneratorSmall") == 7 + 2 * 3
    assert cost("Generator") == cost("") == 0
    with pytest.raises(ValidationError):
        ObservingSettings.model_validate({"prices": {"writers": {"Fallback": {"input": 1}}}})


async def test_an_error_is_counted_by_its_kind_and_its_stage():
    meter, _ = await observed(FakeStages(failing={"embed": OverloadedError("full")}))
    assert meter.of("ragfleet_requests") == {("chat", "overloaded"): 1}
    assert meter.of("ragfleet_stage_errors")["embed", "overloaded"] == 1
    assert (*CHAT, "overloaded") in meter.of("gen_ai_server_request_duration_seconds")


async def test_what_is_left_out_declined_or_refused_is_counted():
    meter, _ = await observed(FakeStages(failing={"rerank": OverloadedError("full")}))
    assert meter.of("ragfleet_degraded") == {("rerank",): 1}
    meter, _ = await observed(FakeStages(scores=(0, 0, 0)))
    assert meter.of("ragfleet_requests") == {("chat", "declined"): 1}
    meter, _ = await observed(FakeStages(harmful="two"))
    assert meter.of("ragfleet_refusals") == {("question", "hate"): 1}


class Moving(FakeStages):
    """Another replica writes from the second piece on."""

    async def stream(self, request):
        async for chunk in super().stream(request):
            yield replace(chunk, attempt=min(chunk.position, 1))


async def test_an_answer_that_moves_is_counted():
    meter, _ = await observed(Moving())
    assert meter.of("ragfleet_migrations") == {(): 1}


async def test_a_client_that_leaves_is_counted_as_such():
    meter = RecordingMeter()
    observer = Observer(ObservingSettings(), meter)
    events = pipeline(FakeStages(), observer).answer(QUESTION)
    await anext(events)
    await events.aclose()
    assert meter.of("ragfleet_requests") == {("chat", "cancelled"): 1}


def test_labels_have_few_values_whatever_comes():
    meter = RecordingMeter()
    for number in range(3 * MAX_VALUES):
        meter.record("ragfleet_index_passages", 1, store=f"vs_{number}")
    assert len(meter.of("ragfleet_index_passages")) == MAX_VALUES + 1
    assert meter.of("ragfleet_index_passages")[OTHER,] == 2 * MAX_VALUES


def test_a_metric_or_label_that_is_not_in_the_table_is_refused():
    with pytest.raises(KeyError):
        RecordingMeter().record("ragfleet_unheard_of", 1)
    with pytest.raises(KeyError):
        RecordingMeter().record("ragfleet_requests", 1, operation="chat")


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_made_as_ray_wants_it(name):
    metric = METRICS[name]
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert not name.endswith("_total"), "Ray adds that"


async def test_requests_are_kept_with_texts_or_without_the_newest_of_an_id_first():
    _, observer = await observed(FakeStages())
    record = observer.recent.find("r", "default")
    assert record.replica == "gateway-1"
    assert record.findings.searches[0].queries == ("What is two?",)
    assert observer.recent.find("other", "default") is None
    _, observer = await observed(FakeStages(), settings={"recent_texts": False})
    assert "two" not in str(observer.recent.find("r", "default").findings)


async def test_each_tenant_finds_its_own_request_of_an_id_that_others_chose_too():
    recent = RecentRequests(ObservingSettings())
    for number, tenant in enumerate(("acme", "birch", "acme", "cedar")):
        trace = Trace("same", caller=Caller(tenant=tenant))
        trace.num_passages = number
        recent.keep(trace)
    found = [recent.find("same", one) for one in ("acme", "birch", "cedar", "default")]
    assert [one and one.num_passages for one in found] == [2, 1, 3, None]
    assert recent.find("same", "acme", since=trace.began_at + 1) is None  # of one that ended


async def test_no_more_requests_are_kept_than_the_settings_say():
    observer = Observer(ObservingSettings(recent_requests=2), RecordingMeter())
    for number in range(5):
        request = replace(QUESTION, request_id=f"r{number}")
        async for _ in pipeline(FakeStages(), observer).answer(request):
            pass
    assert [observer.recent.find(f"r{n}", "default") is not None for n in range(5)] == [
        False
    ] * 3 + [True] * 2
    none = Observer(ObservingSettings(recent_requests=0), RecordingMeter())
    none(Trace("r"))
    assert none.recent.find("r", "default") is None
