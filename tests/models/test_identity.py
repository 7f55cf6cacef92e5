"""Identities are equal on two machines that serve the same thing, and differ otherwise."""

import json
import shutil
from dataclasses import replace

import pytest

from models.bundled.prepare import BUNDLED
from models.identity import ModelIdentity, hash_model, hash_template

IDENTITY = ModelIdentity(model="bundled:generator", source="s", template="t", engine="vllm")


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(BUNDLED / "generator-full", tmp_path / "here")


def test_a_copy_under_another_name_has_the_same_hash(folder, tmp_path):
    there = shutil.copytree(folder, tmp_path / "there")
    (there / "README.md").write_text("Copied.")
    (there / "model.safetensors").touch()
    assert hash_model(there) == hash_model(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja"])
def test_a_changed_small_file_changes_the_hash(folder, name):
    before = hash_model(folder)
    path = folder / name
    path.write_text(path.read_text() + " ")
    assert hash_model(folder) != before


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 1.0])
def test_other_values_of_a_tensor_change_the_hash(folder, place):
    before = hash_model(folder)
    path = folder / "model.safetensors"
    weights = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(weights[:8], "little")
    at = start + int(place * (len(weights) - start - 65536))
    weights[at : at + 65536] = bytes(65536)
    path.write_bytes(weights)
    assert hash_model(folder) != before


def test_another_name_of_a_tensor_changes_the_hash(folder):
    before = hash_model(folder)
    path = folder / "model.safetensors"
    weights = path.read_bytes()
    assert b"layers.1" in weights
    path.write_bytes(weights.replace(b"layers.1", b"layers.7"))
    assert hash_model(folder) != before


def test_the_digest_has_16_digits_and_leaves_the_folders_name_out():
    assert len(IDENTITY.digest) == 16
    assert replace(IDENTITY, model="/mnt/generator").digest == IDENTITY.digest


@pytest.mark.parametrize("field", ["source", "template", "engine", "adapter"])
def test_the_digest_differs_with_what_decides_the_answer(field):
    assert replace(IDENTITY, **{field: "other"}).digest != IDENTITY.digest


def test_the_options_of_a_chat_template_count():
    hashes = {hash_template("{{ x }}", options) for options in ({}, {"enable_thinking": False})}
    assert len(hashes) == 2
    assert hash_template(json.loads('{"a": "1", "b": "2"}'), {}) == hash_template(
        {"b": "2", "a": "1"}, {}
    )
