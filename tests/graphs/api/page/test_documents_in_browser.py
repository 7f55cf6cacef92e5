"""The documents of the page in Chromium: what comes at once or is dropped, and who sees it."""

import asyncio

from tests.browser import attaching, needs_chromium, violations_async

pytestmark = needs_chromium


async def test_files_chosen_at_once_wait_for_the_list_of_stores(open_page, api_http):
    await api_http.post("/v1/vector_stores", json={"name": "minutes"})
    told = asyncio.Event()

    async def later(route):
        await told.wait()
        await route.continue_()

    async with open_page() as page:
        await page.route("**/v1/vector_stores?*", later)
        await page.get_by_role("link", name="Documents", exact=True).click()
        await page.get_by_role("heading", level=1, name="Documents").wait_for()
        file = {"name": "heron.md", "mimeType": "text/markdown", "buffer": b"Its name is Agatha."}
        await page.set_input_files("input[type=file]", files=[file])
        told.set()
        await page.locator(".uploads .name", has_text="heron.md").wait_for()


async def test_files_that_are_dropped_are_uploaded(open_page, api_http):
    await api_http.post("/v1/vector_stores", json={"name": "minutes"})
    async with open_page() as page:
        await page.get_by_role("link", name="Documents", exact=True).click()
        held = await page.evaluate_handle(
            """() => {
                const held = new DataTransfer();
                held.items.add(new File(["Its name is Agatha."], "heron.md"));
                held.items.add(new File(["Its name is Otto."], "crane.md"));
                return held;
            }"""
        )
        area = page.locator(".drop")
        await area.dispatch_event("dragover", {"dataTransfer": held})
        assert "over" in await area.get_attribute("class")
        await area.dispatch_event("drop", {"dataTransfer": held})
        assert "over" not in await area.get_attribute("class")
        for name in ("heron.md", "crane.md"):
            await page.locator(".uploads .name", has_text=name).wait_for()
            await page.locator(".uploads li", has_text=name).get_by_text("Reading").wait_for()
    sent = (await api_http.get("/v1/files")).json()["data"]
    assert {(one["filename"], one["bytes"]) for one in sent} == {("heron.md", 19), ("crane.md", 17)}


async def test_who_may_see_a_file_is_shown_and_changed(open_page, api_http):
    store = (await api_http.post("/v1/vector_stores", json={"name": "minutes"})).json()["id"]
    form = {"purpose": "assistants", "access": '{"groups": ["sales"]}'}
    sent = await api_http.post("/v1/files", data=form, files={"file": ("heron.md", b"Agatha.")})
    path = f"/v1/files/{sent.json()['id']}"
    await api_http.post(f"/v1/vector_stores/{store}/files", json={"file_id": sent.json()["id"]})
    async with open_page() as page:
        await page.get_by_role("link", name="Documents", exact=True).click()
        row = page.locator("tr", has_text="heron.md")
        await row.get_by_text("group: sales").wait_for()
        change = row.get_by_role("button", name="Access to heron.md")
        await change.click()
        await page.get_by_label("Users, one a line").fill("bob\n ann \n")
        await page.get_by_label("Groups, one a line").fill("")
        assert await violations_async(page) == []
        await page.get_by_role("button", name="Save").click()
        await row.get_by_text("user: ann").wait_for()
        assert (await api_http.get(path)).json()["access"] == {
            "users": ["ann", "bob"],
            "groups": [],
        }
        await change.click()
        await page.get_by_label("Who may see it").select_option("all")
        assert not await page.get_by_label("Users, one a line").is_visible()
        await page.get_by_role("button", name="Save").click()
        await row.get_by_text("everyone").wait_for()
        assert await violations_async(page) == []
    assert "access" not in (await api_http.get(path)).json()


async def put_in(api_http, attributes):
    """A file in a store, with attributes; gives its path there."""
    store = (await api_http.post("/v1/vector_stores", json={"name": "minutes"})).json()["id"]
    form = {"purpose": "assistants"}
    sent = await api_http.post("/v1/files", data=form, files={"file": ("heron.md", b"Agatha.")})
    path, file_id = f"/v1/vector_stores/{store}/files", sent.json()["id"]
    await api_http.post(path, json={"file_id": file_id, "attributes": attributes})
    return f"{path}/{file_id}"


