"""LoRA adapters on engines that have them: the fake and vLLM."""

import asyncio
from contextlib import aclosing

import pytest

from models.errors import InvalidInputError, ModelChangedError, UnknownAdapterError
from models.generator import Generator, GeneratorConfig
from tests.models.adapters.made import make_adapter, merge
from tests.models.engines.held import ENGINE_OPTIONS, ids_of, load_held, request, write

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # torchao and vLLM warn at import
    pytest.mark.asyncio(loop_scope="session"),  # vLLM serves one event loop
]
ALL = "Tell me all."
LONG = {"max_tokens": 24, "ignore_eos": True}


@pytest.fixture(scope="module", params=["fake", pytest.param("vllm", marks=pytest.mark.vllm)])
def held(request, tmp_path_factory):
    """An engine of its own: with room for adapters vLLM decodes more slowly."""
    made = load_held(request.param, tmp_path_factory.mktemp("cache"), num_adapters=2)
    yield made
    made.generator.close()


on_vllm = pytest.mark.parametrize(
    "held", [pytest.param("vllm", marks=pytest.mark.vllm)], indirect=True
)


@pytest.fixture
def folders(tmp_path):
    """Three adapters."""
    return [str(make_adapter(tmp_path / str(seed), seed)) for seed in range(3)]


async def serve(held, **adapters):
    await held.generator.adapters.change(adapters)


async def in_engine(held):
    """How many adapters the engine itself holds, once those that retire are gone."""
    for _ in range(1000):
        if len(held.generator.adapters.identities) == len(held.generator.adapters.names):
            break
        await asyncio.sleep(0.01)
    if held.kind == "fake":
        return len(held.engine.adapters)
    return len(await held.engine._engine.list_loras())


async def begin(held, asked):
    """Begins an answer; gives its first chunk and its rest."""
    chunks = held.generator.stream(asked)
    return await anext(chunks), chunks


async def rest_of(first, chunks):
    async with aclosing(chunks):
        return ids_of([first, *[chunk async for chunk in chunks]])


async def test_two_adapters_and_the_model_write_together_what_they_write_alone(held, folders):
    await serve(held, one=folders[0], two=folders[1])
    asked = [request(ALL, adapter=name, **LONG) for name in ("", "one", "two")]
    alone = [await write(held, one) for one in asked]
    assert len(set(map(tuple, alone))) == 3
    together = await asyncio.gather(*(write(held, one) for one in asked * 4))
    assert together == alone * 4
    assert await in_engine(held) == 2
    await serve(held)
    assert await in_engine(held) == 0
    assert await write(held, asked[0]) == alone[0]


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.5, "seed": 3}])
async def test_an_answer_goes_on_exactly_by_its_own_adapter(held, folders, sampling):
    await serve(held, one=folders[0], two=folders[1])
    asked = {"adapter": "one", "max_tokens": 24, **sampling}
    first, chunks = await begin(held, request(ALL, **asked))
    whole = await rest_of(first, chunks)
    await serve(held, other=folders[0])  # its name is gone; what counts is its content
    for cut in (1, 7, len(whole) - 1):
        resumed = request(ALL, whole[:cut], identity=first.identity, **asked)
        assert whole[:cut] + await write(held, resumed) == whole
    await serve(held)
    assert await in_engine(held) == 0
    with pytest.raises(ModelChangedError):
        await write(held, request(ALL, whole[:3], identity=first.identity, **asked))


async def test_an_adapter_that_is_removed_ends_its_answers_and_no_other(held, folders):
    await serve(held, one=folders[0], two=folders[1])
    names = ("one", "two", "")
    whole = [await write(held, request(ALL, adapter=name, **LONG)) for name in names]
    begun = [await begin(held, request(ALL, adapter=name, **LONG)) for name in names]
    await serve(held, two=folders[1])
    with pytest.raises(UnknownAdapterError, match=r"no adapter 'one'; it has two"):
        await write(held, request(ALL, adapter="one"))
    assert await asyncio.gather(*(rest_of(*one) for one in begun)) == whole
    assert await in_engine(held) == 1
    assert await write(held, request(ALL, adapter="two", **LONG)) == whole[1]


async def test_an_adapter_that_goes_before_an_answer_begins_is_told(held, folders):
    await serve(held, one=folders[0])
    digest = (await held.generator.prepare(request(ALL, adapter="one"))).adapter
    await serve(held)
    assert await in_engine(held) == 0
    with (
        pytest.raises(UnknownAdapterError, match="taken out"),
        held.generator.adapters.in_use(digest),
    ):
        pass


async def test_other_weights_under_the_same_name_are_used_at_once(held, folders):
    await serve(held, one=folders[0])
    asked = request(ALL, adapter="one", **LONG)
    first, chunks = await begin(held, asked)
    await serve(held, one=folders[1])
    new = await write(held, asked)
    old = await rest_of(first, chunks)
    assert new != old
    await serve(held, one=folders[1], two=folders[0])
    assert [await write(held, request(ALL, adapter=name, **LONG)) for name in ("one", "two")] == [
        new, old,
    ]  # fmt: skip


async def test_a_change_that_fails_leaves_the_served_adapters(held, folders, tmp_path):
    await serve(held, one=folders[0])
    before = await write(held, request(ALL, adapter="one", **LONG))
    with pytest.raises(InvalidInputError, match="is missing"):
        await serve(held, two=folders[1], gone=str(tmp_path / "gone"))
    assert held.generator.adapters.names == ("one",)
    assert await write(held, request(ALL, adapter="one", **LONG)) == before
    assert await in_engine(held) == 1


async def test_more_than_fit_beside_those_that_end_are_refused(held, folders, tmp_path):
    begun = []
    await serve(held, one=folders[0], two=folders[1])
    for name in ("one", "two"):
        begun.append(await begin(held, request(ALL, adapter=name, **LONG)))
    await serve(held, three=folders[2])
    more = {name: str(make_adapter(tmp_path / name, n + 9)) for n, name in enumerate("ab")}
    with pytest.raises(InvalidInputError, match="4 fit, 3 are held, 2 are new"):
        await serve(held, **more)
    assert held.generator.adapters.names == ("three",)
    await asyncio.gather(*(rest_of(*one) for one in begun))
    assert await in_engine(held) == 1
    await serve(held, **more)
    assert await in_engine(held) == 2


@on_vllm
async def test_what_vllm_cannot_load_is_told_and_it_goes_on(held, tmp_path):
    folder = make_adapter(tmp_path / "one", 1, bias="all")
    with pytest.raises(InvalidInputError, match="vLLM cannot load 'one'"):
        await serve(held, one=str(folder))
    assert await write(held, request(ALL, **LONG))


@on_vllm
async def test_an_adapter_writes_what_the_model_writes_that_it_is_added_to(held, folders, tmp_path):
    await serve(held, one=folders[0])
    merged = str(merge(make_adapter(tmp_path / "again", 0), tmp_path / "merged"))
    options = ENGINE_OPTIONS["transformers"]
    model = Generator(GeneratorConfig(model=merged, engine_options=options), cache=tmp_path)
    try:
        for question in (ALL, "Why?"):
            asked = request(question, max_tokens=24)
            expected = ids_of([chunk async for chunk in model.stream(asked)])
            assert await write(held, request(question, adapter="one", max_tokens=24)) == expected
    finally:
        model.close()
