"""A model's life without Ray: what is loaded when, and what is told of it."""

import asyncio
from dataclasses import dataclass, field

import pytest

from deployments.life import model_life as module
from deployments.life.model_life import ModelLife, Steps
from deployments.user_config import parse_config
from models.errors import InvalidInputError, LoadTimeoutError


@dataclass(frozen=True, kw_only=True)
class Settings:
    model: str
    load_timeout_s: float = field(default=5.0, compare=False)


class Machine:
    """Loads a model by name, when it may; some names fail."""

    def __init__(self):
        self.loaded, self.retired, self.told = [], [], []
        self.may_load = asyncio.Event()
        self.may_load.set()

    def life(self, *, beside=True):
        steps = Steps(
            parse=lambda block: parse_config(Settings, block),
            load=self.load, warm_up=self.warm_up, retire=self.retire,
        )  # fmt: skip
        return ModelLife(steps, beside=lambda: beside)

    async def load(self, config):
        await self.may_load.wait()
        if config.model == "none":
            raise MemoryError("9 GB are needed, 1 GB is free")
        self.loaded.append(config.model)
        return config.model

    async def warm_up(self, model):
        if model == "cold":
            raise RuntimeError("no kernel")

    async def retire(self, model):
        self.retired.append(model)


@pytest.fixture
def machine(monkeypatch):
    made = Machine()
    monkeypatch.setattr(module, "tell", made.told.append)
    return made


async def settle(life):
    await asyncio.gather(*life._tasks)


async def test_the_same_settings_do_nothing(machine):
    life = machine.life()
    for _ in range(3):
        await life.change({"model": "a"})
    await settle(life)
    assert (machine.loaded, machine.told) == (["a"], [])


@pytest.mark.parametrize("block", [{"model": "none"}, {"model": "cold"}, {"modle": "a"}])
async def test_the_first_settings_fail_loudly(machine, block):
    with pytest.raises((MemoryError, RuntimeError, InvalidInputError)):
        await machine.life().change(block)


async def test_nobody_waits_while_another_is_loaded_beside_the_old_one(machine):
    life = machine.life()
    await life.change({"model": "a"})
    machine.may_load.clear()
    await life.change({"model": "b"})
    await asyncio.sleep(0)
    assert await life.current() == "a"
    assert life.report().phase == "loading"
    assert machine.told == ["b is loaded; a answers meanwhile"]
    machine.may_load.set()
    await settle(life)
    assert await life.current() == "b"
    assert (machine.retired, machine.told[-1]) == (["a"], "")


@pytest.mark.parametrize("block", [{"model": "none"}, {"model": "cold"}, {"modle": "a"}])
@pytest.mark.parametrize("beside", [True, False])
async def test_later_settings_that_fail_leave_the_old_model_and_tell_why(machine, beside, block):
    life = machine.life(beside=beside)
    await life.change({"model": "a"})
    await life.change(block)
    await settle(life)
    assert await life.current() == "a"
    report = life.report()
    assert (report.model, report.phase) == ("a", "serving")
    assert report.failure.endswith("; a goes on answering")
    assert machine.told[-1] == report.failure
    life.remind()
    assert machine.told[-2:] == [report.failure] * 2


async def test_the_old_settings_take_a_failure_back_and_the_failed_ones_are_tried_again(machine):
    life = machine.life()
    for model in ("a", "none", "a"):
        await life.change({"model": model})
        await settle(life)
    assert (life.report().failure, machine.told[-1]) == ("", "")
    assert machine.loaded == ["a"]
    await life.change({"model": "none"})
    await settle(life)
    assert "9 GB are needed" in life.report().failure


async def test_settings_that_do_not_parse_are_taken_back_by_the_old_ones(machine):
    life = machine.life()
    for settings in ({"model": "a"}, {"modle": "a"}):
        await life.change(settings)
        await settle(life)
    assert "modle" in life.report().failure
    await life.change({"model": "a"})
    assert (life.report().failure, machine.told[-1]) == ("", "")
    assert machine.loaded == ["a"]


async def test_of_several_changes_the_last_one_counts(machine):
    life = machine.life()
    await life.change({"model": "a"})
    machine.may_load.clear()
    for model in ("b", "c", "d"):
        await life.change({"model": model})
    await asyncio.sleep(0)
    machine.may_load.set()
    await settle(life)
    assert await life.current() == "d"
    assert "c" not in machine.loaded


async def test_in_its_place_the_old_one_goes_first_and_callers_wait(machine):
    life = machine.life(beside=False)
    await life.change({"model": "a"})
    machine.may_load.clear()
    change = asyncio.create_task(life.change({"model": "b"}))
    await asyncio.sleep(0.01)
    assert (machine.retired, life.loaded, life.report().model) == (["a"], None, "")
    waiting = asyncio.create_task(life.current())
    machine.may_load.set()
    await change
    assert await waiting == "b"


@pytest.mark.parametrize("beside", [True, False])
async def test_a_load_that_hangs_is_given_up(machine, beside):
    life = machine.life(beside=beside)
    machine.may_load.clear()
    with pytest.raises(LoadTimeoutError, match=r"load_timeout_s, 0\.02 s"):
        await life.change({"model": "a", "load_timeout_s": 0.02})
    machine.may_load.set()
    await life.change({"model": "a"})
    machine.may_load.clear()
    asyncio.get_running_loop().call_later(0.05, machine.may_load.set)
    await life.change({"model": "b", "load_timeout_s": 0.02})
    await settle(life)
    assert await life.current() == "a"
    assert "load_timeout_s" in life.report().failure


async def test_a_load_that_took_too_long_is_tried_again_when_it_may_take_longer(machine):
    life = machine.life()
    await life.change({"model": "a"})
    machine.may_load.clear()
    for limit_s in (0.02, 0.02, 5.0):
        asyncio.get_running_loop().call_later(0.05, machine.may_load.set)
        await life.change({"model": "b", "load_timeout_s": limit_s})
        await settle(life)
    assert (machine.loaded, life.report().failure) == (["a", "b"], "")


async def test_settings_that_come_while_one_goes_in_anothers_place_wait_and_retire_it(machine):
    life = machine.life(beside=False)
    await life.change({"model": "a"})
    machine.may_load.clear()
    changes = [asyncio.create_task(life.change({"model": "b"}))]
    await asyncio.sleep(0.01)
    await life.change({"modle": "c"})  # must not end the replica
    changes.append(asyncio.create_task(life.change({"model": "none"})))
    await asyncio.sleep(0.01)
    machine.may_load.set()
    await asyncio.gather(*changes)
    assert await life.current() == "b"
    assert machine.loaded == ["a", "b", "b"]
    assert machine.retired == ["a", "b"]
    assert "9 GB are needed" in life.report().failure
