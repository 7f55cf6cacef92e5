"""Sizes of a model out of the names that families give them."""

import json

import pytest

from models.checkpoints.sizes import UnknownSizesError, read_sizes

LLAMA = {
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 8192,
}  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def written(config, **beside):
        (tmp_path / "config.json").write_text(json.dumps(config))
        for name, value in beside.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(value))
        return read_sizes(tmp_path)

    return written


def test_llama(read):
    found = read(LLAMA)
    assert (found.heads, found.kv_heads, found.head_dim, found.context) == (32, 8, 128, 8192)
    assert found.cached_numbers * found.cached_layer_tokens(1) * 2 == 131072


def test_distilbert_and_gpt2_have_other_names(read):
    names = {"dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072, "vocab_size": 30522}
    found = read({**names, "max_position_embeddings": 512})
    assert (found.layers, found.hidden, found.intermediate, found.kv_heads) == (6, 768, 3072, 12)
    names = {"n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257, "n_positions": 1024}
    found = read({**names, "n_inner": None})
    assert (found.layers, found.intermediate, found.context) == (12, 3072, 1024)


def test_positions_of_roberta_begin_after_the_padding(read):
    assert (
        read({**LLAMA, "model_type": "xlm-roberta", "max_position_embeddings": 8194}).context
        == 8192
    )


def test_an_encoder_may_cut_sooner_than_it_could_read(read):
    found = read({**LLAMA}, sentence_bert_config={"max_seq_length": 256})
    assert (found.context, found.reads) == (8192, 256)


def test_heads_that_share_a_latent_vector_keep_that(read):
    latent = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "num_hidden_layers": 27}
    found = read({**LLAMA, **latent})
    assert found.cached_layer_tokens(10) * found.cached_numbers * 2 == 10 * 31104


# What is written, and how many of 12 layers see a window of 1024 only.
@pytest.mark.parametrize(
    ("written", "layers"),
    [
        ({"layer_types": ["sliding_attention"] * 8 + ["full_attention"] * 4}, 8),
        ({"sliding_window_pattern": 6}, 10),
        ({"model_type": "gemma2"}, 6),
        ({"model_type": "mistral"}, 12),
        ({"model_type": "qwen2", "use_sliding_window": False}, 0),
        ({"model_type": "unheard_of"}, 0),
    ],
)
def test_layers_with_a_window_keep_no_more(read, written, layers):
    text = {**LLAMA, "num_hidden_layers": 12, "sliding_window": 1024, **written}
    found = read({"text_config": text})
    assert found.window_layers == layers
    assert found.cached_layer_tokens(4096) == layers * 1024 + (12 - layers) * 4096
    assert found.cached_layer_tokens(100) == 12 * 100


@pytest.mark.parametrize("text", ["{}", "[1]", "no JSON", '{"hidden_size": "wide"}'])
def test_what_tells_no_sizes_is_told(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UnknownSizesError, match=r"config\.json"):
        read_sizes(tmp_path)
