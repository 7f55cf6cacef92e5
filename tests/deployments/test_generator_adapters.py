"""LoRA adapters of a replica: they come and go while it serves."""

from contextlib import aclosing

import pytest

from deployments import generator
from models.device import Share
from models.errors import UnknownAdapterError
from tests.deployments.fake_models import Unserved, ask
from tests.models.adapters.made import make_adapter


def with_adapters(**adapters):
    return {"model": "./old", "engine": "vllm", "max_adapters": 2, "adapters": adapters}


async def test_adapters_come_and_go_without_a_load(loads, tmp_path):
    one = str(make_adapter(tmp_path / "one", 1))
    made = Unserved()
    await made.reconfigure(with_adapters(one=one))
    assert (await made.describe()).adapters == ("one",)
    async with aclosing(made.stream(ask(adapter="one"))) as running:
        begun = (await anext(running)).identity
        assert begun != (await anext(made.stream(ask()))).identity
        await made.reconfigure(with_adapters())
        assert (await made.describe()).adapters == ()
        assert (await anext(made.stream(ask(begun, delivered=(0,))))).identity == begun
        with pytest.raises(UnknownAdapterError):
            await anext(made.stream(ask(adapter="one")))
    assert len(loads) == 1


async def test_an_adapter_that_cannot_be_served_is_told_and_the_old_ones_stay(loads, tmp_path):
    made = Unserved()
    await made.reconfigure(with_adapters(one=str(make_adapter(tmp_path / "one", 1))))
    await made.reconfigure(with_adapters(two="/nowhere"))
    told = await made.describe()
    assert told.adapters == ("one",)
    assert "no adapter 'two' at /nowhere" in told.life.failure
    await made.reconfigure(with_adapters(two=str(make_adapter(tmp_path / "two", 2))))
    told = await made.describe()
    assert (told.adapters, told.life.failure) == (("two",), "")
    assert len(loads) == 1


async def test_on_a_gpu_a_model_that_fails_leaves_the_last_adapters(loads, monkeypatch, tmp_path):
    monkeypatch.setattr(generator, "assigned_share", lambda: Share(num_gpus=1.0))
    made = Unserved()
    await made.reconfigure(with_adapters(one=str(make_adapter(tmp_path / "one", 1))))
    await made.reconfigure(with_adapters(two=str(make_adapter(tmp_path / "two", 2))))
    await made.reconfigure({"model": "./bad"})
    told = await made.describe()
    assert (told.adapters, len(loads)) == (("two",), 2)
    assert "./bad" in told.life.failure
