"""The page in Chromium on a real system: asked, followed, fed and watched."""

import logging

import pytest

from tests.browser import (
    TIMELINE,
    late_bars,
    needs_chromium,
    opened,
    screenshot_path,
    view,
    violations,
)

pytestmark = [pytest.mark.systems, needs_chromium]

logger = logging.getLogger(__name__)
QUESTION = "How large may a file be?"
QUESTION_TOO = "how often may an answer move?"
ANSWER = "32 megabytes"
WHOLE = {"width": 1280, "height": 960}  # of the picture: the whole timeline stands in it
MAX_BYTES = 200_000
MAX_PAINT_MS = 1_000  # a promise to users, not a comparison: so it is asserted here
FILES = [
    {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 and nothing else"},
    {
        "name": "heron.md",
        "mimeType": "text/markdown",
        "buffer": b"# Heron\n\nIts name is Agatha.\n",
    },
]


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
    assert late_bars(page.evaluate(TIMELINE)) == []
    assert violations(page) == []
    page.mouse.move(0, 0)
    page.set_viewport_size(WHOLE)
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


def paint_ms(browser, url):
    """Milliseconds to the first text or picture, in a window that has cached nothing."""
    page, watch = opened(browser, url)
    page.get_by_role("button", name=QUESTION).wait_for()
    (paint,) = page.evaluate(
        """() => performance.getEntriesByName("first-contentful-paint").map(one => one.startTime)"""
    )
    page.close()
    assert watch.faults == []
    return paint


def test_the_page_is_painted_within_a_second(system, handbook, browser):
    found = sorted(paint_ms(browser, system.url) for _ in range(3))
    logger.info("first contentful paint: %s ms", found)  # shown by --log-cli-level=INFO
    assert found[0] < MAX_PAINT_MS
