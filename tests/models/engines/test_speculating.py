"""vLLM with `speculative_config`: what it writes, and what it refuses.

`make test-vllm` installs vLLM's CPU build, which drafts by n-grams and by a model.
"""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from models.constraints import Choices, Grammar, JsonSchema, Regex, Sampling
from models.device import Share
from models.engines.settling import check_request
from models.engines.transformers_engine import TransformersEngine
from models.engines.vllm_config import UNSERVED_SPECULATING_ON_CPU, VllmEngineConfig
from models.errors import InvalidInputError
from models.generation import EngineRequest
from models.generator import Generator, GeneratorConfig
from tests.models.engines.held import ENGINE_OPTIONS, ROOT, chunks_of, request, write

FOLDER = str(ROOT / "models/bundled/generator-full")
METHODS = {
    "ngram": {"method": "ngram", "prompt_lookup_max": 3, "prompt_lookup_min": 1},
    "draft_model": {"method": "draft_model", "model": FOLDER},
}
SPECULATING = VllmEngineConfig(
    options={"speculative_config": METHODS["ngram"] | {"num_speculative_tokens": 3}}
)
GREEDY = SimpleNamespace(temperature=0.0)
ALL = "Tell me all."
on_vllm = [
    pytest.mark.vllm,
    pytest.mark.filterwarnings("ignore"),  # vLLM warns at import
    pytest.mark.asyncio(loop_scope="session"),  # vLLM serves one event loop
    pytest.mark.timeout(600),  # the first draft of a model compiles for a minute
]


def check(asked, engine=SPECULATING, defaults=GREEDY):
    check_request(asked, engine, defaults, name="vllm", vocabulary_size=6144)


@pytest.mark.parametrize(
    "sampling",
    [
        {"logit_bias": ((5, 1.0),)},
        {"min_p": 0.1, "temperature": 1.0},
        {"min_tokens": 3},
        {"presence_penalty": 0.5},
        {"frequency_penalty": 0.5},
        {"repetition_penalty": 1.1},
        {"seed": 0, "temperature": 0.5},
    ],
)
def test_what_needs_the_logits_processor_is_refused_by_its_name(sampling):
    name, *_ = sampling
    asked = request("Why?", **sampling)
    words = f"the vllm engine does not serve {name}, got .*: vLLM loads no logits processor where"
    with pytest.raises(InvalidInputError, match=words):
        check(asked)
    check(asked, VllmEngineConfig())


@pytest.mark.parametrize(
    "constraint",
    [Choices(texts=("a",)), JsonSchema(schema="{}"), Regex(pattern="a"), Grammar(rules="a")],
)
def test_no_answer_is_held_to_a_form(constraint):
    with pytest.raises(InvalidInputError, match=f"serve constraint, got {constraint.kind}: vLLM"):
        check(request("Why?", constraint=constraint))


def test_no_tools_are_called():
    asked = replace(request("Why?"), tools=SimpleNamespace())
    with pytest.raises(InvalidInputError, match="does not serve tools, got functions: vLLM loads"):
        check(asked)


def test_a_seed_that_nobody_named_or_that_decides_nothing_is_taken():
    check(request("Why?", seed=7))
    check(request("Why?", seed=7, seed_is_drawn=True, temperature=1.0))
    with pytest.raises(InvalidInputError, match="does not serve seed, got 7"):
        check(request("Why?", seed=7), defaults=SimpleNamespace(temperature=1.0))


def test_a_machine_that_draws_wrongly_takes_the_likeliest_answers_alone():
    here = SimpleNamespace(unserved=UNSERVED_SPECULATING_ON_CPU)
    check(request("Why?"), here)
    check(request("Why?", temperature=0.0), here, SimpleNamespace(temperature=1.0))
    for asked, usual in ((request("Why?", temperature=0.5), 0.0), (request("Why?"), 0.5)):
        with pytest.raises(InvalidInputError, match=r"serve temperature, got 0\.5: where vLLM"):
            check(asked, here, SimpleNamespace(temperature=usual))


def test_what_vllm_does_by_itself_is_taken():
    check(request("Why?", stop_token_ids=(5,), ignore_eos=True, top_logprobs=2, priority=3))


def test_an_engine_that_takes_no_priority_says_why():
    with pytest.raises(InvalidInputError, match="got 1: it decodes requests in the order"):
        check(request("Why?", priority=1), TransformersEngine)


@pytest.mark.parametrize("drafts", [{}, "ngram", {"num_speculative_tokens": 3}])
def test_drafts_come_of_a_method_or_a_model(drafts):
    with pytest.raises(InvalidInputError, match="must name a method or a model, got"):
        VllmEngineConfig(options={"speculative_config": drafts})