async def test_attributes_are_shown_and_changed(open_page, api_http):
    path = await put_in(api_http, {"year": 2025, "draft": True})
    async with open_page() as page:
        await page.get_by_role("link", name="Documents", exact=True).click()
        row = page.locator("tr", has_text="heron.md")
        await row.get_by_text("draft: true").wait_for()
        assert await row.locator(".tag").all_inner_texts() == ["year: 2025", "draft: true"]
        await row.get_by_role("button", name="Attributes of heron.md").click()
        lines = page.get_by_label("One a line")
        assert await lines.input_value() == "year: 2025\ndraft: true"
        await lines.fill("year 2026")
        await page.get_by_role("button", name="Save").click()
        told = page.get_by_role("paragraph").filter(has_text="“year 2026” has no colon between")
        await told.wait_for()
        assert await violations_async(page) == []
        await lines.fill("year: 2026\n\n draft : false\nsource: https://river.example/a:b\n")
        await page.get_by_role("button", name="Save").click()
        await row.get_by_text("year: 2026").wait_for()
        assert await page.get_by_role("dialog").count() == 0
        assert await violations_async(page) == []
    told = {"year": 2026, "draft": False, "source": "https://river.example/a:b"}
    assert (await api_http.get(path)).json()["attributes"] == told


async def test_attributes_that_look_like_others_are_saved_as_they_are(open_page, api_http):
    told = {"code": "007", "flag": "true", "a:b": "x", "padded": " y ", "quoted": '"z"', "n": 7.5}
    path = await put_in(api_http, told)
    async with open_page() as page:
        await page.get_by_role("link", name="Documents", exact=True).click()
        await page.get_by_role("button", name="Attributes of heron.md").click()
        lines = page.get_by_label("One a line")
        assert 'code: "007"' in await lines.input_value()
        async with page.expect_response(lambda one: one.request.method == "POST") as saved:
            await page.get_by_role("button", name="Save").click()
        assert (await saved.value).ok
    assert (await api_http.get(path)).json()["attributes"] == told


async def test_an_upload_tells_how_far_it_is_and_when_it_is_read(open_page, api_http, api_ingest):
    await api_http.post("/v1/vector_stores", json={"name": "minutes"})
    async with open_page() as page:
        await page.get_by_role("link", name="Documents", exact=True).click()
        await page.get_by_text("This store holds no files yet.").wait_for()
        session = await page.context.new_cdp_session(page)
        line = {"offline": False, "latency": 0, "downloadThroughput": -1}
        await session.send("Network.enable")
        # So slow that the upload does not end before it was looked at.
        await session.send("Network.emulateNetworkConditions", line | {"uploadThroughput": 1_000})
        text = b"Its name is Agatha. " * 6_000
        file = {"name": "heron.md", "mimeType": "text/markdown", "buffer": text}
        await page.set_input_files("input[type=file]", files=[file])
        row = page.locator(".uploads li", has_text="heron.md")
        await row.get_by_role("progressbar", name="Upload of heron.md").wait_for()
        await page.wait_for_function(
            """() => {
                const row = document.querySelector(".uploads li");
                const { value } = row.querySelector("progress");
                return value > 0 && value < 1 && row.innerText.includes("Uploading");
            }"""
        )
        async with attaching(page):
            await session.send("Network.emulateNetworkConditions", line | {"uploadThroughput": -1})
            await row.get_by_text("Reading").wait_for()
        assert await row.locator("progress[value]").count() == 0  # how long it takes nobody knows
        assert await violations_async(page) == []
        api_ingest()
        await row.get_by_text("Ready, ").wait_for()
        assert await row.locator("progress").count() == 0
        assert await page.locator("#status").inner_text() == "heron.md is ready."
        await page.locator("tr", has_text="heron.md").get_by_text("ready").wait_for()
        assert await violations_async(page) == []
