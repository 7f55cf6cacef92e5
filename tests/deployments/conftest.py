import pytest

from deployments import generator
from tests.deployments.fake_models import Loads


@pytest.fixture
def loads(monkeypatch):
    """What the generator loads, in place of models."""
    made = Loads()
    monkeypatch.setattr(generator, "load_model", made.load)
    return made
