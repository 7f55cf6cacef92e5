import pytest

from models.errors import InvalidInputError, ModelNotFoundError, UnsafeModelError
from models.hub import resolve


@pytest.mark.parametrize("model", ["", "just-a-name", "http://x/y", "a/b/c", "org/na me"])
def test_an_id_of_no_known_form_is_refused(model, tmp_path):
    with pytest.raises(InvalidInputError, match="got"):
        resolve(model, None, tmp_path)


@pytest.mark.parametrize("revision", [None, "main", "abc123"])
def test_a_hub_model_must_be_pinned_by_commit(revision, tmp_path):
    with pytest.raises(InvalidInputError, match="40 hexadecimal"):
        resolve("org/name", revision, tmp_path)


def test_a_folder_without_a_model_is_not_found(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"config\.json"):
        resolve(str(tmp_path), None, tmp_path)


def test_pickled_weights_are_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(UnsafeModelError, match=r"pytorch_model\.bin"):
        resolve(str(tmp_path), None, tmp_path)


def test_a_folder_with_safe_weights_is_used_as_it_is(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert resolve(str(tmp_path), None, tmp_path) == tmp_path


def test_gguf_is_refused_by_its_name(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model-Q4_K_M.gguf").write_bytes(b"GGUF")
    with pytest.raises(UnsafeModelError, match=r"GGUF weights, which are not served"):
        resolve(str(tmp_path), None, tmp_path)
