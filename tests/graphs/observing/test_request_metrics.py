"""What the metrics tell of requests, read from the traces of the real pipeline."""

from dataclasses import replace

import pytest

from deployments.observing.metrics import MAX_VALUES, METRICS, OTHER
from graphs.caller import Caller
from graphs.errors import OverloadedError
from graphs.observing.observer import Observer
from graphs.observing.record import RecentRequests
from graphs.pipeline.trace import Trace
from graphs.settings import ObservingSettings
from tests.graphs.fake_stages import FakeStages, chat, pipeline
from tests.graphs.observing.recorder import RecordingMeter

QUESTION = chat("What is two?")
PRICES = {"input": 1_000_000.0, "output": 2_000_000.0, "currency": "EUR"}


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
    assert meter.of("ragfleet_retrieval_score")["reranker",] == pytest.approx(0.9)
    assert meter.of("ragfleet_passages_given") == {(): 2}
    assert meter.of("gen_ai_client_token_usage") == {("input",): 7, ("output",): 3}
    assert len(meter.values["gen_ai_server_time_to_first_token_seconds", "chat"]) == 1
    assert len(meter.values["gen_ai_server_time_per_output_token_seconds", "chat"]) == 1
    assert ("chat", "") in meter.of("gen_ai_server_request_duration_seconds")
    stages = {key[1] for key in meter.values if key[0] == "ragfleet_stage_duration_seconds"}
    assert stages >= {"check_question", "embed", "retrieve", "rerank", "generate", "check_answer"}


async def test_an_error_is_counted_by_its_kind_and_its_stage():
    meter, _ = await observed(FakeStages(failing={"embed": OverloadedError("full")}))
    assert meter.of("ragfleet_requests") == {("chat", "overloaded"): 1}
    assert meter.of("ragfleet_stage_errors")["embed", "overloaded"] == 1
    assert ("chat", "overloaded") in meter.of("gen_ai_server_request_duration_seconds")


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
