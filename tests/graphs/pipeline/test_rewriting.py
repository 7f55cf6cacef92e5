"""Queries of a search in other words, by the generator, or by what the store has."""

from dataclasses import replace

from graphs.caller import DEFAULT_CALLER
from graphs.config import GatewayConfig
from graphs.errors import OverloadedError
from graphs.pipeline.retrieval import Scope
from graphs.pipeline.trace import Trace
from tests.graphs.fake_stages import FakeStages, hit, pipeline


async def searched(fake, query, *, rewrites=True, **settings):
    config = {"retrieval": settings}
    scope = Scope(
        caller=DEFAULT_CALLER,
        stores=None,
        filters=None,
        settings=GatewayConfig.model_validate(config).retrieval,
        rewrites=rewrites,
    )
    trace = Trace("r")
    await pipeline(fake, **config).search([query], scope, trace)
    return trace


async def test_a_generator_that_writes_rewrites_the_query():
    fake = FakeStages(answer=("queue ", "bound"))
    trace = await searched(fake, "Hi, could you tell me the bound of queues?", condense="generate")
    assert trace.queries == ("queue bound",)
    assert fake.searches[-1].text == "queue bound"
    assert "could you" in fake.prompts[0].messages[-1].content


async def test_without_one_misspelt_words_are_read_as_the_store_has_them():
    fake = FakeStages(hits=(replace(hit(1), text="The compressor starts at noon."),), scores=(1,))
    trace = await searched(fake, "When does the comprssor start?", condense="join")
    assert trace.queries == ("When does the compressor start?",)
    assert fake.searches[-1].text == trace.queries[0]
    assert fake.prompts == []


async def test_a_query_stays_as_it_is_unless_asked_or_when_nobody_rewrites_it():
    fake = FakeStages()
    trace = await searched(fake, "comprssor", rewrites=False, condense="generate")
    assert (trace.queries, fake.prompts) == (("comprssor",), [])
    fake.failing["generate"] = OverloadedError("full")
    trace = await searched(fake, "comprssor", condense="generate")
    assert trace.queries == ("comprssor",)
    assert trace.degraded == ("rewrite",)
