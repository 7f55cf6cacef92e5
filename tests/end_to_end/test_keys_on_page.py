"""Keys and usage on the page, in Chromium on a real system that wants keys."""

import time

import httpx
import pytest

from tests.browser import needs_chromium, opened, screenshot_path, view, violations
from tests.end_to_end.conftest import System, short_folder, write_config

pytestmark = [pytest.mark.systems, needs_chromium]

WAIT_S = 120
FRESH_S = 3.5  # a Gateway knows that a key is revoked (auth.fresh_s)


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
    watch.forget()
    enter(page, keyed.key)
    keys, usage = (page.get_by_role("region", name=name) for name in ("Keys", "Usage"))
    usage.wait_for()
    keys.locator("tbody tr").nth(1).wait_for()  # asked for beside the usage: either comes first
    assert keys.locator("tbody tr").count() == 2
    (row,) = keys.locator("tr", has_text="operator").all_inner_texts()
    assert "admin" in row
    assert "active" in row
    assert usage.locator("tbody tr").count() == 1  # of the key that asked
    assert keyed.key.split("_", 2)[2] not in page.content()  # a key is never shown again
    assert violations(page) == []
    page.screenshot(path=screenshot_path(tmp_path, "keys.png"), full_page=True)
    assert watch.faults == []


def chat_status(system, key):
    body = {
        "model": "generator",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 2,
    }
    headers = {"authorization": f"Bearer {key}"}
    url = f"{system.url}/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=60).status_code


def logs_of(system):
    """What the server, its replicas and Ray have logged so far."""
    return [one for one in system.folder.rglob("*") if one.suffix in {".log", ".out", ".err"}]


def shown_key(page, tmp_path):
    page.get_by_role("heading", name="Key reader").wait_for()
    key = page.get_by_label("Key", exact=True).input_value()
    page.screenshot(path=screenshot_path(tmp_path, "new-key.png"))
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    return key


def test_a_key_is_made_on_the_page_rotated_and_revoked(keyed, browser, tmp_path):
    page, watch = opened(browser, keyed.url)
    watch.forget()  # what was asked without a key
    enter(page, keyed.key)
    view(page, "Keys and usage")
    page.get_by_role("button", name="Create a key").click()
    page.get_by_label("Name").fill("reader")
    page.screenshot(path=screenshot_path(tmp_path, "create-key.png"))
    assert violations(page) == []
    page.keyboard.press("Enter")
    first = shown_key(page, tmp_path)
    assert chat_status(keyed, first) == 200
    page.get_by_role("button", name="Rotate reader").click()
    page.get_by_role("button", name="Rotate", exact=True).click()
    second = shown_key(page, tmp_path)
    assert (chat_status(keyed, first), chat_status(keyed, second)) == (200, 200)  # for an hour
    page.get_by_role("button", name="Revoke reader").click()
    page.get_by_role("button", name="Revoke", exact=True).click()
    page.locator("tr", has_text="reader").get_by_text("revoked").wait_for()
    time.sleep(FRESH_S)
    assert (chat_status(keyed, first), chat_status(keyed, second)) == (401, 401)
    page.screenshot(path=screenshot_path(tmp_path, "revoked.png"), full_page=True)
    logs = [one.read_bytes() for one in logs_of(keyed)]
    assert len(logs) > 10
    assert not any(key.split("_", 2)[2].encode() in log for log in logs for key in (first, second))
    assert watch.faults == []
