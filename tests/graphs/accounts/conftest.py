import pytest

from graphs.accounts.accounts import Accounts
from graphs.accounts.settings import AuditSettings, LimitSettings
from index.catalog.catalog import Catalog
from tests.graphs.fake_services import FakeCorpora

NOW = 1_764_000_000.0


class Gateways:
    """Gateways without HTTP over one catalog, whose clock is ours."""

    def __init__(self, tmp_path):
        self.now = NOW
        self.catalog = Catalog(f"sqlite:///{tmp_path}/corpus.db", clock=lambda: self.now)
        self.corpora = FakeCorpora(self.catalog)
        self.limits, self.audit = LimitSettings(lease_s=0.1), AuditSettings()
        self.all = []

    def start(self):
        """One more."""
        gateway = Accounts(lambda: self.corpora, lambda: self.limits, lambda: self.audit)
        self.all.append(gateway)
        return gateway

    def limit(self, *, of="key", **limits):
        """Sets limits for all."""
        changed = getattr(self.limits, of).model_copy(update=limits)
        self.limits = self.limits.model_copy(update={of: changed})


@pytest.fixture
async def gateways(new_folder):
    gateways = Gateways(new_folder())
    yield gateways
    for gateway in gateways.all:
        await gateway.stop()
    gateways.catalog.close()
