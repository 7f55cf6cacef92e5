"""The documents of the page in Chromium: what comes at once or is dropped, and who sees it."""

import asyncio

from tests.browser import needs_chromium, violations_async

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
