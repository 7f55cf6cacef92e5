import pytest

from deployments.settings import parse_config
from models.embedder import EmbedderConfig
from models.errors import InvalidInputError
from models.generator import GeneratorConfig
from models.reranker import RerankerConfig
from models.safety import SafetyConfig


@pytest.mark.parametrize(
    ("config_class", "block", "named"),
    [
        (EmbedderConfig, {"model": "a/b", "batchsize": 3}, "batchsize"),
        (EmbedderConfig, {}, "model"),
        (EmbedderConfig, {"model": "a/b", "batch_size": 0}, "batch_size must be in"),
        (RerankerConfig, {"model": "a/b", "max_tokens": 3}, "max_tokens must be"),
        (SafetyConfig, {"model": "a/b", "threshold": 1.5}, "got 1.5"),
        (GeneratorConfig, {"model": "a/b", "engine": "magic"}, "'magic'"),
        (GeneratorConfig, {"model": "a/b", "temperature": 3}, "temperature must be in 0..2, got 3"),
    ],
)
def test_a_wrong_user_config_is_refused_with_its_key(config_class, block, named):
    with pytest.raises(InvalidInputError, match=named):
        parse_config(config_class, block)
