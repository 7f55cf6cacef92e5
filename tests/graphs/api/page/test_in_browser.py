"""The page in Chromium over a scripted pipeline: what it makes of answers, files and errors."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace

from graphs.errors import StageUnavailableError
from graphs.observing.at_work import QueueState
from graphs.observing.moves import Move
from graphs.pipeline.events import Citation, Finished, Moved, Retrieved, TextDelta, Thought, Usage
from tests.browser import copied, needs_chromium, violations_async
from tests.graphs.api.page.conftest import LOCAL

pytestmark = needs_chromium

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


async def ask(page, question):
    await page.get_by_role("textbox", name="Question").fill(question)
    await page.keyboard.press("Enter")


async def done(page, text="Answer complete"):
    await page.locator("#status", has_text=text).wait_for(state="attached")


async def test_what_models_and_documents_say_is_text_and_never_html(
    open_page, api_pipeline, api_passage
):
    passage = replace(api_passage, title=HOSTILE, text=HOSTILE)
    api_pipeline.script = [
        Retrieved(passages=(passage,), search_query=HOSTILE, timings=()),
        Thought(text=HOSTILE),
        TextDelta(text=f"{HOSTILE} [link](javascript:alert(1)) **bold** [1] [7]"),
        Citation(start=0, end=1, passage=passage),
        Finished(finish_reason="stop", usage=Usage(num_prompt_tokens=1, num_completion_tokens=1)),
    ]
    async with open_page() as page:
        await ask(page, HOSTILE)
        await done(page)
        await page.get_by_text("Why this answer").click()
        answer = page.locator(".text")
        assert HOSTILE in await answer.inner_text()
        assert await answer.locator("strong").inner_text() == "bold"
        assert "[7]" in await answer.inner_text()  # a source that is not there
        assert await page.locator("main img, main script, main a[href^=javascript]").count() == 0
        assert await page.title() == "Ask · Ragfleet"
        assert await violations_async(page) == []


async def test_an_answer_that_moved_or_lacks_a_stage_says_so(open_page, api_pipeline):
    *before, last = api_pipeline.script
    moved = {"num_migrations": 2, "degraded": ("rerank",)}
    pause = asyncio.Event()
    api_pipeline.script = [*before[:2], pause, *before[2:], replace(last, **moved)]
    async with open_page() as page:
        await ask(page, "Where do requests wait?")
        await page.locator(".note", has_text="The answer pauses.").wait_for()
        pause.set()
        await page.locator(".note", has_text="moved to another replica 2 times").wait_for()
        await page.get_by_text("Why this answer").click()
        assert "rerank" in await page.locator(".why").inner_text()


async def test_a_move_is_told_while_the_answer_goes_on(open_page, api_pipeline):
    *before, last = api_pipeline.script
    api_pipeline.script = [*before[:2], Moved(num_migrations=1), *before[2:], 60.0, last]
    async with open_page() as page:
        await ask(page, "Where do requests wait?")
        await page.locator(".note.moved", has_text="moved to another replica.").wait_for()
        assert await page.locator("article[aria-busy]").count() == 1
        assert "moved" in await page.locator("#status").inner_text()
        await page.get_by_role("button", name="Stop").click()
        await page.locator(".note", has_text="Stopped.").wait_for()


async def test_an_answer_that_was_stopped_or_failed_is_asked_again(open_page, api_pipeline):
    script = api_pipeline.script
    api_pipeline.script = [*script[:2], 60.0]
    async with open_page() as page:
        await ask(page, "Where do requests wait?")
        await page.locator(".text", has_text="Requests wait in a").wait_for()
        await page.get_by_role("button", name="Stop").click()
        await page.locator(".note", has_text="Stopped.").wait_for()
        await api_pipeline.closed.wait()
        api_pipeline.script = [StageUnavailableError("the retriever does not answer")]
        await page.get_by_role("button", name="Retry").click()
        await page.locator(".note.problem", has_text="retriever").wait_for()
        api_pipeline.script = script
        await page.get_by_role("button", name="Retry").click()
        await done(page)
        assert await page.locator(".turn").count() == 1
        await ask(page, "And then?")
        await page.locator(".turn").nth(1).wait_for()
        await page.locator(".tools").nth(1).wait_for()
    said = [one.content for one in api_pipeline.requests[-1].messages]
    assert said == ["Where do requests wait?", "Requests wait in a bounded queue. [1]", "And then?"]


async def test_thumbs_comment_and_correction_reach_the_server(open_page, api_http):
    async with open_page() as page:
        await ask(page, "Where do requests wait?")
        await done(page)
        await page.get_by_role("button", name="Bad answer").click()
        await page.get_by_label("What should have been answered?").fill("In a queue of 64.")
        await page.get_by_role("button", name="Send").click()
        await page.locator("form .muted", has_text="Noted, thank you.").wait_for()
    (said,) = (await api_http.get("/v1/feedback")).json()["data"]
    assert (said["rating"], said["corrected_answer"]) == ("down", "In a queue of 64.")
    assert said["question"] == "Where do requests wait?"
    assert said["contexts"] == ["Requests wait in a bounded queue."]


async def test_the_key_is_kept_for_the_session_alone_and_sent(open_page):
    async with open_page() as page:
        await page.get_by_role("button", name="API key").click()
        await page.get_by_label("Key", exact=True).fill("rf-secret")
        assert await violations_async(page) == []
        async with page.expect_request("**/v1/vector_stores*") as sent:
            await page.get_by_role("button", name="Use this key").click()
        headers = await (await sent.value).all_headers()
        assert headers["authorization"] == "Bearer rf-secret"
        stored = await page.evaluate("() => JSON.stringify([{...localStorage}, document.cookie])")
        assert json.loads(stored) == [{}, ""]
        await page.get_by_role("button", name="API key set").click()
        await page.get_by_role("button", name="Forget it").click()
        assert await page.evaluate("() => sessionStorage.length") == 0


async def test_the_views_work_by_keyboard_on_a_phone_in_the_dark(open_page, system):
    async with open_page(viewport={"width": 390, "height": 844}, color_scheme="dark") as page:
        for view in ("Documents", "System", "Ask"):
            link = page.get_by_role("link", name=view, exact=True)
            await link.focus()
            await page.keyboard.press("Enter")
            await page.locator(f"section.{view.lower()} h1").wait_for(state="attached")
            assert await violations_async(page) == []
            width = await page.evaluate("() => document.documentElement.scrollWidth")
            assert width <= 390, view
            if view == "System":
                generator = page.locator(".deployment", has_text="Generator")
                assert (
                    "2 of 2 replicas, scaled 1 to 4 · 0.5 GPU each" in await generator.inner_text()
                )
                a, b = system.state.deployments[0].replicas
                stopping = replace(b, state="STOPPING")
                scaled = replace(system.state.deployments[0], target=1, replicas=(a, stopping))
                gone = replace(system.state.nodes[0], alive=False)
                nodes = (gone, *system.state.nodes[1:])
                system.state = replace(system.state, deployments=(scaled,), nodes=nodes)
                changes = page.locator(".changes")
                await changes.get_by_text("replica b went from running to stopping").wait_for()
                told = await changes.inner_text()
                assert "Generator: scaled from 2 to 1." in told
                assert "Node 10.0.0.1 left." in told
                assert "11 calls in work (8 slots a replica), 3 of 10 waiting" in (
                    await generator.inner_text()
                )
                full = QueueState(waiting=9, working=16)
                system.state = replace(system.state, queues={"Generator": full})
                await changes.get_by_text("Alarm: Generator (page).").wait_for()
                alarm = await page.get_by_role("list", name="Alarms").inner_text()
                assert "9 of 10 places of its queue are taken" in alarm
                assert await violations_async(page) == []


def move(number, **told):
    one = Move(
        id=str(number), at=1_700_000_000, tenant="default", request_id=f"request-{number}",
        reason="replica_lost", position=number,
    )  # fmt: skip
    return replace(one, **told)


async def test_moves_and_notices_are_told_as_they_happen_and_read_out(open_page, system):
    system.state = replace(system.state, moves=(move(1),))
    async with open_page() as page:
        await page.get_by_role("link", name="System").click()
        log = page.get_by_role("log", name="What has changed")
        await log.get_by_text("after 1 token (replica lost), request request-1.").wait_for()
        more = (move(7, tenant="acme", at=1_700_000_009), move(1))
        leaving = replace(system.state.nodes[0], leaves_at=1_700_000_030.0)
        nodes = (leaving, *system.state.nodes[1:])
        system.state = replace(system.state, moves=more, nodes=nodes)
        await log.get_by_text("another replica after 7 tokens (replica lost).").wait_for()
        assert await log.get_attribute("aria-live") == "polite"
        await log.get_by_text("Node 10.0.0.1 (spot) is to leave by").wait_for()
        await page.locator("td", has_text="leaving by").wait_for()
        together = tuple(move(number, at=1_700_000_020) for number in range(20, 16, -1))
        system.state = replace(system.state, moves=(*together, *more))
        await log.get_by_text("4 answers went on at other replicas (replica lost).").wait_for()
        assert await log.locator(".moved").count() == 3  # each once
        assert await violations_async(page) == []


async def test_a_config_is_compared_with_what_runs(open_page, system):
    text = LOCAL.read_text()
    changed = text.replace("max_ongoing_requests:", "max_ongoing_requests: 7 #", 1)
    async with open_page() as page:
        await page.get_by_role("link", name="System").click()
        await page.get_by_text("What would a deploy change?").click()
        file = {"name": "local.yaml", "mimeType": "text/yaml", "buffer": changed.encode()}
        await page.set_input_files("input[type=file]", files=[file])
        await page.locator(".plan td", has_text="max_ongoing_requests").wait_for()
        assert "in place" in await page.locator(".plan table").inner_text()
        assert await violations_async(page) == []
        await page.get_by_label("Config (YAML)").fill(text.replace("user_config:", "user_cfg:", 1))
        await page.get_by_role("button", name="Compare").click()
        await page.locator(".plan .faults", has_text="user_cfg").wait_for()


def answering(data):
    async def answer(route):
        await route.fulfill(json={"object": "list", "data": data})

    return answer


async def test_keys_and_usage_are_tables_without_what_no_row_has(open_page):
    keys = [
        {"object": "api_key", "id": "key_1", "scopes": ["query", "admin"], "groups": [],
         "limits": {"requests_per_min": 60}, "revoked_at": None, "created_at": 1_700_000_000},
    ]  # fmt: skip
    usage = [{"object": "usage", "day": "2026-11-29", "key_id": "key_1", "num_prompt_tokens": 7}]
    async with open_page() as page:
        await page.route("**/admin/v1/keys", answering(keys))
        await page.route("**/admin/v1/usage", answering(usage))
        await page.get_by_role("link", name="Keys and usage").click()
        await page.locator("table").nth(1).wait_for()
        head = await page.locator("table").first.locator("th").all_inner_texts()
        assert head == ["id", "Change", "scopes", "limits", "created at"]
        text = await page.locator("main").inner_text()
        assert "requests_per_min: 60" in text
        assert "This server asks for no key." in text
        assert "query, admin" in text
        assert "prompt tokens" in text
        assert await violations_async(page) == []


async def test_the_copied_requests_run_and_give_the_same_answer(open_page, api_pipeline):
    async with open_page(permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.get_by_text("Search options").click()
        await page.get_by_label("Search by").select_option("dense")
        await page.get_by_role("button", name="Add a condition").click()
        await page.get_by_label("Attribute").fill("year")
        await page.get_by_label("Value", exact=True).fill("2026")
        await ask(page, 'Where\'s "the queue"?')
        await done(page)
        for name, command in (("Python", [sys.executable, "-c"]), ("a curl", ["bash", "-c"])):
            control = page.get_by_role("button", name=f"Copy the request as {name}")
            text = await copied(page, control)
            process = await asyncio.create_subprocess_exec(
                *command, text, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            told, error = await process.communicate()
            assert "Requests wait in a bounded queue. [1]" in told.decode(), error.decode()
    first, *others = api_pipeline.requests
    assert len(others) == 2
    for other in others:
        assert (other.messages, other.filters) == (first.messages, first.filters)
        assert other.retrieval.mode == "dense"
