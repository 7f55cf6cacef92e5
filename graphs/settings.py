"""The root of all settings, who may ask, what may be waited for, and who writes."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from index.catalog.keys.records import SCOPE_PATTERN, TENANT_PATTERN


class Settings(BaseModel):
    """Settings are refused where a name is unknown, and never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DeadlineSettings(Settings):
    """What is left out when a request with a deadline has little time left, in seconds.

    Attributes:
        condense_s: with less left, questions are neither rewritten nor expanded by the generator.
        rerank_s: with less left, passages keep the order of the search.
        passages_s: with less left, the generator reads one passage.
        longest_s: later deadlines than this are cut to it.
    """

    condense_s: float = Field(default=6.0, ge=0)
    rerank_s: float = Field(default=4.0, ge=0)
    passages_s: float = Field(default=2.0, ge=0)
    longest_s: float = Field(default=3600.0, gt=0)


class ServedNames(Settings):
    """The model names that clients use."""

    generator: str = "generator"
    embedder: str = "embedder"
    reranker: str = "reranker"
    safety: str = "safety"


# Keys that sign come from there, so nobody on the way may write them: TLS, or this machine.
_SIGNERS_URL = r"^(https://[^/\s?#@]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)(/[^\s?#]*)?$"
_HIDDEN_URL = r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/])"
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]  # fmt: skip
Claim = Annotated[str, Field(min_length=1, max_length=256)]
EVERY_TOKEN = "*"
EVERY_TENANT = "*"
AgreedTenant = Annotated[str, Field(pattern=rf"^({TENANT_PATTERN}|\*)$")]


class JwtSettings(Settings):
    """Access tokens of an identity provider (OIDC), beside API keys; times are in seconds.

    A claim is named as it stands in the token, or by a path such as `realm_access.roles`.

    Attributes:
        issuer: exactly as in the claim `iss`; https, or http on this machine.
        audience: what the claim `aud` must name: this API, not the client that people log in with.
        jwks_url: where the issuer's keys are; None: its discovery document tells.
        algorithms: signatures that are taken; those with a shared secret are not.
        leeway_s: how far clocks may differ.
        tenant: whose data all tokens reach; None: `tenant_claim` says it.
        tenant_claim: where the tenant stands; people must not be able to change it themselves.
        user_claim: as whom access lists are asked.
        groups_claim: whose member the user is; None: nobody's.
        scope_claims: where permissions stand: lists, or one text with spaces between them.
        scopes: what each permission of the issuer allows here, in the words of API keys; `*` stands
            for every token. A token that is allowed nothing is none.
        work_s: batches and background responses go on for so long after the end of the newest token
            of who asked for them.
    """

    issuer: str = Field(pattern=_SIGNERS_URL)
    audience: str = Field(min_length=1)
    jwks_url: str | None = Field(default=None, pattern=_SIGNERS_URL)
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "ES256"), min_length=1)
    leeway_s: float = Field(default=30.0, ge=0, le=300)
    tenant: str | None = Field(default=None, pattern=f"^{TENANT_PATTERN}$")
    tenant_claim: Claim | None = None
    user_claim: Claim = "sub"
    groups_claim: Claim | None = None
    scope_claims: tuple[Claim, ...] = ("scope",)
    scopes: Mapping[str, tuple[Annotated[str, Field(pattern=f"^({SCOPE_PATTERN})$")], ...]] = Field(
        min_length=1
    )
    work_s: float = Field(default=86_400.0, ge=0, le=30 * 86_400)

    @model_validator(mode="after")
    def _check_tenant(self) -> Self:
        if (self.tenant is None) == (self.tenant_claim is None):
            given = "neither" if self.tenant is None else "both"
            msg = f"jwt must have one of tenant and tenant_claim, got {given}"
            raise ValueError(msg)
        return self


class AuthSettings(Settings):
    """Who may ask.

    Attributes:
        keys: whether every request needs an API key (`python -m graphs.keys create`); without them
            the server listens on this machine alone.
        fresh_s: for how long a Gateway trusts what it knows of a key, in seconds; a key that is
            revoked is obeyed so long at most.
        links_s: for how long the links to cited files open without a key, in seconds; 0: never.
        jwt: whose tokens are taken like keys; None: nobody's.
    """

    keys: bool = False
    fresh_s: float = Field(default=3.0, gt=0, le=5)
    links_s: int = Field(default=86_400, ge=0, le=31_536_000)
    jwt: JwtSettings | None = None

    @model_validator(mode="after")
    def _check_jwt(self) -> Self:
        if self.jwt is not None and not self.keys:
            msg = "jwt needs `keys: true`: without it everyone may do everything, token or not"
            raise ValueError(msg)
        return self


class ResponseSettings(Settings):
    """How responses and conversations are kept and worked on; times of work are in seconds.

    Attributes:
        kept_days: a response is kept for so long, a conversation for so long after its last use.
        max_running: most background responses that one Gateway works on at once.
        lease_s: after so long without a sign of a Gateway another one goes on with its responses.
        poll_s: how often a Gateway looks for those.
    """

    kept_days: int = Field(default=30, ge=1, le=3650)
    max_running: int = Field(default=4, ge=1, le=1024)
    lease_s: float = Field(default=15.0, gt=0)
    poll_s: float = Field(default=5.0, gt=0)


