"""Every setting of the graph, and where its environment is read (deployments/state.py: the folder).

What a single model needs is set in its own deployment's `user_config`; here stands what composes
them: the Gateway's `user_config` is a `GatewayConfig`, the builder's `args` are `AppArgs`.
"""

import os
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from deployments.state import state_folder
from graphs.accounts.settings import AuditSettings, ClassSettings, LimitSettings
from graphs.observing_settings import ObservingSettings
from graphs.settings import (
    AuthSettings,
    BatchSettings,
    CanarySettings,
    DeadlineSettings,
    FallbackSettings,
    ResponseSettings,
    RoutingSettings,
    ServedNames,
    Settings,
)
from index.searching.request import LEXICAL_WEIGHT

# What a request may choose as well (`rag` of a chat), within the same limits.
Mode = Literal["hybrid", "dense", "lexical"]
Expand = Literal["off", "multi_query", "hyde"]
TopK = Annotated[int, Field(ge=1, le=50)]
Diversity = Annotated[float, Field(ge=0, le=1)]
Neighbours = Annotated[int, Field(ge=0, le=10)]
Relevance = Annotated[float, Field(ge=0, le=1)]


class RetrievalSettings(Settings):
    """How passages are found; the options of a request go before those of the configuration.

    Attributes:
        mode: which searches take part; `hybrid` fuses dense and BM25.
        lexical_weight: weight of the BM25 ranking in the fusion, where the dense one has 1.
        fusion: whether `rank`s or `score`s of the two searches are fused (searching/fusion.py).
        expand: what is searched for beside the question: `multi_query` other wordings of it, `hyde`
            an imagined answer, both written by the generator; `off` nothing
            (pipeline/expansion.py).
        expand_timeout_s: how long the generator may take for that, or to rewrite the question;
            then the question goes as it is.
        diversity: how much a candidate must differ from better ones, 0 (not at all) to 1.
        max_similarity: candidates nearer than this cosine to a better one are left out; 1: none.
        neighbours: passages before and after each one that the generator reads with it.
        num_candidates: passages that the retriever hands to the reranker.
        top_k: most passages that are handed on or quoted; configured, at most `num_candidates`.
        rerank: whether the cross-encoder orders the candidates.
        focus: what the generator reads of a reranked passage: all of it, or the `sentence` that the
            reranker finds most relevant (extractive compression, arXiv 2310.04408).
        rerank_threshold: reranked passages below this score are not used, 0..1.
        dense_threshold: without reranker, passages below this cosine similarity are not used.
        foreign_cosine: of a multilingual embedder, from which on a sentence answers a question in
            another language (quoting/meaning.py); None: reranker and judge decide all.
        condense: how earlier turns enter the search: `generate` lets the generator rewrite the
            question, `join` puts before one that leans on them what it leans on
            (pipeline/condensing.py), `off` ignores them.
    """

    mode: Mode = "hybrid"
    lexical_weight: float = Field(default=LEXICAL_WEIGHT, ge=0, le=10)
    fusion: Literal["rank", "score"] = "rank"
    expand: Expand = "off"
    expand_timeout_s: float = Field(default=5.0, gt=0)
    diversity: Diversity = 0.0
    max_similarity: float = Field(default=1.0, ge=0, le=1)
    neighbours: Neighbours = 0
    num_candidates: int = Field(default=20, ge=1, le=200)
    top_k: TopK = 4
    rerank: bool = True
    focus: Literal["passage", "sentence"] = "passage"
    rerank_threshold: Relevance = 0.5
    dense_threshold: float = Field(default=0.3, ge=-1, le=1)
    foreign_cosine: float | None = Field(default=None, ge=-1, le=1)
    condense: Literal["generate", "join", "off"] = "generate"

    @model_validator(mode="after")
    def _check_top_k(self) -> Self:
        if self.top_k > self.num_candidates:
            msg = f"top_k must be at most num_candidates ({self.num_candidates}), got {self.top_k}"
            raise ValueError(msg)
        return self

    def overridden(self, options: Mapping[str, object]) -> "RetrievalSettings":
        """Gives the settings of one request.

        Args:
            options: values by the names of the settings, within their limits; `score_threshold`
                stands for both thresholds, whichever score is used. None means as configured.
        """
        chosen = {name: value for name, value in options.items() if value is not None}
        if "score_threshold" in chosen:
            threshold = chosen.pop("score_threshold")
            chosen |= {"rerank_threshold": threshold, "dense_threshold": threshold}
        return self.model_copy(update=chosen) if chosen else self


