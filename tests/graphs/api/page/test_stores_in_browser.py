"""Stores on the page in Chromium: very many, with many files, who sees them, what is found."""

from itertools import pairwise

import pytest

from tests.browser import focused, needs_chromium, view_async, violations_async

pytestmark = needs_chromium

POLL_MS = 2_000  # of store_files.js
# When the page itself asks for such a path, by its own clock: another process may stand still.
ASKED_AT = """(path) => {
    const [ask, asked] = [window.fetch, []];
    window.fetch = (url, ...rest) => {
        if (String(url).includes(path)) asked.push(performance.now());
        return ask(url, ...rest);
    };
    return asked;
}"""
# By a timer of the page, so that those of its own that are due sooner come first.
WAIT = "(ms) => new Promise((wake) => { setTimeout(wake, ms); })"


@pytest.fixture
def put(api_http):
    """Makes a store of files with these names and attributes; gives its id."""

    async def made(name, files):
        store = (await api_http.post("/v1/vector_stores", json={"name": name})).json()["id"]
        for filename, (text, attributes) in files.items():
            form = {"purpose": "assistants"}
            sent = await api_http.post("/v1/files", data=form, files={"file": (filename, text)})
            body = {"file_id": sent.json()["id"], "attributes": attributes}
            await api_http.post(f"/v1/vector_stores/{store}/files", json=body)
        return store

    return made


def listing(page, path):
    """The requests of a page that list this path, as they come."""
    asked = []
    page.on("request", lambda one: asked.append(one.url) if f"{path}?" in one.url else None)
    return asked


async def test_many_files_are_shown_by_the_hundred_with_their_names(open_page, put):
    await put("minutes", {f"file-{number}.md": (b"Agatha.", {}) for number in range(101)})
    async with open_page() as page:
        others = listing(page, "/v1/files")
        await view_async(page, "Documents")
        more = page.get_by_role("button", name="Show more files")
        await page.get_by_text("The newest 100 files are listed.").wait_for()
        rows = page.get_by_role("region", name="Files of this store").locator("tbody tr")
        assert await rows.count() == 100
        assert (await rows.first.inner_text()).startswith("file-100.md")
        assert await violations_async(page) == []
        await more.focus()
        await page.keyboard.press("Enter")
        await rows.nth(100).wait_for()
        assert await more.count() == 0
        assert await focused(page) == "Remove file-0.md"
    assert others == []


async def test_files_that_are_read_are_looked_at_by_one_timer(open_page, put):
    first = await put("minutes", {"heron.md": (b"Agatha.", {})})
    second = await put("notes", {"crane.md": (b"Otto.", {})})
    async with open_page() as page:
        await view_async(page, "Documents")
        stores = page.get_by_label("Vector store")
        for store, name in [(first, "heron.md"), (second, "crane.md")] * 4:
            await stores.select_option(store)
            await page.get_by_role("button", name=f"Remove {name}").wait_for()
        asked = await page.evaluate_handle(ASKED_AT, "/files?")
        await page.evaluate(WAIT, 5_000)
        asked_at = await asked.json_value()
        assert asked_at
        gaps = [later - earlier for earlier, later in pairwise(asked_at)]
        assert min(gaps, default=POLL_MS) > POLL_MS - 20, asked_at  # clocks of browsers are coarse
        await view_async(page, "Ask")
        await asked.evaluate("(asked) => { asked.length = 0; }")
        await page.evaluate(WAIT, 2_500)
        assert await asked.json_value() == []


def pages_of(total):
    """Answers for a list of so many stores."""

    async def answer(route):
        after = route.request.url.partition("after=vs_")[2]
        begin = int(after or -1) + 1
        numbers = range(begin, min(begin + 100, total))
        data = [{"id": f"vs_{n}", "name": f"store {n}", "status": "completed"} for n in numbers]
        page = {"data": data, "has_more": numbers[-1] + 1 < total, "last_id": data[-1]["id"]}
        await route.fulfill(json=page)

    return answer


