"""What every Ray process of a test's own cluster has in its environment."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def ray_environment(folder):
    """A private folder, with a token of its own, so that two clusters never meet."""
    token = folder / "auth_token"
    if not token.exists():
        token.touch(mode=0o600)
        token.write_text("0" * 64)
    return {
        "PYTHONPATH": str(ROOT),
        "RAY_TMPDIR": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # the tests and the replicas get the same share of the cores
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
    }
