"""What classes of service are worth at overload: `python -m benchmarks.classes`.

A real Gateway on Serve with keys, over one simulated generator that answers eight at once and four
a second. Three phases, told as a table:

    idle       one client of class `priority` asks every two seconds, alone
    overload   the same beside three times what the generator can do, by `default` and `flex`
    shares     all three classes have more to ask than there is room for, for a minute

Exit status 1: beside overload the p99 of `priority` is more than `--worst` times that of idle, a
request of it was refused, none of `flex` was, or a class had a share that is more than a tenth off.
It takes about 5 minutes.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from chaos.fleet import Fleet
from cluster.interrupts import interruptible
from graphs.accounts.settings import ClassSettings
from index.catalog.catalog import Catalog
from index.catalog.keys.records import KeyGrant, ServiceClass

_SLOTS, _TOKENS_PER_S, _ANSWER_TOKENS = 8, 20.0, 40
_CAPACITY = _SLOTS * _TOKENS_PER_S / _ANSWER_TOKENS  # answers a second
_OVERLOAD: Mapping[ServiceClass, float] = {"default": 1.0, "flex": 2.0}  # of the capacity
_RATE = 0.5  # of the client of class `priority`, a second
_KEPT = 2  # slots: an answer takes a little longer than two seconds
_MAX_WAITING = 32
_CLIENTS = 12  # of each class where they ask without a pause: more than may wait for their turn
_ORDER: tuple[ServiceClass, ...] = ("priority", "default", "flex")
_TOLERANCE = 0.1
_WARM_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request that has ended."""

    service_class: ServiceClass
    status: int
    latency_s: float
    ended_at: float


def changes() -> dict[str, dict[str, Any]]:
    """One replica of everything, few slots, keys and classes."""
    one = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
    names = ("Embedder", "Retriever", "Reranker", "SafetyFilter")
    gateway = {
        **one,
        "user_config": {
            "auth": {"keys": True},
            "classes": {
                "at_once": _SLOTS,
                "kept_for_priority": _KEPT,
                "max_waiting": _MAX_WAITING,
            },
            "timeouts": {"slot_s": 60, "first_token_s": 60},
        },
    }
    generator = {
        **one, "max_ongoing_requests": _SLOTS,
        "user_config": {"tokens_per_s": _TOKENS_PER_S, "max_concurrent_requests": _SLOTS},
    }  # fmt: skip
    return dict.fromkeys(names, one) | {"Gateway": gateway, "Generator": generator}


class Asking:
    """Clients with a key of each class, at one server."""

    def __init__(self, http: httpx.AsyncClient, keys: Mapping[ServiceClass, str]) -> None:
        self._http = http
        self._keys = keys
        self._number = 0
        self.sent: list[Sent] = []

    async def ask(self, service_class: ServiceClass) -> None:
        """Asks once, a question that no other request has."""
        self._number += 1
        body = {
            "model": "generator", "max_tokens": _ANSWER_TOKENS,
            "messages": [{"role": "user", "content": f"Question {self._number}?"}],
        }  # fmt: skip
        headers = {"authorization": f"Bearer {self._keys[service_class]}"}
        began = time.perf_counter()
        reply = await self._http.post("/v1/chat/completions", json=body, headers=headers)
        ended = time.perf_counter()
        self.sent.append(
            Sent(
                service_class=service_class, status=reply.status_code,
                latency_s=ended - began, ended_at=ended,
            )
        )  # fmt: skip

    async def ask_at(self, service_class: ServiceClass, rate: float, seconds: float) -> None:
        """Asks so often a second, whatever becomes of it."""
        began, tasks = time.perf_counter(), []
        for number in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(self.ask(service_class)))
        await asyncio.gather(*tasks)

    async def ask_on(self, service_class: ServiceClass, ends_at: float) -> None:
        """Asks again as soon as it is answered or refused."""
        while time.perf_counter() < ends_at:
            await self.ask(service_class)


async def idle(asking: Asking, seconds: float) -> list[Sent]:
    """One client of the best class, alone."""
    await asking.ask_at("priority", _RATE, seconds)
    return _taken(asking)


async def overload(asking: Asking, seconds: float) -> list[Sent]:
    """The same client beside too many others."""
    others = [
        asyncio.create_task(asking.ask_at(name, of * _CAPACITY, seconds + _WARM_S))
        for name, of in _OVERLOAD.items()
    ]
    await asyncio.sleep(_WARM_S)  # until as many wait as may
    await asking.ask_at("priority", _RATE, seconds)
    await asyncio.gather(*others)
    return _taken(asking)


