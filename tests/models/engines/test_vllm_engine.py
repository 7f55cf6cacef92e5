"""What is vLLM's alone; test_contract.py has what it promises as the other engines do."""

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from models import device
from models.device import Share
from models.engines.vllm_config import TOLD_ELSEWHERE, VllmEngineConfig, option_names
from models.engines.vllm_engine import VllmEngine, _environment, _start, _step
from models.errors import EngineStoppedError, GpuMemoryError, InvalidInputError
from models.generation import EngineStep, TokenLogprob
from models.generator import Generator, GeneratorConfig

CPU = Path("/proc/cpuinfo").read_text()


@pytest.mark.parametrize(
    ("reason", "token_ids"), [(None, (5, 6, 7)), ("length", (5, 6, 7)), ("stop", (5, 6))]
)
def test_an_answer_ends_by_itself_or_by_its_length(reason, token_ids):
    step = _step(SimpleNamespace(token_ids=[5, 6, 7], finish_reason=reason))
    assert step == EngineStep(token_ids=token_ids, finish_reason=reason)


def test_the_likeliest_ids_are_told_in_their_order_and_none_of_the_end():
    def one(rank, logprob):
        return SimpleNamespace(rank=rank, logprob=logprob)

    told = [
        {7: one(9, -5.0), 4: one(1, -0.5), 3: one(2, -1.0)},
        {3: one(2, -1.5), 4: one(1, -0.4)},
        {1: one(1, -0.1), 4: one(2, -3.0)},
    ]
    made = SimpleNamespace(token_ids=[7, 3, 1], finish_reason="stop", logprobs=told)
    best = ((4, -0.5), (3, -1.0)), ((4, -0.4), (3, -1.5))
    assert _step(made, 2).logprobs == (
        TokenLogprob(token_id=7, logprob=-5.0, top=best[0]),
        TokenLogprob(token_id=3, logprob=-1.5, top=best[1]),
    )
    assert [one.top for one in _step(made, 0).logprobs] == [(), ()]
    assert _step(made).logprobs == ()


@pytest.mark.parametrize("reason", ["abort", "error", "repetition"])
def test_an_answer_that_is_cut_otherwise_is_lost_and_not_finished(reason):
    with pytest.raises(EngineStoppedError, match=reason):
        _step(SimpleNamespace(token_ids=[5], finish_reason=reason))


@pytest.mark.parametrize("name", ["model", "max_num_seqs", "logits_processors", "spec_model"])
def test_what_is_told_elsewhere_is_no_option(name):
    with pytest.raises(InvalidInputError, match=f"'{name}'; it is told by"):
        VllmEngineConfig(options={name: 1})


def test_a_type_that_the_settings_do_not_list_is_refused():
    with pytest.raises(InvalidInputError, match=r"dtype must be one of \('auto', .*got 'fp8'"):
        VllmEngineConfig(dtype="fp8")


@pytest.mark.vllm
def test_the_names_of_options_are_those_of_the_vllm_that_is_pinned():
    vllm = pytest.importorskip("vllm", reason="make test-vllm installs it")
    known = {one.name for one in fields(vllm.AsyncEngineArgs) if one.name[0] != "_"}
    assert option_names() == known - set(TOLD_ELSEWHERE), "run `make vllm-options`"
    assert set(TOLD_ELSEWHERE) <= known


@pytest.mark.parametrize(
    ("share", "batch_invariant", "expected"),
    [
        (Share(num_cpus=1.5), False, {"OMP_NUM_THREADS": "1"}),
        (Share(num_cpus=4.0), False, {"VLLM_CPU_OMP_THREADS_BIND": "nobind"}),
        (Share(num_gpus=1.0, num_cpus=4.0), True, {"VLLM_BATCH_INVARIANT": "1"}),
        (Share(num_gpus=0.3, num_cpus=2.0, allow_cpu=True), False, {"OMP_NUM_THREADS": "2"}),
    ],
)
def test_what_vllm_reads_from_the_environment_is_set_for_it(
    share, batch_invariant, expected, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    made = _environment(VllmEngineConfig(batch_invariant=batch_invariant), share)
    assert expected.items() <= made.items()
    assert ("OMP_NUM_THREADS" in made) == (share.num_gpus == 0 or share.allow_cpu)
    assert ("VLLM_BATCH_INVARIANT" in made) == batch_invariant


class Stop(Exception):
    """Ends a start where vLLM would begin its own."""


@dataclass
class Arguments:
    """What vLLM is told."""

    told: ClassVar[list[dict]] = []

    def __init__(self, **given):
        self.told.append(given)
        raise Stop


def started(share, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(AsyncEngineArgs=Arguments))
    VllmEngine(folder, VllmEngineConfig(), context_tokens=16, share=share)


def test_who_holds_the_card_is_told_before_vllm_is_started(tmp_path, monkeypatch):
    free = SimpleNamespace(stdout=f"{2**30} {2**36}\n", returncode=0)
    monkeypatch.setattr(device.subprocess, "run", lambda *_, **__: free)
    with pytest.raises(GpuMemoryError, match=r"1\.1 GB of 68\.7 GB are free; held by"):
        started(Share(num_gpus=0.5), tmp_path, monkeypatch)
    assert not Arguments.told


def test_on_a_cpu_that_serves_for_gpus_nothing_is_split(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Stop):
        started(Share(num_gpus=4, allow_cpu=True), tmp_path, monkeypatch)
    told = Arguments.told.pop()
    assert (told["tensor_parallel_size"], told["gpu_memory_utilization"]) == (1, 0.9)


@pytest.mark.vllm
def test_an_option_that_vllm_does_not_know_is_refused_with_what_may_be_meant(tmp_path):
    pytest.importorskip("vllm", reason="make test-vllm installs it")
    config = GeneratorConfig(
        model="bundled:generator", engine="vllm",
        engine_options={"options": {"enable_prefix_cachin": True}},
    )  # fmt: skip
    with pytest.raises(InvalidInputError, match="did you mean 'enable_prefix_caching'"):
        Generator(config, cache=tmp_path)


@pytest.mark.vllm
@pytest.mark.skipif("avx512f" in CPU, reason="vLLM has its GPTQ kernel where there is AVX-512")
async def test_a_checkpoint_whose_kernel_is_missing_fails_before_it_serves(tmp_path):
    pytest.importorskip("vllm", reason="make test-vllm installs it")
    options = {"dtype": "bfloat16", "options": {"enforce_eager": True}}
    config = GeneratorConfig(model="bundled:generator", engine="vllm", engine_options=options)
    made = Generator(config, cache=tmp_path, share=Share(num_cpus=2.0))
    with pytest.raises(EngineStoppedError):
        await made.warm_up()
    made.close()


@pytest.mark.vllm
def test_processes_that_end_before_they_are_ready_are_an_engine_that_stopped(monkeypatch):
    pytest.importorskip("vllm", reason="make test-vllm installs it")
    from vllm.v1.engine.async_llm import AsyncLLM

    def fail(*_args, **_kwargs):
        msg = "Engine core initialization failed."
        raise RuntimeError(msg)

    monkeypatch.setattr(AsyncLLM, "from_vllm_config", fail)
    made = SimpleNamespace(
        use_v2_model_runner=False, model_config=SimpleNamespace(), speculative_config=None
    )
    arguments = SimpleNamespace(
        create_engine_config=lambda: made, enable_log_requests=False, disable_log_stats=True
    )
    with pytest.raises(EngineStoppedError, match="did not start: Engine core init"):
        _start(arguments, {})
