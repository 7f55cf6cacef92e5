"""Clients as people install them, against the server at RAGFLEET_URL that holds the handbook.

They run in an environment of their own (`make test-clients` makes it), so nothing of this
repository is imported here. tests/end_to_end/test_clients.py starts the server and these tests,
once where it quotes and once where it answers freely (RAGFLEET_ANSWERS).
"""

import os
import shutil
from pathlib import Path

import httpx
import pytest

QUESTION = "How large may a file be?"
ANSWER = "32 megabytes"


# How tiktoken names the vocabulary of cl100k_base in its cache: without it, it would download it.
VOCABULARY = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"


@pytest.fixture(scope="session", autouse=True)
def _vocabulary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiktoken")
    bundled = Path(__file__).parents[2] / "models" / "bundled" / "cl100k_base.tiktoken"
    shutil.copy(bundled, folder / VOCABULARY)
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)


@pytest.fixture(scope="session")
def url():
    return os.environ["RAGFLEET_URL"]


@pytest.fixture(scope="session")
def base_url(url):
    return f"{url}/v1"


@pytest.fixture(scope="session")
def key():
    """What the server takes for a key; where it needs none, anything."""
    return os.environ["RAGFLEET_KEY"]


@pytest.fixture(scope="session")
def handbook(base_url, key):
    """The id of the store of that name."""
    headers = {"authorization": f"Bearer {key}"}
    stores = httpx.get(f"{base_url}/vector_stores", headers=headers).json()["data"]
    return next(store["id"] for store in stores if store["name"] == "handbook")


@pytest.fixture(autouse=True)
def _only_at_its_server(request):
    for mode in ("quote", "free"):
        if request.node.get_closest_marker(mode) and os.environ["RAGFLEET_ANSWERS"] != mode:
            pytest.skip(f"needs `answers: {mode}`")
