"""The page in Chromium stays where somebody is: focus, scrolling, selections, dialogs, drops."""

from dataclasses import replace

from graphs.observing.answers import AnswerState
from tests.browser import focused, needs_chromium, view_async, violations_async
from tests.graphs.api.page.conftest import node

pytestmark = needs_chromium

_SELECT = """(cell) => getSelection().selectAllChildren(cell)"""
_SELECTED = "() => getSelection().toString()"


def answer(number):
    return AnswerState(
        request_id=f"request-{number}", tenant="default", ended_at=1_700_000_000 + number,
        outcome="answered", latency_ms=7, tokens=8, passages=9, migrations=0, degraded=(),
    )  # fmt: skip


async def test_what_changes_in_the_system_takes_no_focus_scrolling_or_selection(open_page, system):
    first = replace(system.state, answers=(answer(2), answer(1)))
    system.state = first
    async with open_page(viewport={"width": 390, "height": 844}) as page:
        await view_async(page, "System")
        region = page.get_by_role("region", name="Nodes")
        await region.focus()
        await region.evaluate("(one) => { one.scrollLeft = 40; }")
        await page.locator("code", has_text="request-1").evaluate(_SELECT)
        leaving = replace(first.nodes[2], leaves_at=1_700_000_030.0)
        nodes = (first.nodes[0], leaving, node("n4"))
        answers = (answer(3), *first.answers)
        system.state = replace(first, nodes=nodes, answers=answers, tokens_per_s=5.0)
        await page.locator("code", has_text="request-3").wait_for()
        told = page.get_by_role("region", name="Last answers and searches").locator("tbody code")
        assert await told.all_inner_texts() == ["request-3", "request-2", "request-1"]
        rows = region.locator("tbody tr")
        assert [text.split("\t")[0] for text in await rows.all_inner_texts()] == [
            "10.0.0.1 · n1", "10.0.0.1 · n3", "10.0.0.1 · n4",
        ]  # fmt: skip
        assert "leaving by" in await rows.nth(1).inner_text()
        assert await focused(page) == "Nodes"
        assert await region.evaluate("(one) => one.scrollLeft") == 40
        assert await page.evaluate(_SELECTED) == "request-1"
        assert await violations_async(page) == []


async def key_dialog(page):
    await page.get_by_role("button", name="API key").click()
    box = page.get_by_role("dialog")
    await box.get_by_label("Key", exact=True).fill("rf-secret")
    return box, await box.bounding_box()


async def drag(page, start, end):
    await page.mouse.move(*start)
    await page.mouse.down()
    await page.mouse.move(*end, steps=4)
    await page.mouse.up()


async def test_a_dialog_is_closed_by_a_click_beside_it_alone(open_page):
    async with open_page() as page:
        box, at = await key_dialog(page)
        padding = (at["x"] + 5, at["y"] + at["height"] - 5)
        beside = (at["x"] - 60, at["y"] + 60)
        await page.mouse.click(*padding)
        assert await box.count() == 1
        field = await box.get_by_label("Key", exact=True).bounding_box()
        inside = (field["x"] + 20, field["y"] + field["height"] / 2)
        await drag(page, inside, beside)  # selects what is written
        assert await box.count() == 1
        await drag(page, beside, padding)
        assert await box.count() == 1
        assert await box.get_by_label("Key", exact=True).input_value() == "rf-secret"
        await page.mouse.click(*beside)
        await box.wait_for(state="detached")
        assert await page.locator("#key-button").inner_text() == "API key"


async def test_a_file_that_is_dropped_beside_its_place_leaves_the_page(open_page, tmp_path):
    path = tmp_path / "heron.md"
    path.write_text("Its name is Agatha.")
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    async with open_page() as page:
        session = await page.context.new_cdp_session(page)
        question = page.get_by_role("textbox", name="Question")
        for view in ("Documents", "System", "Ask"):
            await view_async(page, view)
            if view == "Ask":
                await question.fill("A question that is not sent yet")
            url = page.url
            for kind in ("dragEnter", "dragOver", "dragOver", "drop"):
                where = {"type": kind, "x": 200, "y": 90, "data": data}
                await session.send("Input.dispatchDragEvent", where)
            await page.wait_for_timeout(300)
            assert page.url == url
            assert len(page.context.pages) == 1
        assert await question.input_value() == "A question that is not sent yet"
