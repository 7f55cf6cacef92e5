"""An OpenAI-compatible server on this machine that answers with what it is told to."""

import asyncio
import json
import socket
import threading
from contextlib import contextmanager

import uvicorn
from starlette.responses import StreamingResponse

USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}


def piece(text=None, finish=None, **more):
    delta = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


WHOLE = [
    {"choices": []},
    {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]},
    piece(""), piece("Port "), piece("8000. [1]"), piece(finish="stop"),
    {"choices": [], "usage": USAGE},
]  # fmt: skip


class Server:
    """An endpoint that answers with what it is told to, and keeps what it was asked."""

    def __init__(self):
        self.pieces, self.wait_s, self.hangs, self.reply = WHOLE, 0.0, False, None
        self.asked, self.headers = [], []
        # Of the test that is running: an answer to the one before it may end later.
        self.open, self.is_quiet = [], threading.Event()

    async def chat(self, request):
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        reply = self.reply and self.reply(self.asked[-1])
        return reply or StreamingResponse(self.events(), media_type="text/event-stream")

    async def events(self):
        own, is_quiet = self.open, self.is_quiet
        own.append(True)
        is_quiet.clear()
        try:
            for one in self.pieces:
                await asyncio.sleep(self.wait_s)
                yield one if isinstance(one, str | bytes) else f"data: {json.dumps(one)}\n\n"
            if self.hangs:
                await asyncio.sleep(30)
            yield "data: [DONE]\n\n"
        finally:
            own.pop()
            is_quiet.set()


@contextmanager
def serving(app):
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
