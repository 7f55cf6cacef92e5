"""What `GenerationEngine` promises, kept by the fake, the transformers and the vLLM engine alike.

The vLLM ones need vLLM's CPU build: `make test-vllm` installs it and runs them.
"""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from models.engines.settling import settled
from models.errors import EngineBusyError, EngineStoppedError, InvalidInputError
from models.generator import Generator, GeneratorConfig
from tests.models.engines.held import ENGINE_OPTIONS, chunks_of, request, write

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # gptqmodel, torchao and vLLM warn at import
    pytest.mark.asyncio(loop_scope="session"),  # vLLM serves one event loop
]
MIB = 2**20
ALL = "Tell me all."
SEEDED = {"temperature": 2.0, "seed": 7}
CUT = {"temperature": 2.0, "seed": -1, "top_p": 0.95, "top_k": 50}


async def until_idle(held):
    for _ in range(1000):
        if held.num_active() == 0:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{held.num_active()} slots were not freed")


async def test_a_stream_comes_in_pieces_whose_positions_meet(held):
    chunks = await chunks_of(held, request(ALL, max_tokens=12))
    starts = [sum(len(one.token_ids) for one in chunks[:n]) for n in range(len(chunks))]
    assert [chunk.position for chunk in chunks] == starts
    assert len(chunks) > 3
    assert {chunk.num_prompt_tokens for chunk in chunks} == {chunks[0].num_prompt_tokens}
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


@pytest.mark.parametrize("max_tokens", [1, 2, 40])
async def test_an_answer_ends_at_its_length_or_by_itself(held, max_tokens):
    chunks = await chunks_of(held, request(ALL, max_tokens=max_tokens, **SEEDED))
    num = sum(len(chunk.token_ids) for chunk in chunks)
    assert (num, chunks[-1].finish_reason) == (max_tokens, "length") or (
        num < max_tokens and chunks[-1].finish_reason == "stop"
    )


async def test_an_answer_ends_by_itself(held):
    # The likeliest answer of the bundled model is short; the fake ends after 60 tokens.
    chunks = await chunks_of(held, request("Which port?", max_tokens=400))
    assert chunks[-1].finish_reason == "stop"
    assert 1 not in [token for chunk in chunks for token in chunk.token_ids]  # the end id


async def test_the_context_ends_an_answer_that_may_be_longer(held):
    words = "word " * (held.generator.context_tokens - 60)
    chunks = await chunks_of(held, request(words, max_tokens=10_000, **SEEDED))
    room = held.generator.context_tokens - chunks[0].num_prompt_tokens
    assert 0 < sum(len(chunk.token_ids) for chunk in chunks) <= room


async def test_an_answer_ends_before_a_stop_string(held):
    text = "".join(one.text for one in await chunks_of(held, request(ALL, max_tokens=40)))
    stop = text[4:9]
    chunks = await chunks_of(held, request(ALL, max_tokens=40, stop=(stop,)))
    assert "".join(one.text for one in chunks) == text[: text.index(stop)]
    assert chunks[-1].finish_reason == "stop"
    await until_idle(held)


@pytest.mark.parametrize("sampling", [{}, SEEDED, CUT])
async def test_requests_decoded_together_are_those_decoded_alone(held, sampling):
    asked = [request(f"{n}?", max_tokens=24, **sampling) for n in ("Why", "Which port", "When")]
    other = [request(f"What {n}?", max_tokens=24, temperature=1.0, seed=n) for n in range(5)]
    alone = [await write(held, one) for one in asked]
    together = await asyncio.gather(*(write(held, one) for one in asked + other))
    assert together[:3] == alone


async def test_a_seed_decides_the_answer(held):
    seeds = (0, 1, -1, 2**63 - 1, -(2**63), 2**32)
    asked = [request(ALL, max_tokens=30, temperature=2.0, seed=seed) for seed in seeds]
    first = await asyncio.gather(*(write(held, one) for one in asked))
    again = await asyncio.gather(*(write(held, one) for one in reversed(asked)))
    assert first == again[::-1]
    assert len(set(map(tuple, first))) == len(seeds)


@pytest.mark.parametrize("temperature", [1e-9, 1e-4])
async def test_a_temperature_near_zero_is_not_raised(held, temperature):
    asked = request("Which port?", max_tokens=20)
    near = [request("Which port?", max_tokens=20, temperature=temperature, seed=s) for s in (1, 2)]
    assert {tuple(await write(held, one)) for one in [asked, *near]} == {
        tuple(await write(held, asked))
    }


@pytest.mark.parametrize("sampling", [{}, SEEDED, CUT])
@pytest.mark.parametrize("together", [False, True])
async def test_an_answer_goes_on_exactly_from_every_position(held, sampling, together):
    asked = request(ALL, max_tokens=40, **sampling)
    whole = await write(held, asked)
    cuts = range(1, len(whole))
    rests = [replace(asked, delivered_token_ids=tuple(whole[:cut])) for cut in cuts]
    if together:
        got = await asyncio.gather(*(write(held, rest) for rest in rests))
    else:
        got = [await write(held, rest) for rest in rests]
    assert [cut for cut in cuts if whole[:cut] + got[cut - 1] != whole] == []
    assert len(whole) > 5


