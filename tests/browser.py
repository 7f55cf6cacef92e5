"""A browser for tests of the page: Debian's Chromium, driven by Playwright, watched and checked."""

import json
import os
import time
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")  # of Debian: playwright's own would be downloaded
SETTLED_S = 60  # a page without streams has its replies
LAUNCH = {"executable_path": str(CHROMIUM), "args": ["--no-sandbox"]}

pytest.importorskip("playwright")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs /usr/bin/chromium (apt-get install chromium)"
)
_AXE_RUN = (
    "axe.run().then(r => JSON.stringify(r.violations.map(v => [v.id, v.nodes.map(n => n.html)])))"
)
# What a timeline draws: bars as shares of its width; and times as they are told.
TIMELINE = """() => ({
    told_s: parseFloat(document.querySelector(".tools > span.muted").textContent),
    bars: [...document.querySelectorAll(".spans li")].map((one) => {
        const [bar, stage] = [one.querySelector(".bar"), one.querySelector(".stage")];
        const share = (name) => Number(bar.style.getPropertyValue(name));
        return {
            name: stage.textContent, depth: Number(stage.style.getPropertyValue("--depth")),
            start: share("--from"), end: share("--from") + share("--share"), is_bad:
            bar.classList.contains("bad"), ms: parseFloat(one.querySelector(".ms").textContent),
        };
    }),
})"""


class Watch:
    """What a page must not do: log an error, fail, or ask another server.

    Attributes:
        faults: what it did all the same.
        num_bytes: what the page itself weighs, without what the API answers.
    """

    def __init__(self, page, url, *, expected=()):
        self.faults, self.num_bytes = [], 0
        self._page, self._url, self._expected = page, url, expected
        self._asked = set()  # requests without a reply
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._on_console)
        page.on("request", self._on_request)
        for ended in ("requestfinished", "requestfailed"):
            page.on(ended, self._on_end)

    def forget(self):
        """Forgets the faults of all that was asked so far; of Playwright's synchronous driver."""
        deadline = time.monotonic() + SETTLED_S
        while self._asked:
            assert time.monotonic() < deadline, [one.url for one in self._asked]
            self._page.wait_for_timeout(20)
        self.faults.clear()

    def _on_console(self, message):
        where = message.location.get("url", "")
        if message.type == "error" and not where.endswith(tuple(self._expected) or ("\0",)):
            self.faults.append(f"console: {message.text} {where}")

    def _on_end(self, request):
        self._asked.discard(request)

    def _on_request(self, request):
        self._asked.add(request)
        if not request.url.startswith((self._url, "blob:")):
            self.faults.append(f"elsewhere: {request.url}")


def axe_source():
    """The rules of axe-core, as the package for Playwright brings them."""
    package = pytest.importorskip("axe_playwright_python")
    return (resources.files(package) / "axe.min.js").read_text()


def _violations(reply):
    return json.loads(reply["result"]["value"])


def violations(page):
    """Breaches of accessibility on a page as it stands; past its policy, which lets no code in."""
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": axe_source()})
    asked = {"expression": _AXE_RUN, "awaitPromise": True, "returnByValue": True}
    return _violations(session.send("Runtime.evaluate", asked))


async def violations_async(page):
    """The same, of a page of Playwright's asynchronous driver."""
    session = await page.context.new_cdp_session(page)
    await session.send("Runtime.evaluate", {"expression": axe_source()})
    asked = {"expression": _AXE_RUN, "awaitPromise": True, "returnByValue": True}
    return _violations(await session.send("Runtime.evaluate", asked))


def attaching(page):
    """Around what uploads a file: waits until a store has taken it, so that there is a job.

    The page says "Reading" before it asks the store.
    """
    return page.expect_response(
        lambda one: one.request.method == "POST" and fnmatch(one.url, "*/v1/vector_stores/*/files")
    )


async def copied(page, control):
    """Clicks a button that copies, and gives what it copied once it has said so.

    It says so for a moment only, which whoever begins to look after the click may miss.
    """
    await page.evaluate("() => navigator.clipboard.writeText('')")
    said = await control.evaluate_handle(
        """(one) => {
            const said = [];
            new MutationObserver(() => said.push(one.textContent))
                .observe(one, { childList: true, characterData: true, subtree: true });
            return said;
        }"""
    )
    await control.click()
    await page.wait_for_function("(said) => said.includes('Copied')", arg=said)
    text = await page.evaluate("() => navigator.clipboard.readText()")
    assert text, await said.json_value()
    return text


async def focused(page):
    """What has the focus, as it is called."""
    return await page.evaluate(
        """() => document.activeElement.getAttribute("aria-label")
            || document.activeElement.textContent"""
    )


def late_bars(timeline):
    """The stages of a TIMELINE that end outside of it, or after the time that the page tells."""
    bars, told_ms = timeline["bars"], 1000 * timeline["told_s"] + 50  # tenths of a second
    longest = max(bars, key=lambda one: one["end"] - one["start"])
    whole_ms = (longest["ms"] - 0.5) / (longest["end"] - longest["start"])  # told without fractions
    return [
        one["name"]
        for one in bars
        if not 0 <= one["start"] <= one["end"] < 1.0001 or one["end"] * whole_ms > told_ms
    ]


def opened(browser, url):
    """Opens the page in a window of its own, and watches it; of Playwright's synchronous driver."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(90_000)
    watch = Watch(page, url)
    page.goto(url)
    return page, watch


def view(page, name):
    """Goes to a view of the page."""
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", level=1, name=name).wait_for()


async def view_async(page, name):
    """The same, of a page of Playwright's asynchronous driver."""
    await page.get_by_role("link", name=name, exact=True).click()
    await page.get_by_role("heading", level=1, name=name).wait_for()


def screenshot_path(folder, name):
    """Where a picture of the page goes: RAGFLEET_SCREENSHOTS, so that it can be looked at."""
    kept = Path(os.environ.get("RAGFLEET_SCREENSHOTS", folder))
    kept.mkdir(parents=True, exist_ok=True)
    return kept / name
