"""What a replica of the simulated generator has done, in a file that outlives it."""

import json
from pathlib import Path
from typing import TypedDict


class Served(TypedDict):
    """What one replica has done since it started.

    Attributes:
        active: ids of the requests that decode now; a request may stand there more than once.
        slots: streams that decode at once.
        num_requests: streams that began.
        num_resumed: those of them that went on after tokens of another replica.
        num_tokens: tokens that were written.
    """

    pid: int
    active: list[str]
    slots: int
    tokens_per_s: float
    num_requests: int
    num_resumed: int
    num_tokens: int


def write_served(folder: Path, served: Served) -> None:
    """Writes a record, whole or not at all."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{served['pid']}.new"
    path.write_text(json.dumps(served))
    path.rename(path.with_suffix(".json"))