@pytest.mark.parametrize("token_id", [-1, 6144, 2**40])
async def test_an_unknown_id_fails_its_own_request_alone(held, token_id):
    async with aclosing(held.generator.stream(request(ALL, max_tokens=30, **SEEDED))) as other:
        await anext(other)
        with pytest.raises(InvalidInputError, match=rf"0\.\.6143, got {token_id}"):
            await write(held, request("Why?", delivered=(5, token_id)))
        assert [chunk async for chunk in other][-1].finish_reason is not None


async def test_closing_a_stream_frees_its_slot(held):
    async with aclosing(held.generator.stream(request(ALL, max_tokens=400, **SEEDED))) as chunks:
        await anext(chunks)
        assert held.num_active() > 0
    await until_idle(held)


async def test_cancelled_streams_leave_nothing_behind(held, pytestconfig):
    async def cancel(seed):
        asked = request(ALL, max_tokens=400, temperature=2.0, seed=seed)
        async with aclosing(held.generator.stream(asked)) as chunks:
            await anext(chunks)

    async def cancel_all(num):
        for start in range(0, num, 25):
            await asyncio.gather(*(cancel(start + n) for n in range(25)))
        await until_idle(held)

    await cancel_all(50)  # what is made once is made
    used, memory = await held.cache_use(), held.memory_bytes()
    await cancel_all(pytestconfig.getoption("cancelled"))
    assert await held.cache_use() == used
    assert held.memory_bytes() - memory < 64 * MIB


on_vllm = pytest.mark.parametrize(
    "held", [pytest.param("vllm", marks=pytest.mark.vllm)], indirect=True
)


@on_vllm
async def test_a_full_queue_of_vllm_is_no_fault_of_the_request(held, monkeypatch):
    limits = held.engine._engine.scheduler_config
    monkeypatch.setattr(limits, "max_num_queued_reqs", 1)
    answers = [write(held, request(ALL, max_tokens=8)) for _ in range(3)]
    ended = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(one) for one in ended] == [list, EngineBusyError, EngineBusyError]


@on_vllm
async def test_requests_that_give_way_to_each_other_write_what_they_write_alone(held):
    from vllm.v1.metrics.reader import get_metrics_snapshot

    def num_preempted():
        told = get_metrics_snapshot()
        return sum(one.value for one in told if one.name == "vllm:num_preemptions")

    asked = [
        request(
            ALL, max_tokens=240, ignore_eos=True, temperature=1.0, seed=seed, frequency_penalty=0.5
        )
        for seed in range(24)
    ]
    before = num_preempted()
    together = await asyncio.gather(*(write(held, one) for one in asked))
    assert num_preempted() > before
    assert [together[0], together[-1]] == [await write(held, asked[n]) for n in (0, -1)]


@on_vllm
async def test_a_request_that_vllm_loses_may_be_made_good_elsewhere(held, monkeypatch):
    def fail(*_args, **_kwargs):
        msg = "no room for it"
        raise RuntimeError(msg)

    monkeypatch.setattr(held.engine._engine.input_processor, "process_inputs", fail)
    with pytest.raises(EngineStoppedError, match="no room for it"):
        await write(held, request(ALL))
    held.generator.check()


@on_vllm
async def test_what_vllm_refuses_is_told_to_its_client(held):
    config = held.generator._config
    asked = settled(request(ALL), (5, 10**6), config, context_tokens=1024)
    with pytest.raises(InvalidInputError, match="vLLM refuses the request"):
        async for _ in held.engine.generate(asked):
            pass


@on_vllm
def test_the_processes_of_vllm_get_their_share_of_the_cpus(held):
    for pid in held.core_pids():
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert {b"OMP_NUM_THREADS=2", b"VLLM_CPU_OMP_THREADS_BIND=nobind"} <= set(environment)


async def test_closing_ends_every_stream_as_lost(held):
    answers = [
        asyncio.create_task(write(held, request(ALL, max_tokens=900, temperature=2.0, seed=seed)))
        for seed in range(40)  # more than there are slots
    ]
    await held.until_active(40)
    await asyncio.to_thread(held.generator.close)
    ended = await asyncio.wait_for(asyncio.gather(*answers, return_exceptions=True), 60)
    lost = [one for one in ended if isinstance(one, EngineStoppedError)]
    assert len(lost) + sum(isinstance(one, list) for one in ended) == 40
    assert len(lost) >= 35  # a few may have been whole by then
    held.generator.close()
    with pytest.raises(EngineStoppedError):
        held.generator.check()
    with pytest.raises(EngineStoppedError):
        await write(held, request("Why?"))


async def test_the_death_of_an_engine_is_told_to_every_stream(held):
    await held.generator.warm_up()
    answers = [
        asyncio.create_task(write(held, request(ALL, max_tokens=900, temperature=2.0, seed=seed)))
        for seed in range(4)
    ]
    await held.until_active(4)
    await held.kill()
    ended = await asyncio.wait_for(asyncio.gather(*answers, return_exceptions=True), 60)
    assert [type(one) for one in ended] == [EngineStoppedError] * 4
    with pytest.raises(EngineStoppedError):
        held.generator.check()
    with pytest.raises(EngineStoppedError):
        await held.generator.warm_up()
    held.generator.close()
    held.generator.close()


@pytest.mark.parametrize("engine", ENGINE_OPTIONS)
def test_an_unknown_engine_option_is_refused_with_what_may_be_meant(engine, tmp_path):
    config = GeneratorConfig(
        model="bundled:generator", engine=engine, engine_options={"max_concurent_requests": 3}
    )
    with pytest.raises(InvalidInputError, match=r"did you mean 'max_conc"):
        Generator(config, cache=tmp_path)