class SafetySettings(Settings):
    """How the answer is checked while it streams.

    Attributes:
        check_question: whether the question is checked.
        check_answer: whether the answer is checked; if not, it is released word for word.
        segment_chars: the answer is checked and released in pieces of about this size.
        window_chars: every piece is judged together with the text before it, so much in all.
        refusal: what the client reads instead of a blocked answer.
    """

    check_question: bool = True
    check_answer: bool = True
    segment_chars: int = Field(default=80, ge=8, le=2000)
    window_chars: int = Field(default=320, ge=16, le=8000)
    refusal: str = "This request or its answer was blocked by the safety filter."


class TimeoutSettings(Settings):
    """How long one call to a deployment may take, in seconds.

    Attributes:
        model_s: embedder, reranker, safety filter.
        corpus_s: retriever and ingester.
        slot_s: until a generator replica takes the question; 503 after that.
        wake_s: the same while no replica runs, where the Generator is scaled to zero; None: slot_s.
        first_token_s: from there to its first token.
        next_token_s: between two tokens; after a longer silence the answer goes on elsewhere.
        ready_s: the answer of one deployment to `/readyz`.
    """

    model_s: float = Field(default=30.0, gt=0)
    corpus_s: float = Field(default=30.0, gt=0)
    slot_s: float = Field(default=30.0, gt=0)
    wake_s: float | None = Field(default=None, gt=0)
    first_token_s: float = Field(default=120.0, gt=0)
    next_token_s: float = Field(default=30.0, gt=0)
    ready_s: float = Field(default=2.0, gt=0)


class FailoverSettings(Settings):
    """What is done when a replica is lost.

    Attributes:
        max_attempts: most tries of a pure call (embed, search, rerank, check), the first included.
        retry_ratio: retries allowed per request over time, all stages together.
        retry_burst: retries allowed at once, when none was needed for a while.
        max_migrations: most times that one answer goes on elsewhere; 0 turns that off.
        resume_s: how long an answer that has begun waits for a replica that can go on with it.
    """

    max_attempts: int = Field(default=3, ge=1, le=10)
    retry_ratio: float = Field(default=0.1, ge=0, le=1)
    retry_burst: int = Field(default=20, ge=0)
    max_migrations: int = Field(default=3, ge=0, le=20)
    resume_s: float = Field(default=60.0, gt=0)


# Also the pages of extensions and desktop programs: `chrome-extension://<id>`, `app://obsidian.md`.
_ORIGIN = r"^(\*|[a-z][a-z0-9+.-]*://[^/\s*]+)$"
_HOST = r"^[^/\s*:]+$"
_URL = r"^https?://[^/\s]+(/[^/\s]+)*$"
Origin = Annotated[str, Field(pattern=_ORIGIN)]


