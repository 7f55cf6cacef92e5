"""A process that takes memory of a card within a share: `python -m tests.gpu.holder '{...}'`.

    share        of the card; 0: of the CPU
    hold_bytes   how much it takes; null: as much as it gets, at most `most_bytes`
    locks        a folder: it takes its memory under the lock of the card, and lies `load_s`

It prints a line of JSON, holds what it has until its input ends, and frees it.
"""

import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch

from models.device import Share, one_at_a_time, pick_device
from models.errors import ModelError

PIECE = 64 * 2**20


def taken(device, most_bytes):
    """Takes pieces until there are enough, or no more."""
    pieces = []
    try:
        while (len(pieces) + 1) * PIECE <= most_bytes:
            pieces.append(torch.ones(PIECE, dtype=torch.uint8, device=device))
    except torch.OutOfMemoryError:
        pass
    return pieces


def main():
    """Takes, tells and waits."""
    asked = json.loads(sys.argv[1])
    lock = one_at_a_time(("0",), Path(asked["locks"])) if asked.get("locks") else nullcontext()
    with lock:
        began = time.monotonic()
        try:
            device = pick_device(Share(num_gpus=asked["share"], num_cpus=1))
        except ModelError as err:
            print(json.dumps({"refused": str(err)}), flush=True)
            return
        pieces = taken(device, asked["hold_bytes"])
        time.sleep(asked.get("load_s", 0))
        ended = time.monotonic()
    told = {"held": len(pieces) * PIECE, "device": device.type, "began": began, "ended": ended}
    print(json.dumps(told), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