@pytest.mark.parametrize("view", ["Ask", "Documents"])
async def test_of_very_many_stores_more_are_shown_when_asked_for(open_page, view):
    async with open_page() as page:
        await page.route("**/v1/vector_stores?*", pages_of(620))
        nothing = {"data": [], "has_more": False}
        await page.route("**/v1/vector_stores/*/files?*", lambda route: route.fulfill(json=nothing))
        await view_async(page, "System")
        await view_async(page, view)
        if view == "Ask":
            await page.get_by_role("button", name="New chat").click()
            await page.get_by_text("Search options").click()
        await page.get_by_text("The newest 500 stores are listed.").wait_for()
        stores = page.get_by_label("Vector store")
        await stores.select_option("store 7")
        assert await violations_async(page) == []
        await page.get_by_role("button", name="Show more stores").click()
        await stores.locator("option", has_text="store 619").wait_for(state="attached")
        assert await page.get_by_role("button", name="Show more stores").count() == 0
        assert await stores.input_value() == "vs_7"


async def test_after_a_change_of_files_the_focus_stays_near(open_page, put):
    files = {name: (b"Agatha.", {"year": 2025}) for name in ("a.md", "b.md", "c.md")}
    await put("minutes", files)
    async with open_page() as page:
        await view_async(page, "Documents")
        await page.get_by_role("button", name="Attributes of b.md").click()
        await page.get_by_label("One a line").fill("year: 2026")
        await page.get_by_role("button", name="Save").click()
        await page.locator("tr", has_text="b.md").get_by_text("year: 2026").wait_for()
        assert await focused(page) == "Attributes of b.md"
        await page.wait_for_timeout(2_300)  # the table is drawn anew: these are still read
        assert await focused(page) == "Attributes of b.md"
        left = {"b.md": "Remove a.md", "a.md": "Remove c.md", "c.md": "choose some"}
        for name, then in left.items():
            await page.get_by_role("button", name=f"Remove {name}").focus()
            await page.keyboard.press("Enter")
            await page.get_by_role("button", name="Remove", exact=True).click()
            await page.locator("tr", has_text=name).wait_for(state="detached")
            assert await focused(page) == then
        await page.get_by_text("This store holds no files yet.").wait_for()


async def test_who_may_see_a_store_is_shown_and_changed(open_page, api_http, put):
    path = f"/v1/vector_stores/{await put('minutes', {})}"
    async with open_page() as page:
        await view_async(page, "Documents")
        seen = page.locator(".seen")
        await seen.get_by_text("everyone").wait_for()
        change = page.get_by_role("button", name="Access to this store")
        await change.click()
        await page.get_by_label("Who may see the store").select_option("named")
        await page.get_by_label("Groups, one a line").fill("sales")
        assert await violations_async(page) == []
        await page.get_by_role("button", name="Save").click()
        await seen.get_by_text("group: sales").wait_for()
        assert await focused(page) == "Access to this store"
        assert (await api_http.get(path)).json()["access"] == {"users": [], "groups": ["sales"]}
        assert await violations_async(page) == []
        await change.click()
        assert await page.get_by_label("Groups, one a line").input_value() == "sales"
        await page.get_by_label("Who may see the store").select_option("all")
        await page.get_by_role("button", name="Save").click()
        await seen.get_by_text("everyone").wait_for()
    assert "access" not in (await api_http.get(path)).json()


async def test_the_bench_searches_among_files_with_these_attributes(open_page, put, api_ingest):
    text = b"Its name is Agatha."
    await put("minutes", {"old.md": (text, {"year": 2025}), "new.md": (text, {"year": 2026})})
    api_ingest()
    async with open_page() as page:
        await view_async(page, "Documents")
        bench = page.get_by_role("region", name="Search bench")
        await bench.get_by_label("Query").fill("Agatha")
        await page.keyboard.press("Enter")
        await bench.locator(".hits", has_text="old.md").nth(3).wait_for()
        await bench.get_by_text("Filter", exact=True).click()
        await bench.get_by_role("button", name="Add a condition").click()
        await bench.get_by_label("Attribute").fill("year")
        await bench.get_by_label("Value").fill("2026")
        assert await violations_async(page) == []
        await page.keyboard.press("Enter")
        await bench.locator(".hits", has_text="old.md").first.wait_for(state="detached")
        await bench.locator(".hits", has_text="new.md").nth(3).wait_for()
        assert await bench.locator(".hits", has_text="old.md").count() == 0
