"""One loaded engine of each kind for all tests: starting vLLM takes half a minute."""

import pytest

from tests.models.engines.held import load_held

ENGINES = ("fake", "transformers", pytest.param("vllm", marks=pytest.mark.vllm))


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    """Gives the engine of a kind, loaded anew where a test has ended the last one."""
    held = {}

    def get(kind):
        if kind not in held or held[kind].is_ended():
            close(kind)
            held[kind] = load_held(kind, tmp_path_factory.mktemp("cache"))
        return held[kind]

    def close(kind):
        if kind in held:
            held.pop(kind).generator.close()

    yield get
    for kind in list(held):
        close(kind)


@pytest.fixture(params=ENGINES)
def held(request, loaded):
    return loaded(request.param)
