"""A document on the page in Chromium: what was read of it, and how it was cut."""

import re

import pytest

from tests.browser import needs_chromium, violations_async

pytestmark = needs_chromium

SENTENCES = [f"Sentence {number} tells of {'🦅 ' * 9}." for number in range(12)]
TEXT = "# Birds\n\n" + "\n\n".join(SENTENCES) + "\n\n# Boats\n\nThe ferry is named Otto.\n"
CUT = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 40}}


@pytest.fixture
async def passages(api_http, api_ingest):
    """The passages of a document that is cut with an overlap."""
    store = (await api_http.post("/v1/vector_stores", json={"name": "minutes"})).json()["id"]
    sent = await api_http.post(
        "/v1/files", data={"purpose": "assistants"}, files={"file": ("heron.md", TEXT.encode())}
    )
    path = f"/v1/vector_stores/{store}/files"
    body = {"file_id": sent.json()["id"], "chunking_strategy": CUT}
    await api_http.post(path, json=body)
    api_ingest()
    return (await api_http.get(f"{path}/{sent.json()['id']}/content")).json()["data"]


async def test_what_was_read_and_how_it_was_cut_is_shown(open_page, passages):
    assert len(passages) > 2
    async with open_page() as page:
        await page.get_by_role("link", name="Documents", exact=True).click()
        await page.get_by_role("button", name="heron.md", exact=True).click()
        reader = page.get_by_role("dialog", name="heron.md")
        await reader.get_by_text(f"{len(passages)} passages", exact=True).wait_for()
        cuts = await reader.locator(".cuts li").all_inner_texts()
        assert await violations_async(page) == []
        await reader.get_by_label("Show how it was cut").uncheck()
        await reader.locator(".cuts").wait_for(state="detached")
        read = await reader.locator(".paper").inner_text()
        heads = await reader.locator(".paper h3").all_inner_texts()
        assert await violations_async(page) == []
        await reader.get_by_label("Show how it was cut").check()
        assert await reader.locator(".cuts li").count() == len(passages)
        await page.keyboard.press("Escape")
        await reader.wait_for(state="detached")
    assert passages[1]["char_start"] < passages[0]["char_end"]  # they share a piece
    for cut, passage in zip(cuts, passages, strict=True):
        where = f"{passage['title']} · characters {passage['char_start']} to {passage['char_end']}"
        told, _, text = cut.partition("\n")
        assert told == where
        assert text.split() == passage["text"].removeprefix(f"{passage['title']}\n").split()
    assert heads == ["Birds", "Boats"]
    assert re.findall(r"Sentence \d+", read) == [f"Sentence {number}" for number in range(12)]
    assert read.count("🦅") == 9 * 12
    assert read.count("The ferry is named Otto.") == 1


async def test_a_document_is_downloaded_as_it_was_sent(open_page, passages, tmp_path):
    async with open_page() as page:
        await page.get_by_role("link", name="Documents", exact=True).click()
        await page.get_by_role("button", name="heron.md", exact=True).click()
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Download the file").click()
        got = await download.value
        await got.save_as(tmp_path / "got.md")
    assert got.suggested_filename == "heron.md"
    assert (tmp_path / "got.md").read_text() == TEXT
