"""What headers tell of an answer: stage times (https://www.w3.org/TR/server-timing/), its writer.

The times are told as a tree, too.
"""

import re
from collections.abc import Sequence
from typing import Any

from graphs.pipeline.events import Retrieved, Span, StageTime

_NOT_TOKEN = re.compile(r"[^A-Za-z0-9_-]+")


def server_timing(timings: Sequence[StageTime]) -> dict[str, str]:
    """Gives the header, one entry a stage; no header without stages."""
    entries = [f"{_NOT_TOKEN.sub('_', time.stage)};dur={time.latency_ms:.1f}" for time in timings]
    return {"server-timing": ", ".join(entries)} if entries else {}


def written_by(retrieved: Retrieved) -> dict[str, str]:
    """Gives the header that names the generator at work; no header where none is chosen."""
    return {"x-written-by": retrieved.writer} if retrieved.writer else {}


def tree(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Gives the runs of stages by their starts, each with those that were made within it."""
    known = {span.number for span in spans}
    nodes: dict[int, dict[str, Any]] = {
        span.number: {
            "stage": span.stage,
            "start_ms": round(span.start_ms, 1),
            "latency_ms": round(span.latency_ms, 1),
        }
        | ({"error": span.error} if span.error else {})
        for span in sorted(spans, key=lambda one: one.number)
    }
    above = {span.number: span.above for span in spans}
    roots: list[dict[str, Any]] = []
    for number, node in nodes.items():
        parent = above[number]
        if parent is None or parent not in known:  # one that still runs is not told yet
            roots.append(node)
        else:
            nodes[parent].setdefault("below", []).append(node)
    return roots
