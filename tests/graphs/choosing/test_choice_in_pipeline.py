"""What is chosen, as pipeline, API and metrics tell it; the text of others is checked like ours."""

from dataclasses import replace

import pytest
from starlette.responses import JSONResponse

from graphs.choosing.begun import Begun
from graphs.choosing.chooser import Candidate, Candidates, Chooser
from graphs.choosing.elsewhere import Elsewhere
from graphs.choosing.router import RuleRouter
from graphs.config import GatewayConfig
from graphs.errors import OverloadedError, StageUnavailableError
from graphs.observing.observer import Observer
from graphs.observing_settings import ObservingSettings
from graphs.pipeline.events import Citation, Finished, Retrieved
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from graphs.settings import FallbackSettings, RoutingSettings
from tests.graphs.choosing.endpoint import piece
from tests.graphs.fake_stages import FakeStages, chat, text_of
from tests.graphs.observing.recorder import RecordingMeter

LONG = "What is two, and what does it mean for the others that come before it and after it today?"

PRICED = {
    "prices": {
        "output": 4_000_000, "writers": {"GeneratorSmall": {"output": 1_000_000}, "fallback": {}},
    }
}  # fmt: skip


class House:
    """A pipeline over fakes, with a small and a large generator and perhaps one elsewhere."""

    def __init__(self, url=None, **elsewhere):
        self.large, self.small = FakeStages(), FakeStages(answer=("Two. ", "[1]"))
        self.running = {"Generator": True, "GeneratorSmall": True}
        self.meter = RecordingMeter()
        settings = FallbackSettings(url=url, model="other/model", **elsewhere) if url else None
        candidates = Candidates(
            large=self._candidate("Generator", self.large),
            small=self._candidate("GeneratorSmall", self.small),
            elsewhere=settings and Candidate(
                name="fallback", stage=Elsewhere(settings, "key"),
                runs=lambda: not any(self.running.values()),
            ),
        )  # fmt: skip
        self.chooser = Chooser(
            candidates, router=RuleRouter(RoutingSettings(router="rule", max_question_words=10)),
            wakes=False, begun=Begun(),
        )  # fmt: skip
        fake = self.large
        stages = Stages(
            embedder=fake, retriever=fake, reranker=fake, judge=fake, safety=fake, generator=fake,
            choose=self.chooser,
        )  # fmt: skip
        observer = Observer(ObservingSettings.model_validate(PRICED), self.meter, "gateway-1")
        self.pipeline = RagPipeline(GatewayConfig(), stages, observer)

    def _candidate(self, name, stage):
        return Candidate(name=name, stage=stage, runs=lambda: self.running[name])

    def gone(self):
        self.chooser.chosen(chat("seen"), (), is_reranked=True)
        self.running = dict.fromkeys(self.running, False)
        lost = {"generate": StageUnavailableError("gone")}
        self.large.failing, self.small.failing = lost, lost

    async def answer(self, question="What is two?", **fields):
        asked = replace(chat(question), **fields)
        return [event async for event in self.pipeline.answer(asked)]


@pytest.mark.parametrize(("question", "cost"), [("What is two?", 2 * 1), (LONG, 3 * 4)])
async def test_an_answer_costs_what_its_generator_does(question, cost):
    house = House()
    await house.answer(question)
    assert house.meter.of("ragfleet_cost") == {("USD",): cost}


@pytest.mark.parametrize(
    ("question", "writer", "text"),
    [("What is two?", "GeneratorSmall", "Two. [1]"), (LONG, "Generator", "Text of 2. [1]")],
)
async def test_the_rule_sends_a_short_question_to_the_small_one(question, writer, text):
    house = House()
    events = await house.answer(question)
    assert text_of(events).startswith(text)
    (retrieved,) = [event for event in events if isinstance(event, Retrieved)]
    assert retrieved.writer == writer
    assert house.meter.of("ragfleet_written_answers") == {(writer,): 1}


async def test_without_scores_of_the_reranker_a_question_is_hard():
    house = House()
    house.large.failing = {"rerank": StageUnavailableError("gone")}
    await house.answer()
    assert house.meter.of("ragfleet_written_answers") == {("Generator",): 1}


async def test_several_choices_are_of_the_one_that_was_chosen():
    house = House()
    await house.answer(num_choices=3)
    assert len(house.small.prompts) == 3
    assert not house.large.prompts


async def test_an_answer_from_elsewhere_cites_our_passages_alone(served, server):
    server.pieces = [piece("Text of "), piece("2. [1"), piece("] More. [9]"), piece(finish="stop")]
    house = House(served[1])
    house.gone()
    events = await house.answer()
    (retrieved,) = [event for event in events if isinstance(event, Retrieved)]
    assert (retrieved.writer, retrieved.model) == ("fallback", "other/model")
    assert text_of(events) == "Text of 2. [1] More."
    (cited,) = [event for event in events if isinstance(event, Citation)]
    assert cited.passage.file_id == "file-2"
    assert house.meter.of("ragfleet_written_answers") == {("fallback",): 1}
    assert "Text of 2." in server.asked[0]["messages"][-1]["content"]  # it has left the house


async def test_an_answer_from_elsewhere_passes_the_safety_filter(served, server):
    server.pieces = [piece("Something vile, at length. " * 9), piece(finish="stop")]
    house = House(served[1])
    house.gone()
    house.large.harmful = "vile"
    events = await house.answer()
    assert text_of(events) == ""
    assert isinstance(events[-1], Finished)
    assert events[-1].finish_reason == "content_filter"


async def test_what_the_filter_refuses_never_leaves_the_house(served, server):
    house = House(served[1])
    house.gone()
    house.large.harmful = "What is two"
    events = await house.answer()
    assert events[-1].finish_reason == "content_filter"
    assert not server.asked


@pytest.mark.parametrize(("status", "kind"), [(500, StageUnavailableError), (429, OverloadedError)])
async def test_a_fallback_that_fails_is_an_error_before_anything_was_told(
    served, server, status, kind
):
    server.reply = lambda _: JSONResponse({"error": {"message": "no"}}, status_code=status)
    house = House(served[1])
    house.gone()
    events = house.pipeline.answer(chat("What is two?"))
    with pytest.raises(kind):
        await anext(events)


async def test_no_question_leaves_while_a_generator_runs(served, server):
    house = House(served[1])
    house.large.failing = {"generate": OverloadedError("full")}
    house.small.failing = {"generate": OverloadedError("full")}
    with pytest.raises(OverloadedError):
        await house.answer()
    assert not server.asked
