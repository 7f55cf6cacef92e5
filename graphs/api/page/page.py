"""`/` and the files that the page is made of: served as they lie here, nothing is built.

The page talks to this server alone, by the same routes as every client, and holds no secret: who
may not use the API sees empty views. Only what carries the nonce of its reply is run or styled, so
nothing that a document, a model or an upload says can be; a module that is imported has the nonce
of the one that imports it (https://html.spec.whatwg.org/multipage/webappapis.html).
"""

import hashlib
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

router = APIRouter(include_in_schema=False)

_FILES = Path(__file__).with_name("files")
_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_NONCE = "{nonce}"  # where the page's HTML wants it
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self';"
    " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    # A new version is seen at once; what has not changed is not sent again.
    "cache-control": "no-cache",
}


@dataclass(frozen=True, kw_only=True)
class _File:
    data: bytes
    kind: str
    tag: str


@router.get("/")
async def get_page() -> Response:
    """Gives the page, which fetches all else."""
    nonce = secrets.token_urlsafe(16)
    html = _files()["index.html"].data.decode().replace(_NONCE, nonce)
    policy = {"content-security-policy": _POLICY.format(nonce=nonce)}
    headers = _HEADERS | policy | {"cache-control": "no-store"}  # a nonce is used once
    return Response(html, media_type="text/html", headers=headers)


@router.get("/page/{name}")
async def get_page_file(request: Request, name: str) -> Response:
    """Gives a file of the page; 304 to who has it."""
    file = _files().get(name)
    if file is None or name == "index.html":
        raise HTTPException(404, f"the page has no file {name[:64]!r}")
    headers = _HEADERS | {"etag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.data, media_type=file.kind, headers=headers)


@cache
def _files() -> dict[str, _File]:
    """Reads every file once, by name."""
    return {path.name: _file(path) for path in _FILES.iterdir() if path.suffix in _KINDS}


def _file(path: Path) -> _File:
    data = path.read_bytes()
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    return _File(data=data, kind=_KINDS[path.suffix], tag=tag)