class BatchSettings(Settings):
    """How batches of requests are worked on; times are in seconds.

    Attributes:
        max_lines: most requests in one batch.
        max_running: most requests of batches that one Gateway works on at once.
        yields_to: while so many requests of others run at the same Gateway, none is begun, and
            those that run are given up and asked again later.
        quiet_s: none is begun so shortly after requests of others: the next may follow. Where they
            come so often that none would end before the next, twice the time between them counts,
            if `yields_to` is 1.
        longest_yield_s: one that has waited so long is begun nevertheless, and not given up; one
            in so long a time.
        lease_s: after so long without a sign of a Gateway another one goes on with its batches.
        poll_s: how often a Gateway looks for those.
    """

    max_lines: int = Field(default=50_000, ge=1, le=50_000)
    max_running: int = Field(default=2, ge=1, le=1024)
    yields_to: int = Field(default=1, ge=1)
    quiet_s: float = Field(default=0.5, ge=0)
    longest_yield_s: float = Field(default=30.0, gt=0)
    lease_s: float = Field(default=15.0, gt=0)
    poll_s: float = Field(default=5.0, gt=0)


class CanarySettings(Settings):
    """A second version of the generator beside the first (graphs/choosing/canary.py).

    Attributes:
        share: of the questions that the second version gets; 0: none, 1: all.
        sticky: what stays with its version: a `conversation`, or all questions of a `key`.
        shadow: whether its answers are thrown away, and the first version answers everybody.
        max_failed_rise: it is rolled back when its share of failed answers is surely higher than
            that of the first version by more than this.
        max_flagged_rise: the same of answers that the safety filter ended.
        max_slowdown: the same when half of its answers take so many times longer.
        max_grounded_fall: the same when the share of an answer's words that its passages have
            (graphs/choosing/groundedness.py) is surely lower, on average, by more than this;
            1: never.
        min_answers: of each version before their times and their groundedness are compared.
    """

    share: float = Field(default=0.0, ge=0, le=1)
    sticky: Literal["conversation", "key"] = "conversation"
    shadow: bool = False
    max_failed_rise: float = Field(default=0.02, ge=0, le=1)
    max_flagged_rise: float = Field(default=0.02, ge=0, le=1)
    max_slowdown: float = Field(default=2.0, ge=1)
    max_grounded_fall: float = Field(default=0.1, ge=0, le=1)
    min_answers: int = Field(default=10, ge=2, le=500)


class RoutingSettings(Settings):
    """Which questions the small generator gets (graphs/choosing/router.py).

    Attributes:
        router: a `rule`, or what was `trained` from judged answers; None: all go to the large one.
        weights: JSON file of the trained one (`python -m training.router`); None: the bundled one.
        min_ease: the trained one gives the small generator what it answers as well as the large one
            with at least this probability.
        max_question_words: the rule's: longer questions are hard.
        max_parts: likewise, of things that are asked.
        max_passages: likewise, of passages to be read.
        max_passage_chars: likewise, of the text of all of them.
        min_score: a question whose best passage is less relevant is hard, 0..1.
    """

    router: Literal["rule", "trained"] | None = None
    weights: str | None = None
    min_ease: float = Field(default=0.8, ge=0, le=1)
    max_question_words: int = Field(default=20, ge=1)
    max_parts: int = Field(default=1, ge=1)
    max_passages: int = Field(default=4, ge=0, le=50)
    max_passage_chars: int = Field(default=4000, ge=0)
    min_score: float = Field(default=0.5, ge=0, le=1)


class FallbackSettings(Settings):
    """Who writes answers while no generator runs: questions and passages LEAVE THE HOUSE.

    Attributes:
        url: of an OpenAI-compatible API, such as `https://api.example/v1`.
        model: its name there.
        api_key_env: the environment variable of the Gateway that holds the key; None: no key is
            sent. A key goes over https, or stays on this machine.
        max_running: most answers at once; more are refused.
        max_answer_tokens: of an answer whose request names no limit.
        connect_s: until the connection stands.
        first_token_s: until the first piece of the answer.
        next_token_s: between two pieces.
    """

    url: str = Field(pattern=r"^https?://[^/\s?#@]+(/[^/\s?#]+)*/?$")
    model: str = Field(min_length=1, max_length=256)
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    max_running: int = Field(default=16, ge=1, le=1024)
    max_answer_tokens: int = Field(default=1024, ge=1)
    connect_s: float = Field(default=5.0, gt=0)
    first_token_s: float = Field(default=30.0, gt=0)
    next_token_s: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _check_key_is_hidden(self) -> Self:
        if self.api_key_env and not re.match(_HIDDEN_URL, self.url):
            msg = f"url must be https where a key is sent, or of this machine, got {self.url!r}"
            raise ValueError(msg)
        return self
