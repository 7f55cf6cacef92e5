"""`python -m benchmarks.cost PART`: what a part of the server costs a request.

Serves two copies of this checkout side by side, each as `make serve` does, one with the part and
one without it. Windows of requests, with some clients at once, go to both in turn, and the order
changes every round, so that whatever else the machine does hits both alike.

    metrics   cited answers; without: no metric of requests is recorded (Ray's and Serve's own are)
    traces    cited answers; with: Serve's tracing, a share of the requests sampled (`--sampled`),
              their spans sent to a collector; without: as shipped
    observing both of these
    keys      embeddings of one short text; with: a key is asked for, and limits of requests and
              tokens are kept; without: as shipped

Told is the CPU time of all processes of a copy a request, Ray's included, and the requests a
second. A ratio or difference is the median over the rounds.

Exit status: 0 the costs are within the limit (`--limit` of throughput, `--limit-ms` of CPU time for
keys); 1 they are not; 2 a copy cannot be served or does not answer; 130 interrupted.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.checkout import CheckoutError, ServedCheckout, exit_status
from benchmarks.overhead import QUESTIONS, ROOT, ask
from benchmarks.progress import progress_bar
from deployments.state import models_folder
from graphs.settings import ServedNames

_REQUEST_S = 120.0
_METER = Path("deployments/observing/metrics.py")
_RECORDS = "        metric = METRICS[name]\n"
_MOST = 10**9  # a limit that is kept and never reached

Call = Callable[[httpx.Client, int], object]


@dataclass(frozen=True, kw_only=True)
class Window:
    """Some requests to one copy: CPU seconds of the copy, and wall seconds, a request."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a part costs; each is a median over the rounds.

    Attributes:
        cpu_ms: CPU time a request more than without it.
        cpu_ratio: CPU time with it to without it.
        rate_ratio: requests a second with it to without it.
    """

    cpu_ms: float
    cpu_ratio: float
    rate_ratio: float


def main() -> None:
    """Runs the command line."""
    arguments = _parse()
    console = Console()
    sys.exit(exit_status(lambda: _run(arguments, console), console))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cost", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("part", choices=["metrics", "traces", "observing", "keys"])
    option("--rounds", type=int, default=20, help="windows of each copy (%(default)s)")
    option("--requests", type=int, help="in a window (22 answers, or 100 embeddings)")
    option("--clients", type=int, default=4, help="that ask at once (%(default)s)")
    option("--sampled", type=float, default=0.01, help="share of traced requests (%(default)s)")
    option("--limit", type=float, default=0.03, help="of throughput (%(default)s)")
    option("--limit-ms", type=float, default=1.0, help="of CPU time, for keys (%(default)s)")
    arguments = parser.parse_args()
    if arguments.requests is None:
        arguments.requests = 100 if arguments.part == "keys" else 2 * len(QUESTIONS)
    for name in ("rounds", "requests", "clients"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    return arguments


def _run(arguments: argparse.Namespace, console: Console) -> bool:
    part = arguments.part
    with ExitStack() as stack:
        collector = stack.enter_context(_collector())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cost-")))
        copies = []
        # One after the other: two that start at once may choose the same ports for Ray.
        for is_with in (False, True):
            console.print(f"starting the copy {'with' if is_with else 'without'} {part}")
            path = _copy(folder / str(is_with), has_metrics=is_with or part in ("traces", "keys"))
            copy = ServedCheckout(
                path=path, documents=ROOT / "examples" / "handbook",
                variables={"OTEL_EXPORTER_OTLP_ENDPOINT": collector},
                with_key=is_with and part == "keys",
                edit=_edit(part, arguments.sampled) if is_with else lambda config: None,
            )  # fmt: skip
            copies.append(stack.enter_context(copy))
        rounds = _measured(copies, arguments)
    cost = cost_of(rounds)
    _tell(console, rounds, cost)
    if part == "keys":
        return bool(cost.cpu_ms <= arguments.limit_ms)
    return bool(cost.rate_ratio >= 1 - arguments.limit)


def _copy(target: Path, *, has_metrics: bool) -> Path:
    """Copies what git knows of this checkout, and lets it use the models of this one.

    Raises:
        CheckoutError: metrics cannot be taken out, since the code that records them is another.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    (target / ".ragfleet").mkdir()
    (target / ".ragfleet" / "models").symlink_to(models_folder())
    if not has_metrics:
        code = (target / _METER).read_text()
        if code.count(_RECORDS) != 1:
            raise CheckoutError(f"{_METER} does not have {_RECORDS.strip()!r} once any more")
        (target / _METER).write_text(code.replace(_RECORDS, f"        return\n{_RECORDS}"))
    return target


