"""Asks a question and reads the answer to its end, also when the server is lost in the middle.

    python examples/resuming_client.py "How large may a file be?"

Every event of a stream carries an id. After a broken connection the same body is sent again, under
the same `Idempotency-Key` and with the last id in `Last-Event-ID`: the exact rest comes back.
"""

import argparse
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx


class StreamError(RuntimeError):
    """The server ended the answer with an error, or could not be reached in time."""


def stream_chat(
    base_url: str, body: dict[str, Any], *, max_reconnects: int = 20, read_timeout_s: float = 30.0
) -> Iterator[dict[str, Any]]:
    """Gives the chunks of a streamed chat completion, each exactly once.

    Args:
        base_url: such as http://127.0.0.1:8000/v1.
        body: a chat completion request; `stream` is added.
        max_reconnects: broken connections in a row before it gives up.
        read_timeout_s: a connection that is silent for longer counts as broken (the server sends
            a comment every 10 s).

    Raises:
        StreamError: the server sent an error, or the reconnections are used up.
        httpx.HTTPStatusError: the request was refused.
    """
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    num_failures = 0
    with httpx.Client(timeout=httpx.Timeout(10.0, read=read_timeout_s)) as client:
        while num_failures <= max_reconnects:
            wait_s = min(0.1 * 2**num_failures, 2.0)
            try:
                for event_id, data in _events(
                    client, f"{base_url}/chat/completions", body, headers
                ):
                    if data == "[DONE]":
                        return
                    chunk = json.loads(data)
                    if "error" in chunk:
                        raise StreamError(chunk["error"]["message"])
                    headers["Last-Event-ID"] = event_id
                    num_failures = 0
                    yield chunk
            except httpx.TransportError:
                pass  # the connection broke
            except httpx.HTTPStatusError as err:
                if err.response.status_code < 500:
                    raise
                wait_s = float(err.response.headers.get("retry-after", wait_s))
            num_failures += 1
            time.sleep(wait_s)
    msg = f"the answer could not be read to its end in {max_reconnects} reconnections"
    raise StreamError(msg)


def _events(
    client: httpx.Client, url: str, body: dict[str, Any], headers: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Gives id and data of the events of one connection, until it ends or breaks."""
    event_id = ""
    with client.stream("POST", url, json={**body, "stream": True}, headers=headers) as reply:
        reply.raise_for_status()
        for line in reply.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                event_id = value
            elif name == "data":
                yield event_id, value


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", default="rag")
    arguments = parser.parse_args()
    body = {
        "model": arguments.model,
        "messages": [{"role": "user", "content": arguments.question}],
    }
    for chunk in stream_chat(arguments.base_url, body):
        for choice in chunk["choices"]:
            print(choice["delta"].get("content") or "", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
