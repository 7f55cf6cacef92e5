"""The card that these tests run on, or the CPU that stands in for it where they are tried."""

import os
import subprocess
import sys

import pytest
import torch

from models.device import Share

HAS_CARD = torch.cuda.is_available()
IS_DRY = not HAS_CARD and os.environ.get("RAGFLEET_GPU_DRY") == "1"
DEVICE = "cuda" if HAS_CARD else "cpu"
needs_card = pytest.mark.skipif(IS_DRY, reason="only a card shows it")


def share_of(part):
    """A share of the card; without one the CPU's, since what is tried there is the script."""
    return Share(num_gpus=part if HAS_CARD else 0.0, num_cpus=2.0)


def free_and_total():
    """Bytes of the card, asked by a process that ends: this one may hold nothing of it."""
    asked = "import torch; print(*torch.cuda.mem_get_info(0))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=120
    )
    return tuple(map(int, done.stdout.split()))