class HttpSettings(Settings):
    """Limits of the HTTP API; times are in seconds.

    Attributes:
        max_body_bytes: largest JSON body.
        max_file_bytes: largest uploaded file.
        max_inputs: most texts in one request for embeddings or moderations.
        max_moderation_chars: most characters of all texts in one request for moderations; about
            what a CPU judges within `timeouts.model_s` beside others.
        max_documents: most documents in one request: to rerank, or to answer from.
        token_input: how token ids sent for embedding are read: as ids of OpenAI's `cl100k_base`
            (what OpenAI's clients send), or refused.
        default_store: name or id of the vector store that the model `rag` searches; None: all.
        cors_origins: whose pages may call the API from a browser, such as `https://chat.example`;
            they may send credentials. `*` alone: everybody's, without credentials. None by default.
        allowed_hosts: public names beside that of `public_url` that a proxy on the same machine
            passes on in `Host`, without ports; others get 403 (graphs/api/border/known_pages.py).
        public_url: how clients know this server, for links in replies; None: as each request asks.
        trusted_proxies: addresses and networks of proxies before us whose `X-Forwarded-*` are
            believed; by default those of this machine.
        body_s: a body that takes longer to arrive gets 408.
        heartbeat_s: longest silence on a stream before a comment is sent.
        write_s: a client that takes nothing of its stream for so long is dropped.
    """

    max_body_bytes: int = Field(default=2**20, ge=1024)
    max_file_bytes: int = Field(default=32 * 2**20, ge=1024)
    max_inputs: int = Field(default=2048, ge=1)
    max_moderation_chars: int = Field(default=2**17, ge=1)
    max_documents: int = Field(default=1000, ge=1)
    token_input: Literal["cl100k_base", "reject"] = "cl100k_base"
    default_store: str | None = None
    cors_origins: tuple[Origin, ...] = ()
    allowed_hosts: tuple[Annotated[str, Field(pattern=_HOST)], ...] = ()
    public_url: Annotated[str, Field(pattern=_URL)] | None = None
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    body_s: float = Field(default=60.0, gt=0)
    heartbeat_s: float = Field(default=10.0, gt=0)
    write_s: float = Field(default=30.0, gt=0)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            ip_network(name)  # its error says what is wrong, with the value
        return names

    @model_validator(mode="after")
    def _check_origins(self) -> Self:
        if "*" in self.cors_origins and len(self.cors_origins) > 1:
            msg = f"cors_origins must be '*' alone or named origins, got {self.cors_origins}"
            raise ValueError(msg)
        return self


class GatewayConfig(Settings):
    """The Gateway's `user_config`.

    Attributes:
        answers: how the generator answers from passages: `free` in its own words, or `quote` with
            one of their sentences, word for word, and its marker. With `quote` the generator only
            chooses the sentence, and questions are declined by the relevance of the passages
            alone: for small models, and where nothing may be put in other words.
        history_tokens: most tokens of earlier turns that a generator which answers freely reads;
            the newest are kept (graphs/pipeline/prompt.py has the rule).
        fallback: who writes while no generator runs; None: nobody, and questions get 503.
    """

    answers: Literal["free", "quote"] = "free"
    history_tokens: int = Field(default=1024, ge=0)
    retrieval: RetrievalSettings = RetrievalSettings()
    safety: SafetySettings = SafetySettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    failover: FailoverSettings = FailoverSettings()
    deadline: DeadlineSettings = DeadlineSettings()
    served_names: ServedNames = ServedNames()
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    responses: ResponseSettings = ResponseSettings()
    batches: BatchSettings = BatchSettings()
    observing: ObservingSettings = ObservingSettings()
    limits: LimitSettings = LimitSettings()
    classes: ClassSettings = ClassSettings()
    audit: AuditSettings = AuditSettings()
    canary: CanarySettings = CanarySettings()
    routing: RoutingSettings = RoutingSettings()
    fallback: FallbackSettings | None = None

    @model_validator(mode="after")
    def _check_fallback(self) -> Self:
        if self.fallback is not None and self.answers == "quote":
            msg = "fallback needs `answers: free`: a model elsewhere cannot be held to a quote"
            raise ValueError(msg)
        return self


class AppArgs(Settings):
    """The application's `args`: wiring only, since a change here restarts every deployment.

    Attributes:
        database_url: SQLAlchemy URL of the corpus; `RAGFLEET_DATABASE_URL` goes before it.
        retriever_shards: parts that the search index is cut into, by `chunk_id` modulo their
            number. 1: the deployment `Retriever` holds all; else `Retriever0`, `Retriever1`, ...
            hold a part each, and each needs a block of its own.
        canary: whether there is a second generator, `GeneratorCanary`, with a block of its own.
        small: whether there is one for easy questions, `GeneratorSmall`, likewise.
    """

    database_url: str | None = None
    retriever_shards: int = Field(default=1, ge=1, le=64)
    canary: bool = False
    small: bool = False


def database_url(args: AppArgs) -> str:
    """Settles where the corpus lies: environment, `args`, then a file in the state folder."""
    configured = os.environ.get("RAGFLEET_DATABASE_URL") or args.database_url
    return configured or f"sqlite:///{state_folder() / 'corpus.db'}"


def ray_address() -> str | None:
    """The Ray cluster that command lines work on; None means one of their own."""
    return os.environ.get("RAY_ADDRESS") or None


def secret(name: str) -> str | None:
    """A value that stands in the environment alone, so that no file holds it; None: it is empty."""
    return os.environ.get(name) or None
