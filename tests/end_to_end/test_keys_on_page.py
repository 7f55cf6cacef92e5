"""Keys and usage on the page, in Chromium on a real system that wants keys."""

import time

import httpx
import pytest

from tests.browser import needs_chromium, opened, screenshot_path, view, violations
from tests.end_to_end.conftest import System, short_folder, write_config

pytestmark = [pytest.mark.systems, needs_chromium]

WAIT_S = 120


@pytest.fixture(scope="module")
def keyed():
    """`local.yaml` with keys: one of an administrator, which the client has, and one that asks."""

    def want_keys(blocks):
        blocks["Gateway"]["user_config"]["auth"] = {"keys": True}

    with short_folder() as folder:
        config = write_config("local.yaml", folder / "local.yaml", want_keys)
        made = System(config, folder, f"sqlite:///{folder}/corpus.db")
        made.start()
        made.key = made.create_key("--scopes", "query,ingest,admin", "--name", "operator")
        yield made
        made.stop()


def wait_for_usage(system):
    """Gateways write what was used now and then."""
    deadline = time.monotonic() + WAIT_S
    headers = {"authorization": f"Bearer {system.key}"}
    while time.monotonic() < deadline:
        reply = httpx.get(f"{system.url}/admin/v1/usage", headers=headers, timeout=30)
        if reply.raise_for_status().json()["data"]:
            return
        time.sleep(1)
    pytest.fail(f"no usage after {WAIT_S} s")


def enter(page, key):
    page.get_by_role("button", name="API key").click()
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Use this key").click()


def test_an_administrator_sees_keys_and_usage_and_others_are_told_why_not(keyed, browser, tmp_path):
    asking = keyed.create_key("--scopes", "query", "--name", "chat-page")
    keyed.openai.embeddings.create(model="embedder", input="Where do requests wait?")
    wait_for_usage(keyed)
    page, watch = opened(browser, keyed.url)
    view(page, "Keys and usage")
    page.locator(".problem").nth(1).wait_for()  # no key yet
    enter(page, asking)
    page.locator(".problem", has_text="The API key does not allow this request.").nth(1).wait_for()
    assert violations(page) == []
    assert all("401" in one or "403" in one for one in watch.faults)  # the browser logs each
    watch.faults.clear()
    enter(page, keyed.key)
    keys, usage = (page.get_by_role("region", name=name) for name in ("Keys", "Usage"))
    usage.wait_for()
    assert keys.locator("tbody tr").count() == 2
    (row,) = keys.locator("tr", has_text="operator").all_inner_texts()
    assert "admin" in row
    assert "active" in row
    assert usage.locator("tbody tr").count() == 1  # of the key that asked
    assert keyed.key.rpartition("_")[2] not in page.content()  # a key is never shown again
    assert violations(page) == []
    page.screenshot(path=screenshot_path(tmp_path, "keys.png"), full_page=True)
    assert watch.faults == []
