from dataclasses import replace

import pytest

from graphs.accounts.settings import LimitSettings
from graphs.caller import Caller


@pytest.fixture
def limits(api_app):
    """Changes the limits of keys or tenants."""

    def change(*, of="key", failures_per_min=30, **values):
        services = api_app.state.services
        settings = LimitSettings.model_validate(
            {of: values, "lease_s": 0.1, "failures_per_min": failures_per_min}
        )
        config = services.config.model_copy(update={"limits": settings})
        api_app.state.services = replace(services, config=config)

    return change


@pytest.fixture
def caller():
    return Caller(tenant="acme", key_id="k1")


@pytest.fixture(autouse=True)
def _as_caller(monkeypatch, caller):
    monkeypatch.setattr("graphs.api.border.request_caller.DEFAULT_CALLER", caller)
