"""Nothing of another tenant, and nothing that an access list hides, leaves by any path.

`--requests 10000` sends more than those of CI. The controls take one of the rules away
and must find that something leaves.
"""

from dataclasses import replace

import pytest

from graphs.accounts.settings import LimitSettings
from graphs.config import GatewayConfig
from graphs.observing.record import RecentRequests
from graphs.observing_settings import ObservingSettings
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from graphs.settings import AuthSettings, JwtSettings
from tests.graphs.fake_services import FoldRetriever
from tests.graphs.isolation.opened import (
    forget,
    open_index,
    open_lists,
    open_requests,
    open_tenants,
)
from tests.graphs.isolation.requests import LeakError, check_tried, run
from tests.graphs.isolation.world import (
    TellingStages,
    add_tokens,
    dice_of,
    jwt_settings,
    make_world,
)
from tests.graphs.token_issuer import TokenIssuer


@pytest.fixture(scope="module")
def issuer():
    with TokenIssuer() as running:
        yield running


@pytest.fixture
def api_config(api_config, issuer):
    jwt = JwtSettings(**jwt_settings(issuer))
    auth = AuthSettings(keys=True, jwt=jwt)
    limits = LimitSettings(failures_per_min=None)  # so many turned links are refused
    return GatewayConfig(**{**vars(api_config), "auth": auth, "answers": "free", "limits": limits})


@pytest.fixture
def recent():
    return RecentRequests(ObservingSettings())


@pytest.fixture
def api_services(api_services, recent):
    return replace(api_services, recent=recent)


@pytest.fixture
def api_pipeline(api_config, api_catalog, recent):
    fake = TellingStages()
    stages = Stages(
        embedder=fake, retriever=FoldRetriever(api_catalog), reranker=fake, judge=fake,
        safety=fake, generator=fake,
    )  # fmt: skip
    return RagPipeline(api_config, stages, recent.keep)


@pytest.fixture
def world(api_catalog, api_ingest, issuer):
    world = make_world(api_catalog, api_ingest, dice_of(7))
    add_tokens(world, issuer)
    return world


async def test_no_foreign_id_or_text_leaves(api_http, world, request):
    told = await run(api_http, world, request.config.getoption("--requests"))
    check_tried(*told, world)


@pytest.mark.parametrize("opened", [open_lists, open_index, open_tenants, open_requests])
async def test_without_a_rule_something_leaves(api_http, world, monkeypatch, opened):
    opened(monkeypatch)
    forget()
    try:
        with pytest.raises((LeakError, AssertionError)):
            await run(api_http, world, 200)
    finally:
        monkeypatch.undo()
        forget()
