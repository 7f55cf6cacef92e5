"""Fakes of the pipeline's stages, which tell what they were asked."""

import asyncio
from dataclasses import dataclass, field, replace

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from graphs.config import GatewayConfig
from graphs.pipeline.events import ChatRequest, Message, TextDelta
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from graphs.pipeline.trace import log_trace
from index.searching.request import Hit
from models.chat.reply import ReplyForm
from models.generation import GenerationChunk, GeneratorProfile, WrittenToken
from models.identity import ModelIdentity
from models.reranker import RerankScores
from models.safety import MODERATION_CATEGORIES, PERSONAL_DATA, Verdict
from models.token_counter import TokenCounter
from tests.graphs.fake_services import FakeEmbedder

IDENTITY = ModelIdentity(model="fake", source="", template="", engine="fake")


def hit(number):
    return Hit(
        chunk_id=number, store_id="vs_1", file_id=f"file-{number}", filename=f"{number}.md",
        title=f"Title {number}", text=f"Text of {number}.", char_start=0, char_end=9, page=None,
        attributes={}, score=1.0 / number, dense_score=0.9 - number / 10, lexical_score=None,
    )  # fmt: skip


@dataclass
class FakeStages:
    """Every stage in one object; the tests set what each gives and read what it was asked."""

    hits: tuple = field(default_factory=lambda: tuple(hit(n) for n in (1, 2, 3)))
    scores: tuple = (0.2, 0.9, 0.7)
    answer: tuple = ("Text of ", "2. [1]", " And more. [9]")
    harmful: str = "\0"
    context_tokens: int = 1000
    failing: dict = field(default_factory=dict)
    prompts: list = field(default_factory=list)
    queries: list = field(default_factory=list)
    searches: list = field(default_factory=list)
    windows: list = field(default_factory=list)
    num_streams_open: int = 0
    finish_reason: str = "stop"
    form: ReplyForm | None = None
    delay_s: float = 0.0

    def fail(self, stage):
        if stage in self.failing:
            raise self.failing[stage]

    async def embed(self, texts, *, kind="document", dimensions=None):
        self.fail("embed")
        self.queries += texts
        return await FakeEmbedder().embed(texts, kind=kind, dimensions=dimensions)

    async def search(self, request):
        self.fail("search")
        self.searches.append(request)
        return self.hits[: request.top_k]

    async def rerank(self, query, documents):
        self.fail("rerank")
        scores = np.asarray(self.scores[: len(documents)], np.float32)
        return RerankScores(scores=scores, num_tokens=1)

    async def classify(self, texts):
        self.fail("safety")
        self.windows += texts
        return tuple(verdict(flagged=self.harmful in text) for text in texts)

    async def tokens(self):
        self.fail("tokens")
        return word_counter(context_tokens=self.context_tokens, max_answer_tokens=100)

    async def stream(self, request):
        self.fail("generate")
        self.prompts.append(request)
        self.num_streams_open += 1
        try:
            for position, text in list(enumerate(self.answer))[len(request.delivered_token_ids) :]:
                await asyncio.sleep(self.delay_s)
                last = position == len(self.answer) - 1
                told = WrittenToken(raw=text.encode(), logprob=-0.5, num_chars=len(text))
                yield GenerationChunk(
                    position=position, token_ids=(position,), text=text, num_prompt_tokens=7,
                    attempt=request.attempt, identity=IDENTITY.digest,
                    finish_reason=self.finish_reason if last else None, form=self.form,
                    tokens=() if request.sampling.top_logprobs is None else (told,),
                )  # fmt: skip
        finally:
            self.num_streams_open -= 1


def verdict(*, flagged):
    scores = dict.fromkeys((*MODERATION_CATEGORIES, PERSONAL_DATA), 0.0)
    if not flagged:
        return Verdict(flagged=False, scores=scores, flagged_categories=())
    return Verdict(flagged=True, scores=scores | {"hate": 1.0}, flagged_categories=("hate",))


def word_counter(**limits):
    """Counts words: a real counter of a tokenizer that knows one token."""
    tokenizer = Tokenizer(WordLevel({"word": 0}, unk_token="word"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return TokenCounter(
        GeneratorProfile(
            identity=IDENTITY, tokenizer_json=tokenizer.to_str(), special_tokens=(), **limits
        )
    )


def pipeline(fake, observe=log_trace, moved=lambda *_: None, texts=None, **settings):
    stages = Stages(
        embedder=fake, retriever=fake, reranker=fake, judge=fake, safety=fake, generator=fake
    )
    return RagPipeline(GatewayConfig.model_validate(settings), stages, observe, moved, texts)


def chat(*turns, stores=("vs_1",), **options):
    roles = ["user", "assistant"] * len(turns)
    messages = tuple(
        Message(role=role, content=turn) for role, turn in zip(roles, turns, strict=False)
    )
    return ChatRequest(request_id="r", messages=messages, stores=stores, **options)


async def events_of(fake, request=None, **settings):
    """Answers with these settings of the Gateway, as a request without options would be."""
    wanted = GatewayConfig.model_validate(settings).retrieval
    request = replace(request or chat("What is two?"), retrieval=wanted)
    return [event async for event in pipeline(fake, **settings).answer(request)]


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, TextDelta))
