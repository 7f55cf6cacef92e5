"""The simulated models take what the graph sends to the real ones."""

import inspect

import pytest

from chaos.simulated import app as simulated
from deployments import embedder, reranker, safety_filter

METHODS = [
    (embedder.Embedder, simulated.Embedder, "embed"),
    (embedder.Embedder, simulated.Embedder, "fingerprint"),
    (embedder.Embedder, simulated.Embedder, "tokenizer_json"),
    (reranker.Reranker, simulated.Reranker, "rerank"),
    (reranker.Reranker, simulated.Reranker, "judge"),
    (safety_filter.SafetyFilter, simulated.SafetyFilter, "classify"),
]


@pytest.mark.parametrize(("real", "made_up", "method"), METHODS)
def test_a_method_has_the_parameters_of_the_real_one(real, made_up, method):
    def parameters(deployment):
        signature = inspect.signature(getattr(deployment.func_or_class, method))
        return [(one.name, one.kind, one.default) for one in signature.parameters.values()]

    assert parameters(made_up) == parameters(real)
