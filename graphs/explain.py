"""Tells why an answer was what it was: `python -m graphs.explain REQUEST_ID`.

REQUEST_ID is the `x-request-id` of the reply. The running system is asked over HTTP; it keeps the
last requests of each Gateway (`observing.recent_requests` in its settings). With `--expected`, a
file name or words of a passage, it tells how far that passage went and where it was lost.

Exit status: 0 it was explained; 1 no Gateway keeps the request, or the server does not answer; 2
wrong arguments.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from urllib.parse import quote

import httpx
from pydantic import ValidationError
from rich.console import Console

from graphs.observing.explaining import cause, lines
from graphs.observing.fate import fate_of
from graphs.observing.record import RequestRecord, from_json, to_json, without_texts

_TIMEOUT_S = 10.0
_SHOWN_CHARS = 500  # of an answer that is no JSON


class ExplainError(RuntimeError):
    """The request cannot be explained; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    options = _options(arguments)
    try:
        record = fetched(options.base_url, options.request_id, options.api_key, options.tries)
    except ExplainError as err:
        _print(Console(stderr=True), f"error: {err}")
        return 1
    console = Console()
    if options.json:
        _print(console, json.dumps(to_json(record), indent=2, ensure_ascii=False))
        return 0
    shown = record if options.texts else _hidden(record)
    _print(console, f"{record.request_id}: {cause(shown)}")
    if options.expected:  # what is looked for is known to who asks
        _print(console, f"expected     {fate_of(record, options.expected)}")
    for line in lines(shown):
        _print(console, line)
    return 0


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def fetched(base_url: str, request_id: str, api_key: str, tries: int) -> RequestRecord:
    """Asks the server; each try may reach another Gateway.

    Raises:
        ExplainError: it does not answer, or none keeps the request.
    """
    url = f"{base_url.rstrip('/')}/admin/v1/requests/{quote(request_id, safe='')}"
    headers = {"authorization": f"Bearer {api_key}"}
    for _ in range(tries):
        try:
            reply = httpx.get(url, headers=headers, timeout=_TIMEOUT_S)
        except httpx.HTTPError as err:
            raise ExplainError(f"{base_url} does not answer: {err}") from err
        if reply.status_code != httpx.codes.NOT_FOUND:
            break
    if reply.status_code == httpx.codes.NOT_FOUND:
        msg = f"no Gateway keeps {request_id!r} after {tries} tries: {_told(reply)}"
        raise ExplainError(msg)
    if not reply.is_success:
        raise ExplainError(f"{url} gives {reply.status_code}: {_told(reply)}")
    try:
        return from_json(reply.json())
    except (ValueError, ValidationError) as err:
        raise ExplainError(f"{url} gives no record of a request: {_told(reply)}") from err


def _told(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return reply.text[:_SHOWN_CHARS]


def _hidden(record: RequestRecord) -> RequestRecord:
    """The record without texts; files and numbers stay."""
    return RequestRecord(**{**vars(record), "findings": without_texts(record.findings)})


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m graphs.explain", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("request_id", metavar="REQUEST_ID", help="the x-request-id of the reply")
    option("--base-url", default="http://127.0.0.1:8000", help="%(default)s")
    option("--api-key", default=os.environ.get("OPENAI_API_KEY", "none"), help="one for admins")
    option("--expected", metavar="WHAT", help="a file name, or words of the passage you missed")
    option("--texts", action="store_true", help="show questions and pieces of passages, too")
    option("--json", action="store_true", help="print the whole record as JSON")
    option("--tries", type=int, default=20, help="one for each Gateway or more (%(default)s)")
    options = parser.parse_args(arguments)
    if not 1 <= options.tries <= 1000:
        parser.error(f"--tries must be in 1..1000, got {options.tries}")
    return options


if __name__ == "__main__":
    sys.exit(main())
