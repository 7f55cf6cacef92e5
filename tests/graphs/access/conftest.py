"""An issuer, and the settings that trust it."""

import pytest

from graphs.settings import JwtSettings
from tests.graphs.token_issuer import TokenIssuer


@pytest.fixture
def issuer():
    with TokenIssuer() as running:
        yield running


@pytest.fixture
def settings(issuer):
    return JwtSettings(
        issuer=issuer.url, audience="ragfleet", tenant="acme", scopes={"rag.query": ("query",)}
    )
