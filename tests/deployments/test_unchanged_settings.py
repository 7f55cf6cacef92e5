"""Serve calls `reconfigure` again when a replica's rank changes: then nothing is loaded."""

import asyncio

import pytest

from deployments import reranker, safety_filter


class FakeModel:
    def score(self, items):
        return [None for _ in items]

    def cost(self, item):
        return 1


@pytest.mark.parametrize(
    ("module", "deployment"),
    [(reranker, reranker.Reranker), (safety_filter, safety_filter.SafetyFilter)],
)
async def test_only_other_settings_load_a_model(monkeypatch, module, deployment):
    loaded = []

    async def load(_model_class, config):
        loaded.append(config.model)
        return FakeModel()

    monkeypatch.setattr(module, "load_model", load)
    made = deployment.func_or_class()
    for model in ("./one", "./one", "./two", "./two"):
        await made.reconfigure({"model": model})
        await asyncio.gather(*made._life._tasks)
    assert loaded == ["./one", "./two"]
    assert (await made.describe()).model == "./two"
