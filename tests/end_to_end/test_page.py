"""The page in Chromium on real systems: asked, followed, fed, and watched while a replica dies."""

import os
import signal

import httpx
import pytest
from openai import OpenAI

from chaos.fleet import Fleet
from tests.browser import LAUNCH, Watch, needs_chromium, screenshot_path, violations
from tests.ray_environment import ROOT

sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
pytestmark = [pytest.mark.systems, needs_chromium]

QUESTION = "How large may a file be?"
QUESTION_TOO = "how often may an answer move?"
ANSWER = "32 megabytes"
MAX_BYTES = 200_000
ONE = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
# One replica of all, so that the killed one is the one that writes.
CHANGES = {
    **dict.fromkeys(("Embedder", "Retriever", "Reranker", "SafetyFilter", "Gateway"), ONE),
    "Generator": {**ONE, "user_config": {"max_answer_tokens": 60, "tokens_per_s": 6}},
}
FILES = [
    {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 and nothing else"},
    {
        "name": "heron.md",
        "mimeType": "text/markdown",
        "buffer": b"# Heron\n\nIts name is Agatha.\n",
    },
]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as tools, tools.chromium.launch(**LAUNCH) as one:
        yield one


def opened(browser, url):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(90_000)
    watch = Watch(page, url)
    page.goto(url)
    return page, watch


def view(page, name):
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", level=1, name=name).wait_for()


@pytest.fixture(scope="module")
def tried(system, handbook, browser):
    """The page on a system of `local.yaml` with the handbook; the tests go from view to view."""
    return opened(browser, system.url)


def test_a_question_is_asked_and_its_source_opened(tried, tmp_path):
    page, watch = tried
    page.get_by_role("button", name=QUESTION).wait_for()  # offered, since the handbook is there
    page.get_by_role("textbox", name="Question").fill(f"{QUESTION[:-1]}, and {QUESTION_TOO}")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator(".tools").wait_for()
    assert ANSWER in page.locator(".text").inner_text()
    assert page.locator(".sources .card").count() == 2
    page.get_by_text("Why this answer").click()
    page.locator(".spans li").nth(2).wait_for()
    assert violations(page) == []
    page.mouse.move(0, 0)
    page.screenshot(path=screenshot_path(tmp_path, "ask.png"))
    page.locator(".marker").first.click()
    assert ANSWER in page.locator("dialog mark.claim").inner_text()
    assert violations(page) == []
    page.screenshot(path=screenshot_path(tmp_path, "source.png"))
    page.keyboard.press("Escape")
    assert watch.faults == []


def test_a_good_and_a_broken_file_are_put_in_and_searched(tried, tmp_path):
    page, watch = tried
    view(page, "Documents")
    page.set_input_files("input[type=file]", files=FILES)
    assert "'broken.pdf' is broken" in page.locator(".uploads .bad").inner_text()
    page.locator(".uploads .good", has_text="heron.md").wait_for()
    page.get_by_label("Query").fill(QUESTION)
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator(".hits").nth(3).wait_for()
    assert ANSWER in page.locator(".hits").nth(3).locator("li").first.inner_text()
    assert violations(page) == []
    page.screenshot(path=screenshot_path(tmp_path, "documents.png"), full_page=True)
    assert watch.faults == []


def test_the_system_is_shown_and_the_page_is_light(tried, tmp_path):
    page, watch = tried
    view(page, "System")
    page.locator(".deployment", has_text="Generator").get_by_text("running").first.wait_for()
    page.locator("td", has_text="answered").first.wait_for()
    assert page.locator(".deployment").count() == 7
    assert violations(page) == []
    page.screenshot(path=screenshot_path(tmp_path, "system.png"), full_page=True)
    weights = page.evaluate(
        """() => performance.getEntriesByType("resource")
            .filter(one => one.name.includes("/page/")).map(one => one.transferSize)"""
    )
    assert 0 < sum(weights) < MAX_BYTES
    assert watch.faults == []


def test_an_answer_whose_replica_is_killed_moves_while_it_is_read(browser, tmp_path):
    with Fleet(num_spot=0, changes=CHANGES) as fleet:
        client = OpenAI(base_url=f"{fleet.url}/v1", api_key="none", timeout=60)
        store = client.vector_stores.create(name="documents")
        with (ROOT / "examples" / "handbook" / "documents.md").open("rb") as file:
            client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=file)
        page, watch = opened(browser, fleet.url)
        watching, watched = opened(browser, fleet.url)
        view(watching, "System")
        watching.locator(".deployment", has_text="Generator").get_by_text("running").wait_for()
        page.get_by_role("textbox", name="Question").fill("May a file have 32 megabytes?")
        page.keyboard.press("Enter")
        page.locator(".text p:not(.muted)").wait_for()
        state = httpx.get(f"{fleet.url}/admin/v1/system", timeout=30).json()
        (generator,) = (one for one in state["deployments"] if one["name"] == "Generator")
        (replica,) = generator["replicas"]
        os.kill(replica["pid"], signal.SIGKILL)
        page.locator(".note", has_text="The answer pauses.").wait_for()
        page.locator(".note", has_text="moved to another replica").wait_for()
        watching.locator(".changes li", has_text=f"replica {replica['id']}").first.wait_for()
        watching.locator(".changes .moved").wait_for()
        page.screenshot(path=screenshot_path(tmp_path, "moved.png"))
        watching.screenshot(path=screenshot_path(tmp_path, "changes.png"), full_page=True)
        assert (watch.faults, watched.faults) == ([], [])
