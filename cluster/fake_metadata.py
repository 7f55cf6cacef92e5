"""A stand-in for the metadata services of AWS, GCP and Azure, for tests and demonstrations.

    python -m cluster.fake_metadata --port 8169
    curl -d '{"cloud": "aws", "kind": "terminate", "in_s": 120}' localhost:8169/_control

It keeps to the rules that a careless client breaks: IMDSv2 tokens, required headers, 404 while
there is no notice, GCP's hanging GET. It is no model of a machine: nothing is ever taken away.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web

CLOUDS = ("aws", "gcp", "azure")
KINDS = ("terminate", "rebalance", "cancel", "expire_tokens", "outage", "reset")
_PREFIXES = {"/latest/": "aws", "/computeMetadata/": "gcp", "/metadata/": "azure"}
_TOKEN_TTL_S = range(1, 21601)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeMetadata:
    """The state of all three services, and the handlers that show it.

    Attributes:
        clouds: those that answer; the paths of the others give 404.
        machine: name of this machine in Azure's events.
        requests: how often each `METHOD /path` was asked for.
        outage_status: when set, the status of every answer.
    """

    def __init__(self, clouds: tuple[str, ...] = CLOUDS, machine: str = "spot-0") -> None:
        self.clouds = clouds
        self.machine = machine
        self.requests: Counter[str] = Counter()
        self.outage_status: int | None = None
        self._tokens: dict[str, float] = {}
        self._aws: dict[str, dict[str, str]] = {}
        self._preempted = False
        self._etag = secrets.token_hex(8)
        self._changed = asyncio.Condition()
        self._events: dict[str, dict[str, Any]] = {}
        self._incarnation = 1

    def app(self) -> web.Application:
        """Makes the application."""
        app = web.Application(middlewares=[self._gate])
        app.add_routes(
            [
                web.put("/latest/api/token", self._aws_token),
                web.get("/latest/meta-data/{path:.+}", self._aws_metadata),
                web.get("/computeMetadata/v1/instance/id", self._gcp_id),
                web.get("/computeMetadata/v1/instance/preempted", self._gcp_preempted),
                web.get("/metadata/instance/compute/name", self._azure_name),
                web.get("/metadata/scheduledevents", self._azure_events),
                web.post("/metadata/scheduledevents", self._azure_start),
                web.post("/_control", self._control),
            ]
        )
        return app

    async def change(self, cloud: str, kind: str, in_s: float = 30.0, **event: Any) -> None:
        """Does what the cloud would do.

        Args:
            cloud: `aws`, `gcp` or `azure`.
            kind: one of KINDS; `outage` makes every answer a 503 until `reset`.
            in_s: time until the machine goes. GCP never says it.
            event: fields of an Azure event that differ, such as `Resources` or `EventType`.

        Raises:
            ValueError: no such cloud or kind, or not in this cloud.
        """
        if cloud not in CLOUDS or kind not in KINDS:
            msg = f"cloud must be in {CLOUDS} and kind in {KINDS}, got {cloud!r} and {kind!r}"
            raise ValueError(msg)
        if kind == "rebalance" and cloud != "aws":
            msg = f"only aws recommends to rebalance, not {cloud}"
            raise ValueError(msg)
        moment = datetime.fromtimestamp(time.time() + in_s, UTC)
        match kind:
            case "expire_tokens":
                self._tokens = dict.fromkeys(self._tokens, 0.0)
            case "outage":
                self.outage_status = 503
            case "reset":
                await self._reset()
            case _:
                await getattr(self, f"_change_{cloud}")(kind, moment, event)

    async def _change_aws(self, kind: str, moment: datetime, _: dict[str, Any]) -> None:
        text = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
        if kind == "terminate":
            self._aws["spot/instance-action"] = {"action": "terminate", "time": text}
        elif kind == "rebalance":
            self._aws["events/recommendations/rebalance"] = {"noticeTime": text}
        else:
            self._aws.clear()

    async def _change_gcp(self, kind: str, _: datetime, __: dict[str, Any]) -> None:
        async with self._changed:
            self._preempted = kind == "terminate"
            self._etag = secrets.token_hex(8)
            self._changed.notify_all()

    async def _change_azure(self, kind: str, moment: datetime, event: dict[str, Any]) -> None:
        self._incarnation += 1
        if kind == "cancel":
            self._events.clear()
            return
        made = {
            "EventId": str(uuid.uuid4()).upper(),
            "EventType": "Preempt",
            "ResourceType": "VirtualMachine",
            "Resources": [self.machine],
            "EventStatus": "Scheduled",
            "NotBefore": format_datetime(moment, usegmt=True),
            "Description": "",
            "EventSource": "Platform",
            "DurationInSeconds": -1,
            **event,
        }
        self._events[made["EventId"]] = made

    async def _reset(self) -> None:
        self.outage_status = None
        self._aws.clear()
        self._events.clear()
        await self._change_gcp("cancel", datetime.now(UTC), {})

    @web.middleware
    async def _gate(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Counts requests, and answers for clouds that this machine is not in."""
        if request.path == "/_control":
            return await handler(request)
        self.requests[f"{request.method} {request.path}"] += 1
        cloud = next((cloud for at, cloud in _PREFIXES.items() if request.path.startswith(at)), "")
        if self.outage_status is not None or cloud not in self.clouds:
            return web.Response(status=self.outage_status or 404)
        try:
            return await handler(request)
        except _RefusedError as err:
            return web.Response(status=err.args[0])

    async def _control(self, request: web.Request) -> web.StreamResponse:
        try:
            await self.change(**json.loads(await request.text()))
        except (ValueError, TypeError) as err:
            return web.json_response({"error": str(err)}, status=400)
        return web.json_response({"requests": dict(self.requests)})

    async def _aws_token(self, request: web.Request) -> web.StreamResponse:
        ttl = request.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if not ttl.isdecimal() or int(ttl) not in _TOKEN_TTL_S:
            raise _RefusedError(400)
        if "X-Forwarded-For" in request.headers:
            raise _RefusedError(403)
        token = secrets.token_urlsafe(40)
        self._tokens[token] = time.time() + int(ttl)
        return web.Response(text=token)

    async def _aws_metadata(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("X-aws-ec2-metadata-token", "")
        if self._tokens.get(token, 0.0) <= time.time():
            raise _RefusedError(401)
        notice = self._aws.get(request.match_info["path"])
        if notice is None:
            raise _RefusedError(404)
        return web.json_response(notice)

    def _gcp_answer(self, request: web.Request, text: str) -> web.StreamResponse:
        if request.headers.get("Metadata-Flavor") != "Google":
            raise _RefusedError(403)
        return web.Response(text=text, headers={"Metadata-Flavor": "Google", "ETag": self._etag})

    async def _gcp_id(self, request: web.Request) -> web.StreamResponse:
        return self._gcp_answer(request, "4211337")

    async def _gcp_preempted(self, request: web.Request) -> web.StreamResponse:
        last = request.query.get("last_etag", self._etag)
        if request.query.get("wait_for_change") == "true" and last == self._etag:
            limit_s = float(request.query.get("timeout_sec", "inf"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(limit_s, 3600.0)), self._changed:
                    await self._changed.wait()
        return self._gcp_answer(request, "TRUE" if self._preempted else "FALSE")

    async def _azure_name(self, request: web.Request) -> web.StreamResponse:
        _check_azure(request)
        return web.Response(text=self.machine)

    async def _azure_events(self, request: web.Request) -> web.StreamResponse:
        _check_azure(request)
        return web.json_response(
            {"DocumentIncarnation": self._incarnation, "Events": list(self._events.values())}
        )

    async def _azure_start(self, request: web.Request) -> web.StreamResponse:
        """Starts events early, as the machine asked; NotBefore is empty from then on."""
        _check_azure(request)
        wanted = [start["EventId"] for start in json.loads(await request.text())["StartRequests"]]
        if not set(wanted) <= set(self._events):
            raise _RefusedError(400)
        for event_id in wanted:
            self._events[event_id] |= {"EventStatus": "Started", "NotBefore": ""}
        self._incarnation += 1
        return web.Response()


def _check_azure(request: web.Request) -> None:
    if request.headers.get("Metadata") != "true" or "api-version" not in request.query:
        raise _RefusedError(400)


class _RefusedError(Exception):
    """Carries the status of an answer that is no success."""


@contextlib.asynccontextmanager
async def serving(fake: FakeMetadata, port: int = 0) -> AsyncIterator[str]:
    """Serves a fake on the loopback address; yields its base URL."""
    runner = web.AppRunner(fake.app(), shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, bound = runner.addresses[0][:2]
        yield f"http://{host}:{bound}"
    finally:
        await runner.cleanup()


async def _serve_forever(arguments: argparse.Namespace) -> None:
    fake = FakeMetadata(tuple(arguments.clouds), arguments.machine)
    async with serving(fake, arguments.port) as url:
        sys.stdout.write(f"fake metadata of {', '.join(fake.clouds)} at {url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.fake_metadata", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=8169, help="0 is any free one (%(default)s)")
    parser.add_argument("--clouds", nargs="+", choices=CLOUDS, default=CLOUDS, help="which answer")
    parser.add_argument("--machine", default="spot-0", help="name in Azure's events (%(default)s)")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_forever(parser.parse_args()))


if __name__ == "__main__":
    main()
