"""*Ask* of the page in Chromium: where is searched, and the stages of an answer in time."""

from dataclasses import replace

from graphs.pipeline.events import Span
from tests.browser import TIMELINE, late_bars, needs_chromium, violations_async

pytestmark = needs_chromium

QUESTION = "Where do requests wait?"
SPANS = (
    Span(stage="check_question", start_ms=0, end_ms=30, number=0),
    Span(stage="retrieve", start_ms=10, end_ms=250, number=1),
    Span(stage="embed", start_ms=12, end_ms=40, number=2, above=1),
    Span(stage="rerank", start_ms=60, end_ms=240, number=3, above=1, error="unavailable"),
    Span(stage="judge", start_ms=100, end_ms=200, number=4, above=3),
    Span(stage="generate", start_ms=250, end_ms=300, number=5),
)


async def ask(page, number=0):
    await page.get_by_role("textbox", name="Question").fill(QUESTION)
    await page.keyboard.press("Enter")
    await page.locator(".tools").nth(number).wait_for()


async def test_the_chosen_store_is_asked_until_another_is(open_page, api_http, api_pipeline):
    ids = {}
    for name in ("minutes", "manuals"):
        made = await api_http.post("/v1/vector_stores", json={"name": name})
        ids[name] = made.json()["id"]
    async with open_page() as page:
        await page.get_by_text("Search options").click()
        store = page.get_by_label("Vector store")
        told = store.locator("option")
        await told.filter(has_text="manuals").wait_for(state="attached")
        assert set(await told.all_inner_texts()) == {"Default store", *ids}
        assert await violations_async(page) == []
        await ask(page)
        await store.select_option("manuals")
        await ask(page, 1)
        await page.get_by_role("button", name="New chat").click()
        await page.get_by_role("heading", name="Ask your documents").wait_for()
        await ask(page)  # what is chosen stays
        await store.select_option("Default store")
        await ask(page, 1)
    asked = [one.stores for one in api_pipeline.requests]
    assert asked == [None, (ids["manuals"],), (ids["manuals"],), None]


async def test_a_store_that_is_gone_is_no_longer_chosen(open_page, api_http, api_pipeline):
    made = await api_http.post("/v1/vector_stores", json={"name": "minutes"})
    async with open_page() as page:
        await page.get_by_text("Search options").click()
        store = page.get_by_label("Vector store")
        await store.select_option("minutes")
        await api_http.delete(f"/v1/vector_stores/{made.json()['id']}")
        await page.get_by_role("button", name="New chat").click()
        await page.get_by_text("There are none yet").wait_for()
        assert await store.locator("option").all_inner_texts() == ["Default store"]
        await ask(page)
    assert [one.stores for one in api_pipeline.requests] == [None]


async def test_a_stage_stands_below_the_one_that_made_it_and_none_ends_too_late(
    open_page, api_pipeline
):
    *before, last = api_pipeline.script
    api_pipeline.script = [*before, 0.3, replace(last, spans=SPANS)]
    async with open_page() as page:
        await ask(page)
        await page.get_by_text("Why this answer").click()
        timeline = await page.evaluate(TIMELINE)
        assert late_bars(timeline) == []
        assert await violations_async(page) == []
        left = [(await one.bounding_box())["x"] for one in await page.locator(".spans .bar").all()]
    bars = timeline["bars"]
    assert [(one["name"], one["depth"], one["ms"]) for one in bars] == [
        ("Safety of the question", 0, 30),
        ("Search", 0, 240),
        ("Embedding", 1, 28),
        ("Reranking (unavailable)", 1, 180),
        ("Judging", 2, 100),
        ("Writing", 0, 50),
    ]
    assert [one["is_bad"] for one in bars] == [False, False, False, True, False, False]
    _, search, embedding, reranking, judging, _ = bars
    for inner, outer in ((embedding, search), (reranking, search), (judging, reranking)):
        assert outer["start"] <= inner["start"] <= inner["end"] <= outer["end"]
    assert left == sorted(left)  # drawn where they begin
