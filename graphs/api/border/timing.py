"""Stage times as a `Server-Timing` header (https://www.w3.org/TR/server-timing/)."""

import re
from collections.abc import Sequence

from graphs.pipeline.events import StageTime

_NOT_TOKEN = re.compile(r"[^A-Za-z0-9_-]+")


def server_timing(timings: Sequence[StageTime]) -> dict[str, str]:
    """Gives the header, one entry a stage; no header without stages."""
    entries = [f"{_NOT_TOKEN.sub('_', time.stage)};dur={time.latency_ms:.1f}" for time in timings]
    return {"server-timing": ", ".join(entries)} if entries else {}