async def shares(asking: Asking, seconds: float) -> list[Sent]:
    """What each class gets where all of them always wait."""
    began = time.perf_counter()
    ends_at = began + _WARM_S + seconds
    await asyncio.gather(
        *(asking.ask_on(name, ends_at) for name in _ORDER for _ in range(_CLIENTS))
    )
    return [one for one in _taken(asking) if began + _WARM_S <= one.ended_at < ends_at]


def _taken(asking: Asking) -> list[Sent]:
    sent, asking.sent = asking.sent, []
    return sent


def p99_s(sent: Sequence[Sent], service_class: ServiceClass) -> float:
    """So long the slowest hundredth of a class took, of its answers."""
    times = [one.latency_s for one in sent if _is_answer(one, service_class)]
    return statistics.quantiles(times, n=100, method="inclusive")[-1]


def _is_answer(one: Sent, service_class: ServiceClass) -> bool:
    return one.service_class == service_class and one.status == httpx.codes.OK


def judged(phases: Mapping[str, Sequence[Sent]], worst: float) -> list[str]:
    """Tells what is not as it should be."""
    wrong = []
    ratio = p99_s(phases["overload"], "priority") / p99_s(phases["idle"], "priority")
    if ratio > worst:
        wrong.append(f"p99 of priority: {ratio:.2f} times that of idle, for {worst:g}")
    refused = Counter(one.service_class for one in phases["overload"] if one.status != 200)
    if refused["priority"] or not refused["flex"]:
        wrong.append(f"refused: {dict(refused)}")
    for name, (share, wanted) in shares_of(phases["shares"]).items():
        if abs(share / wanted - 1) > _TOLERANCE:
            wrong.append(f"share of {name}: {share:.3f} for {wanted:.3f}")
    return wrong


def shares_of(sent: Sequence[Sent]) -> dict[str, tuple[float, float]]:
    """Gives what each class had of all answers, and what it should have."""
    settings = ClassSettings()
    counts = {name: sum(_is_answer(one, name) for one in sent) for name in _ORDER}
    weights = {name: getattr(settings, name) for name in _ORDER}
    return {
        name: (counts[name] / sum(counts.values()), weights[name] / sum(weights.values()))
        for name in _ORDER
    }


def printed(phases: Mapping[str, Sequence[Sent]]) -> Table:
    """Makes the table."""
    table = Table("phase", "class", "answered", "refused", "p50 s", "p99 s", "share (wanted)")
    told = shares_of(phases["shares"])
    for phase, sent in phases.items():
        for name in _ORDER:
            times = [one.latency_s for one in sent if _is_answer(one, name)]
            if len(times) < 2:
                continue
            num_refused = sum(one.service_class == name and one.status != 200 for one in sent)
            share, wanted = told[name]
            table.add_row(
                phase, name, str(len(times)), str(num_refused), f"{statistics.median(times):.2f}",
                f"{p99_s(sent, name):.2f}",
                f"{share:.3f} ({wanted:.3f})" if phase == "shares" else "",
            )  # fmt: skip
    return table


async def measured(fleet: Fleet, seconds: float) -> dict[str, list[Sent]]:
    """Runs the phases."""
    catalog = Catalog(fleet.database_url)
    keys = {
        name: catalog.create_key(
            KeyGrant(scopes=frozenset({"query"}), service_class=name, name=name)
        ).token
        for name in _ORDER
    }
    catalog.close()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=fleet.url, timeout=120, limits=limits) as http:
        asking = Asking(http, keys)
        await idle(asking, 5)  # connections and first-time costs
        return {
            "idle": await idle(asking, seconds),
            "overload": await overload(asking, seconds),
            "shares": await shares(asking, max(60.0, seconds)),
        }


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.classes", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=100.0, help="of a phase (default 100)")
    parser.add_argument("--worst", type=float, default=1.5, help="most times idle (default 1.5)")
    options = parser.parse_args()
    if options.seconds < 10:
        parser.error(f"--seconds must be 10 or more, got {options.seconds:g}")
    with interruptible(), Fleet(num_spot=0, changes=changes()) as fleet:
        phases = asyncio.run(measured(fleet, options.seconds))
    Console().print(printed(phases))
    wrong = judged(phases, options.worst)
    for one in wrong:
        print(one, file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