@pytest.fixture(scope="module")
def speculating(tmp_path_factory):
    """Loads generators that speculate, one after the other; each is loaded once."""
    held = {}

    def get(method):
        if method not in held:
            pytest.importorskip("vllm", reason="make test-vllm installs it")
            options = {"enforce_eager": True}
            if method is not None:
                drafts = METHODS[method] | {"num_speculative_tokens": 3}
                options["speculative_config"] = drafts
            config = GeneratorConfig(
                model=FOLDER, engine="vllm", max_answer_tokens=48,
                engine_options=ENGINE_OPTIONS["vllm"] | {"options": options},
            )  # fmt: skip
            made = Generator(
                config, cache=tmp_path_factory.mktemp("cache"), share=Share(num_cpus=2.0)
            )
            held[method] = SimpleNamespace(generator=made)
        return held[method]

    yield get
    for one in held.values():
        one.generator.close()


class TestVllm:
    """What vLLM itself does."""

    pytestmark = on_vllm

    @pytest.mark.parametrize("method", METHODS)
    async def test_the_likeliest_answer_is_the_one_without_drafts_and_goes_on_exactly(
        self, speculating, method
    ):
        plain, drafting = speculating(None), speculating(method)
        asked = [
            request(question, max_tokens=60, ignore_eos=ignores, stop_token_ids=(4000,))
            for question in (ALL, "Which port?", "Why?", "port port port port port")
            for ignores in (False, True)
        ]
        expected = [await write(plain, one) for one in asked]
        assert [await write(drafting, one) for one in asked] == expected
        assert await asyncio.gather(*(write(drafting, one) for one in asked)) == expected
        for one, whole in zip(asked, expected, strict=True):
            for cut in (1, len(whole) // 2, len(whole) - 1):
                rest = replace(one, delivered_token_ids=tuple(whole[:cut]))
                assert whole[:cut] + await write(drafting, rest) == whole
        stats = drafting.generator.activity().engine
        assert stats.num_drafted >= stats.num_accepted > 20

    async def test_probabilities_are_those_without_drafts(self, speculating):
        asked = request(ALL, max_tokens=20, top_logprobs=2)
        plain, drafting = [
            [token for chunk in await chunks_of(speculating(one), asked) for token in chunk.tokens]
            for one in (None, "ngram")
        ]
        assert [one.raw for one in plain] == [one.raw for one in drafting]
        assert [len(one.top) for one in drafting] == [2] * len(plain)
        expected = [one.logprob for one in plain]
        assert [one.logprob for one in drafting] == pytest.approx(expected, abs=1e-3)

    async def test_an_engine_that_drafts_refuses_what_is_drawn_on_a_cpu_and_is_another_model(
        self, speculating
    ):
        plain, drafting = speculating(None).generator, speculating("ngram").generator
        with pytest.raises(InvalidInputError, match="does not serve seed, got 7"):
            await drafting.prepare(request(ALL, temperature=1.0, seed=7))
        with pytest.raises(
            InvalidInputError, match=r"serve temperature, got 1\.0: where vLLM's CPU"
        ):
            await drafting.prepare(request(ALL, temperature=1.0))
        assert plain.identity.digest != drafting.identity.digest

    async def test_the_cpu_build_still_loses_the_numbers_of_a_draw(self):
        """If not: let it draw (`UNSERVED_SPECULATING_ON_CPU`), and test what it draws."""
        pytest.importorskip("vllm", reason="make test-vllm installs it")
        from vllm.platforms import current_platform
        from vllm.utils.cpu_triton_utils import _expand_kernel_impl

        current_platform.import_kernels()
        temperatures, made = torch.tensor([0.5, 2.0]), torch.full((3,), -1.0)
        _expand_kernel_impl(made, temperatures, torch.tensor([2, 3], dtype=torch.int32), 0, 1)
        assert made.tolist() == [-1.0] * 3  # and not [0.5, 0.5, 2.0]

    @pytest.mark.parametrize("speculates", [False, True])
    async def test_vllm_draws_by_itself_where_it_speculates(self, speculates):
        pytest.importorskip("vllm", reason="make test-vllm installs it")
        from models.engines.vllm_picking import sampling_params

        asked = EngineRequest(
            prompt_ids=(5, 6), answer_start=1, max_tokens=4, temperature=0.7, top_p=0.9, top_k=8,
            seed=3, sampling=Sampling(seed=3, seed_is_drawn=True, top_logprobs=2),
        )  # fmt: skip
        made = sampling_params(asked, (1,), speculates=speculates)
        draw = (made.temperature, made.top_p, made.top_k, made.seed, made.extra_args is None)
        assert draw == ((0.7, 0.9, 8, None, True) if speculates else (0.0, 1.0, 0, None, False))
        assert (made.max_tokens, made.logprobs) == (4, 2)
