"""Open WebUI in Chromium: a chat with `rag`, its sources, and what it asks for beside the chat."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from conftest import ANSWER, QUESTION

sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
START_S = 420  # it migrates its database first
CHROMIUM = "/usr/bin/chromium"  # of Debian: playwright's own would be downloaded

pytestmark = [
    pytest.mark.quote,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs {CHROMIUM}"),
]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("webui") / "webui.log"


@pytest.fixture(scope="module")
def webui(base_url, key, log):
    """A new one, for one person, whose only models are this server's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ, "DATA_DIR": str(log.parent), "WEBUI_SECRET_KEY": "x", "WEBUI_AUTH": "False",
        "ENABLE_OLLAMA_API": "False", "OPENAI_API_BASE_URLS": base_url, "OPENAI_API_KEYS": key,
        "OFFLINE_MODE": "True", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "true",
        "ANONYMIZED_TELEMETRY": "False", "RAG_EMBEDDING_ENGINE": "openai",
    }  # fmt: skip
    command = [Path(sys.executable).with_name("open-webui"), "serve", "--host", "127.0.0.1"]
    with log.open("wb") as out, subprocess.Popen(
        [*command, "--port", str(port)], env=environment, cwd=log.parent, stdout=out,
        stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_until_healthy(url, process, log):
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(1)
    pytest.fail(f"Open WebUI is not there after {START_S} s")


@pytest.fixture(scope="module")
def browser():
    with (
        sync_playwright() as tools,
        tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as one,
    ):
        yield one


@pytest.mark.timeout(900)
def test_a_chat_shows_its_sources_as_links_that_open(webui, browser, log):
    page = browser.new_page()
    page.set_default_timeout(90_000)
    failed = []
    page.on("response", lambda reply: reply.status >= 400 and failed.append(reply.url))
    # What is new in this version, which a new person is told, sooner or later.
    page.add_locator_handler(
        page.get_by_role("dialog").get_by_text("Let's Go!"), lambda button: button.click()
    )
    page.goto(f"{webui}/?models=rag")
    page.click("#chat-input")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    page.get_by_text(ANSWER).first.wait_for()
    page.get_by_text("1 Source").first.click()
    page.get_by_text("/v1/files/file-").first.click()
    with page.context.expect_page() as opened:
        page.locator("a[href*='/v1/files/']").first.click()
    opened.value.wait_for_load_state()
    assert ANSWER in opened.value.inner_text("body")
    # The chat is named and continued by tasks of its own, which a server that quotes cannot do:
    # they get an answer of no use, and the chat is named by its question.
    page.wait_for_function("document.title.startsWith('How large')")
    assert [url for url in failed if "/api/" in url] == []
    assert "Upstream openai-compatible request failed" not in log.read_text(errors="replace")
