"""The page's files as they are served: what they may do, and what they weigh."""

import re
from pathlib import Path

import pytest

FILES = Path("graphs/api/page/files")
ALL = {"page/" + path.name for path in FILES.iterdir()} - {"page/index.html"}
MAX_BYTES = 200_000
# What would make HTML, or code, of a text.
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|\beval\(|new Function|DOMParser"
    r"|localStorage|document\.cookie"
)


def loaded(html):
    return re.findall(r'(?:href|src)="(page/[^"]+)"', html)


async def test_the_page_and_all_it_loads_are_there(api_http):
    page = await api_http.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert set(loaded(page.text)) <= ALL
    for name in ALL:
        file = await api_http.get(f"/{name}")
        assert file.status_code == 200
        assert file.headers["x-content-type-options"] == "nosniff"
        again = await api_http.get(f"/{name}", headers={"if-none-match": file.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_only_what_carries_the_nonce_of_its_reply_runs(api_http):
    pages = [await api_http.get("/") for _ in range(2)]
    nonces = []
    for page in pages:
        policy = page.headers["content-security-policy"]
        (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert set(re.findall(r'nonce="([^"]+)"', page.text)) == {nonce}
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", page.text)
        nonces.append(nonce)
    assert nonces[0] != nonces[1]
    assert pages[0].headers["cache-control"] == "no-store"


def test_the_page_is_light_and_makes_no_html_of_texts():
    files = [path for path in FILES.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MAX_BYTES
    for path in files:
        text = path.read_text()
        assert not SINKS.search(text), path.name
        elsewhere = set(re.findall(r"https?://[^\s\"'`)]+", text))
        assert elsewhere <= {"http://www.w3.org/2000/svg"}, path.name
        assert len(text.splitlines()) <= 300, path.name


@pytest.mark.parametrize("name", ["index.html", "none.js", "..%2Fpage.py", "__init__.py"])
async def test_nothing_else_is_served(api_http, name):
    reply = await api_http.get(f"/page/{name}")
    assert reply.status_code == 404
    assert "error" in reply.json()


async def test_a_program_that_asks_what_is_here_gets_headers_too(api_http):
    head = await api_http.head("/")
    assert (head.status_code, head.content) == (200, b"")