def _edit(part: str, sampled: float) -> Callable[[dict[str, Any]], None]:
    def traced(config: dict[str, Any]) -> None:
        config["tracing_config"] = {
            "enabled": True, "exporter_import_path": "deployments.observing.spans:exporters",
            "sampling_ratio": sampled,
        }  # fmt: skip

    def keyed(config: dict[str, Any]) -> None:
        deployments = config["applications"][0]["deployments"]
        gateway = next(one for one in deployments if one["name"] == "Gateway")
        most = {"requests_per_min": _MOST, "tokens_per_min": _MOST}
        gateway["user_config"] |= {
            "auth": {"keys": True}, "limits": {"key": most, "tenant": most},
        }  # fmt: skip

    edits: Mapping[str, Callable[[dict[str, Any]], None]] = {
        "traces": traced, "observing": traced, "keys": keyed,
    }  # fmt: skip
    return edits.get(part, lambda config: None)


def _measured(
    copies: Sequence[ServedCheckout], arguments: argparse.Namespace
) -> list[tuple[Window, Window]]:
    """Gives the windows of each round: without the part, with it."""
    call: Call = _embed if arguments.part == "keys" else _ask
    rounds = []
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                httpx.Client(
                    base_url=copy.url, timeout=_REQUEST_S,
                    headers={"authorization": f"Bearer {copy.key}"},
                )
            )
            for copy in copies
        ]  # fmt: skip
        with progress_bar("windows", 2 * arguments.rounds + 2) as advance:
            for number in range(arguments.rounds + 1):
                taken: dict[int, Window] = {}
                for side in (0, 1) if number % 2 else (1, 0):
                    taken[side] = _window(copies[side], clients[side], call, arguments)
                    advance(1)
                if number:  # the first warms up
                    rounds.append((taken[0], taken[1]))
    return rounds


def _window(
    copy: ServedCheckout, client: httpx.Client, call: Call, arguments: argparse.Namespace
) -> Window:
    with ThreadPoolExecutor(arguments.clients) as pool:
        cpu_s, started = copy.cpu_seconds(), time.perf_counter()
        for _ in pool.map(lambda number: call(client, number), range(arguments.requests)):
            pass
        wall_s = time.perf_counter() - started
        cpu_s = copy.cpu_seconds() - cpu_s
    return Window(cpu_s=cpu_s / arguments.requests, wall_s=wall_s / arguments.requests)


def _ask(client: httpx.Client, number: int) -> object:
    return ask(client, QUESTIONS[number % len(QUESTIONS)])


def _embed(client: httpx.Client, number: int) -> object:
    body = {"model": ServedNames().embedder, "input": f"{number}: the backup runs at night"}
    reply = client.post("/v1/embeddings", json=body)
    if not reply.is_success:
        msg = f"{client.base_url} answers with {reply.status_code}: {reply.text[:500]}"
        raise CheckoutError(msg)
    return reply


def cost_of(rounds: Sequence[tuple[Window, Window]]) -> Cost:
    """Compares windows of the same round.

    Args:
        rounds: of each the window without the part and the one with it; at least one.
    """
    return Cost(
        cpu_ms=median(1000 * (after.cpu_s - before.cpu_s) for before, after in rounds),
        cpu_ratio=median(after.cpu_s / before.cpu_s for before, after in rounds),
        rate_ratio=median(before.wall_s / after.wall_s for before, after in rounds),
    )


def _tell(console: Console, rounds: Sequence[tuple[Window, Window]], cost: Cost) -> None:
    table = Table("", "CPU ms a request", "requests/s")
    for side, name in enumerate(("without", "with")):
        cpu_ms = median(1000 * one[side].cpu_s for one in rounds)
        table.add_row(
            name, f"{cpu_ms:.1f}", f"{1 / median(one[side].wall_s for one in rounds):.2f}"
        )
    table.add_row(
        "median of the rounds", f"{cost.cpu_ms:+.2f} (x {cost.cpu_ratio:.3f})",
        f"x {cost.rate_ratio:.3f}",
    )  # fmt: skip
    console.print(table)


@contextmanager
def _collector() -> Iterator[str]:
    """Takes spans and keeps none; gives its address."""

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    main()
