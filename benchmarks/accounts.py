"""What accounts cost a request, and how exact limits are: `python -m benchmarks.accounts`.

    overhead   CPU time of a request through the whole border with a route that does nothing, with
               accounts and without; in turn, so that the machine's mood meets both
    keys       CPU time of finding out who asks: a key that the catalog is asked for every 3 s
    limits     20 clients at two Gateways over one catalog ask as fast as they can for a while
               (`--seconds`); told is how many were admitted of what the limit allows

Nothing else is needed: no cluster, no model, a catalog on SQLite.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphs.accounts.accounts import Accounts, Work
from graphs.accounts.settings import AuditSettings, LimitSettings, SharedLimits, TenantLimits
from graphs.api.accounting.audited import Audited
from graphs.api.accounting.limited import Limited
from graphs.api.app import keyring_over
from graphs.api.border.request_caller import RequestCaller
from graphs.caller import Caller
from graphs.config import GatewayConfig
from graphs.corpus_client import CallerCorpus
from graphs.settings import AuthSettings
from index.catalog.catalog import Catalog
from index.catalog.keys.records import KeyGrant

_CALLER = Caller(tenant="t", key_id="k")
_NUM_CLIENTS = 20


class _Corpora:
    """The real catalog in threads, as the Ingester calls it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def of(self, caller: Caller) -> CallerCorpus:
        return CallerCorpus(self._call)

    async def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(getattr(self._catalog, method), *args, **kwargs)


async def _reply(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def _gateway(corpora: _Corpora, limits: LimitSettings) -> Accounts:
    return Accounts(lambda: corpora, lambda: limits, AuditSettings)


async def overhead(corpora: _Corpora, num_requests: int) -> dict[str, float]:
    """CPU microseconds a request: of the event loop's thread and the catalog's together."""
    most = TenantLimits(requests_per_min=10**6, tokens_per_min=10**9, tokens_per_month=10**11)
    accounts = _gateway(corpora, LimitSettings(key=most, tenant=most))
    state = type("State", (), {})()
    state.accounts, state.services = accounts, type("Services", (), {"config": GatewayConfig()})()
    app = type("App", (), {"state": state})()
    bordered: ASGIApp = Audited(Limited(_reply))
    costs: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(10):
        for name, asgi in (("without", _reply), ("with", bordered)):
            began = time.process_time()
            for number in range(num_requests // 10):
                await asgi(_scope(app, number), _receive, _send)
                if name == "with":
                    accounts.bill(_CALLER, Work(model="m", num_prompt_tokens=100))
            if name == "with":
                await accounts.journal.written()
            spent_s = time.process_time() - began
            costs[name].append(1e6 * spent_s / (num_requests // 10))
    await accounts.stop()
    medians = {name: statistics.median(values) for name, values in costs.items()}
    return {
        "without_us": round(medians["without"], 1),
        "with_us": round(medians["with"], 1),
        "overhead_us": round(medians["with"] - medians["without"], 1),
    }


async def keys(corpora: _Corpora, catalog: Catalog, num_requests: int) -> dict[str, float]:
    """CPU microseconds a request of finding out who asks, with ten keys in turn."""
    config = GatewayConfig(auth=AuthSettings(keys=True))
    services = type("Services", (), {"config": config, "corpus": corpora})()
    state = type("State", (), {"services": services, "keyring": keyring_over(lambda: services)})()
    app = type("App", (), {"state": state})()
    grant = KeyGrant(scopes=frozenset({"query"}))
    tokens = [catalog.create_key(grant).token.encode() for _ in range(10)]
    costs: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(10):
        for name, asgi in (("without", _reply), ("with", RequestCaller(_reply))):
            began = time.process_time()
            for number in range(num_requests // 10):
                scope = _scope(app, number)
                scope["headers"] = [(b"authorization", b"Bearer " + tokens[number % 10])]
                del scope["state"]["caller"]
                await asgi(scope, _receive, _send)
            spent_s = time.process_time() - began
            costs[name].append(1e6 * spent_s / (num_requests // 10))
    medians = {name: statistics.median(values) for name, values in costs.items()}
    return {"overhead_us": round(medians["with"] - medians["without"], 1)}


def _scope(app: object, number: int) -> Scope:
    return {
        "type": "http", "method": "POST", "path": "/v1/chat/completions", "app": app,
        "headers": [(b"authorization", b"Bearer k"), (b"content-length", b"200")],
        "client": ("127.0.0.1", 1), "state": {"caller": _CALLER, "request_id": f"r{number}"},
    }  # fmt: skip


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Message) -> None:
    pass


async def limits(corpora: _Corpora, limit: int, for_s: float) -> dict[str, float]:
    """What of a limit of requests a minute is admitted, in all and in the fullest minute."""
    gateways = [
        _gateway(corpora, LimitSettings(key=SharedLimits(requests_per_min=limit))) for _ in range(2)
    ]
    times: list[float] = []
    end = time.monotonic() + for_s

    async def client(number: int) -> None:
        gateway = gateways[number % 2]
        while time.monotonic() < end:
            admission = await gateway.admit(_CALLER, 0)
            if admission.refused is None:
                times.append(time.monotonic())
                admission.close()
            await asyncio.sleep(0.02)

    await asyncio.gather(*map(client, range(_NUM_CLIENTS)))
    for gateway in gateways:
        await gateway.stop()
    fullest = max(sum(first <= one < first + 60 for one in times) for first in times)
    periods = 1 + int(for_s // 64)  # each begins a minute and a second after the one before
    return {
        "limit": limit,
        "admitted": len(times),
        "admitted_of_allowed": round(len(times) / (limit * periods), 4),
        "fullest_minute_of_limit": round(fullest / limit, 4),
    }


async def _measured(options: argparse.Namespace, catalog: Catalog) -> dict[str, object]:
    corpora = _Corpora(catalog)
    return {
        "overhead": await overhead(corpora, options.requests),
        "keys": await keys(corpora, catalog, options.requests),
        "limits": await limits(corpora, options.limit, options.seconds),
    }


def main() -> int:
    """Runs the command line; gives 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accounts", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--requests", type=int, default=5000, help="for the overhead")
    parser.add_argument("--limit", type=int, default=1200, help="requests a minute")
    parser.add_argument("--seconds", type=float, default=110.0, help="of asking for requests")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(f"sqlite:///{folder}/corpus.db")
        told = asyncio.run(_measured(options, catalog))
        catalog.close()
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
