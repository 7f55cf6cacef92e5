"""Uploads of the page in Chromium: they outlive a restart of the server and other views."""

import asyncio

import pytest

from tests.browser import attaching, needs_chromium, view_async, violations_async

pytestmark = needs_chromium


@pytest.fixture
async def store(api_http):
    return (await api_http.post("/v1/vector_stores", json={"name": "minutes"})).json()["id"]


def file_of(name, text=b"Its name is Agatha."):
    return {"name": name, "mimeType": "text/markdown", "buffer": text}


def failing(times, status, seen=None):
    """Answers so often that the server is away, and lets others through, once it is `seen`."""
    left = [status] * times

    async def answer(route):
        if not left:
            if seen:
                await seen.wait()
            return await route.continue_()
        left.pop()
        error = {"error": {"message": "The Gateway restarts."}}
        await route.fulfill(status=status, json=error)

    return answer, left


async def test_an_upload_goes_on_while_the_server_is_away(open_page, api_http, store, api_ingest):
    form = {"purpose": "assistants"}
    sent = await api_http.post("/v1/files", data=form, files={"file": ("heron.md", b"Agatha.")})
    files = f"/v1/vector_stores/{store}/files"
    one = f"{files}/{sent.json()['id']}"
    async with open_page(files, one) as page:
        # So that the address of its state is known: errors are expected there alone.
        await page.route("**/v1/files", lambda route: route.fulfill(json=sent.json()))
        seen = asyncio.Event()
        taking, taking_left = failing(1, 502, seen)
        looking, looking_left = failing(2, 503)
        await page.route(f"**{files}", taking)
        await page.route(f"**{one}", looking)
        await view_async(page, "Documents")
        await page.set_input_files("input[type=file]", files=[file_of("heron.md")])
        row = page.locator(".uploads li", has_text="heron.md")
        await row.get_by_text("Reading. The Gateway restarts. Trying again…").wait_for()
        seen.set()
        await row.get_by_text("Reading", exact=True).wait_for()
        api_ingest()
        await row.get_by_text("Ready, ").wait_for()
    assert taking_left == looking_left == []


async def test_what_cannot_pass_is_told_at_once(open_page, api_http, store):
    files = f"/v1/vector_stores/{store}/files"
    async with open_page(files) as page:
        await page.route(f"**{files}", failing(1, 403)[0])
        await view_async(page, "Documents")
        await page.set_input_files("input[type=file]", files=[file_of("heron.md")])
        await page.locator(".uploads .bad", has_text="The Gateway restarts.").wait_for()


async def test_uploads_are_still_listed_after_another_view(open_page, store, api_ingest):
    async with open_page() as page:
        await view_async(page, "Documents")
        broken = file_of("broken.pdf", b"%PDF-1.7 but not really")
        async with attaching(page):
            await page.set_input_files("input[type=file]", files=[broken])
        uploads = page.locator(".uploads li")
        await uploads.get_by_text("Reading").wait_for()
        await view_async(page, "Ask")
        api_ingest()
        await page.locator("#status", has_text="broken.pdf failed").wait_for(state="attached")
        await view_async(page, "Documents")
        reason = await page.locator(".uploads .bad").inner_text()
        assert "'broken.pdf' is broken: " in reason
        await page.set_input_files("input[type=file]", files=[file_of("heron.md")])
        await uploads.nth(1).wait_for()
        await page.locator("tr", has_text="broken.pdf").get_by_text("is broken").wait_for()
        assert await violations_async(page) == []
        await page.get_by_role("button", name="API key").click()
        await page.get_by_label("Key", exact=True).fill("of-somebody-else")
        await page.get_by_role("button", name="Use this key").click()
        await page.locator("tr", has_text="broken.pdf").wait_for()
        assert await uploads.count() == 0
