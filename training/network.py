"""The generator's network for training: a Llama with guided heads, exported to transformers.

Differs from `LlamaForCausalLM` only in how it is computed: projections are fused, the last layer
runs only where a loss is taken, and five heads are told where to look (previous token, start of
the sentence, marker of the passage, target sentence, token to copy). The weights are the same.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

NORM_EPSILON = 1e-5
ROPE_THETA = 10_000.0
NUM_STARTS = 3  # tokens at the start of a sentence that its later tokens look at
NUM_TARGET_HEADS, NUM_COPY_HEADS = 2, 3  # one head of 64 is too narrow to carry a word
FIRST_WEIGHT = 2.0  # the first answer token, where the sentence is chosen
COPY_GAIN = 2.0
MATCH_GAIN = 1.5
TINY = 1e-6


@dataclass(frozen=True, kw_only=True)
class Size:
    """Dimensions; every linear size divides by 64, which GPTQ groups need."""

    vocabulary: int = 6144
    hidden: int = 256
    layers: int = 6
    heads: int = 4
    feed_forward: int = 512


class Layer(nn.Module):
    """One decoder layer with fused query-key-value and gate-up projections."""

    def __init__(self, size: Size) -> None:
        """Allocates the weights."""
        super().__init__()
        hidden, wide = size.hidden, size.feed_forward
        self.heads = size.heads
        self.norm_attention = nn.Parameter(torch.ones(hidden))
        self.norm_feed_forward = nn.Parameter(torch.ones(hidden))
        self.query_key_value = nn.Parameter(torch.randn(3, hidden, hidden) * hidden**-0.5)
        self.output = nn.Parameter(torch.zeros(hidden, hidden))
        self.gate_up = nn.Parameter(torch.randn(2, wide, hidden) * hidden**-0.5)
        self.down = nn.Parameter(torch.zeros(hidden, wide))

    @torch.no_grad()
    def start_copying(self, heads: int) -> None:
        """Lets the first heads write what they look at, so that they copy before they learn to."""
        hidden = self.output.shape[0]
        width = heads * hidden // self.heads
        basis = torch.linalg.qr(torch.randn(hidden, hidden))[0][:width]
        self.query_key_value[2, :width] = basis
        self.output[:, :width] = COPY_GAIN * basis.t()

    @torch.no_grad()
    def start_matching(self, heads: int) -> None:
        """Lets the last heads look at tokens like the ones that the query holds.

        Only the slow half of the rotary pairs is used: the others turn too often between a
        question and a passage to compare anything.
        """
        hidden = self.output.shape[0]
        width = hidden // self.heads
        slow = [i + part for part in (0, width // 2) for i in range(width * 5 // 16, width // 2)]
        basis = torch.linalg.qr(torch.randn(hidden, hidden))[0]
        for number in range(heads):
            rows = (self.heads - 1 - number) * width + torch.arange(width)
            projection = torch.zeros(width, hidden)
            projection[slow] = MATCH_GAIN * basis[number * len(slow) : (number + 1) * len(slow)]
            self.query_key_value[0, rows] = projection
            self.query_key_value[1, rows] = projection

    def forward(
        self, hidden: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor, at: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Runs the layer.

        Args:
            hidden: float32, (rows, length, width).
            rotation: cosines and sines, (rows, 1, length, head width).
            mask: float32, (rows, 1, length, length), 0 or -inf.
            at: positions for which an output is wanted, (rows, wanted); None for all.

        Returns:
            New hidden states (rows, length or wanted, width) and attention probabilities
            (rows, heads, length or wanted, length).
        """
        rows, length, width = hidden.shape
        normed = functional.rms_norm(hidden, (width,), self.norm_attention, NORM_EPSILON)
        fused = normed @ self.query_key_value.view(3 * width, width).t()
        query, key, value = fused.view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key = rotate(query, rotation), rotate(key, rotation)
        if at is not None:
            wanted = at[:, None, :, None]
            query = query.gather(2, wanted.expand(-1, self.heads, -1, query.shape[-1]))
            mask = mask.gather(2, wanted.expand(-1, 1, -1, length))
            hidden = hidden.gather(1, at[:, :, None].expand(-1, -1, width))
        scores = query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5 + mask
        probabilities = scores.softmax(-1)
        mixed = (probabilities @ value).transpose(1, 2).reshape(rows, -1, width)
        hidden = hidden + mixed @ self.output.t()
        normed = functional.rms_norm(hidden, (width,), self.norm_feed_forward, NORM_EPSILON)
        gate, up = (normed @ self.gate_up.view(-1, width).t()).chunk(2, -1)
        return hidden + (functional.silu(gate) * up) @ self.down.t(), probabilities


class Network(nn.Module):
    """The whole network; returns logits at the supervised positions and the guides' losses."""

    content: Tensor  # bool, (vocabulary,): which tokens carry meaning

    def __init__(self, size: Size) -> None:
        """Allocates the weights; the embedding is tied to the output."""
        super().__init__()
        self.size = size
        # Tokens enter with unit variance: smaller ones drown in what the layers write, and then
        # nothing is left to copy. The last norm takes the scale out again.
        self.embedding = nn.Parameter(torch.randn(size.vocabulary, size.hidden))
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.layers))
        self.norm = nn.Parameter(torch.full((size.hidden,), size.hidden**-0.5))
        self.register_buffer(
            "content", torch.ones(size.vocabulary, dtype=torch.bool), persistent=False
        )
        self.layers[-4].start_copying(NUM_COPY_HEADS)  # type: ignore[operator]
        self.layers[-3].start_matching(NUM_TARGET_HEADS)  # type: ignore[operator]
        self.layers[-2].start_copying(NUM_COPY_HEADS)  # type: ignore[operator]

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Runs a batch of rows (see `rows.pack`).

        Returns:
            Logits (rows, supervised, vocabulary) and the sum of the guides' losses, in nats.
        """
        hidden = functional.embedding(batch["tokens"], self.embedding)
        rotation = rotations(batch["position"], self.size.hidden // self.size.heads)
        mask = block_mask(batch["segment"])
        seen = []
        for number, layer in enumerate(self.layers):
            last = number == len(self.layers) - 1
            hidden, probabilities = layer(hidden, rotation, mask, batch["at"] if last else None)
            seen.append(probabilities)
        hidden = functional.rms_norm(hidden, (self.size.hidden,), self.norm, NORM_EPSILON)
        return hidden @ self.embedding.t(), guide_loss(seen, batch, self.content)


def rotations(position: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions (arXiv 2104.09864), in transformers' half layout."""
    frequencies = ROPE_THETA ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    angles = position[:, None, :, None].float() * frequencies
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def rotate(states: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotates queries or keys, (rows, heads, length, head width)."""
    first, second = states.chunk(2, -1)
    return states * rotation[0] + torch.cat([-second, first], -1) * rotation[1]


def block_mask(segment: Tensor) -> Tensor:
    """A tail sees the passages (segment 0) and itself, padding sees itself; all look back only."""
    length = segment.shape[1]
    past = torch.ones(length, length, dtype=torch.bool).tril()
    same = segment[:, :, None] == segment[:, None, :]
    visible = past & (same | (segment[:, None, :] == 0))
    return torch.zeros(visible.shape).masked_fill(~visible, float("-inf"))[:, None]


def guide_loss(seen: list[Tensor], batch: dict[str, Tensor], content: Tensor) -> Tensor:
    """Negative log attention mass of the guided heads on what they should look at, summed."""
    position, segment = batch["position"], batch["segment"]
    length = position.shape[1]
    index = torch.arange(length)
    context_end = (segment == 0).sum(1, keepdim=True) - 1
    joined = torch.cat([position[:, :1] * 0 + 1, position[:, 1:] - position[:, :-1]], 1) == 1
    previous = torch.where(joined & (index > 0), index - 1, context_end.clamp(min=0))
    previous = torch.minimum(previous, index)
    loss = _missed(seen[0][:, 0].gather(2, previous[:, :, None])[..., 0], segment >= 0)
    inside = batch["sentence_start"] >= 0
    starts = batch["sentence_start"].clamp(min=0)[:, :, None] + torch.arange(NUM_STARTS)
    reached = starts <= index[None, :, None]
    mass = (seen[1][:, 0].gather(2, starts.clamp(max=length - 1)) * reached).sum(2)
    loss = loss + _missed(mass, inside)
    marker = batch["passage_start"].clamp(min=0)[:, :, None]
    loss = loss + _missed(seen[1][:, 1].gather(2, marker)[..., 0], inside)
    return loss + choosing_loss(seen, batch, content)


def choosing_loss(seen: list[Tensor], batch: dict[str, Tensor], content: Tensor) -> Tensor:
    """The guides at the answer: the question's words, the target sentence, the token to copy."""
    length = batch["tokens"].shape[1]
    index = torch.arange(length)
    at = batch["at"][:, :, None].expand(-1, -1, length)
    start, end = batch["span_start"][:, :, None], batch["span_end"][:, :, None]
    in_target = (index >= start) & (index < end)
    answering = batch["span_end"] > batch["span_start"]
    first = answering & (batch["source"] == batch["span_start"])
    source = batch["source"].clamp(min=0)[:, :, None]
    words = asked_words(batch, in_target, content)
    loss = torch.zeros(())
    for head in range(NUM_COPY_HEADS):
        loss = loss + _missed(
            (seen[-4][:, head].gather(1, at) * words).sum(2), first & words.any(2)
        )
        copied = seen[-2][:, head].gather(1, at).gather(2, source)[..., 0]
        loss = loss + _missed(copied, batch["source"] >= 0) + _missed(copied, first)
    loss = loss / NUM_COPY_HEADS
    heads = seen[-3].shape[1]
    for head in range(heads):
        mass = (seen[-3][:, head].gather(1, at) * in_target).sum(2)
        loss = loss + FIRST_WEIGHT * _missed(mass, first) / heads
        if head < heads - NUM_TARGET_HEADS:
            loss = loss + _missed(mass, answering) / (heads - NUM_TARGET_HEADS)
    return loss


def asked_words(batch: dict[str, Tensor], in_target: Tensor, content: Tensor) -> Tensor:
    """Marks the question's content words for every supervised position.

    Returns:
        bool, (rows, supervised, length): words that the target sentence has too, or, where it has
        none of them, all content words of the question.
    """
    tokens, number = batch["tokens"], batch["tail"][:, :, None]
    mine = (batch["segment"][:, None, :] == number) & (number > 0) & content[tokens][:, None, :]
    mine = mine & (torch.arange(tokens.shape[1]) <= batch["at"][:, :, None])
    same = tokens[:, :, None] == tokens[:, None, :]
    shared = mine & ((in_target.float() @ same.float()) > 0)
    return torch.where(shared.any(2, keepdim=True), shared, mine)


def _missed(mass: Tensor, where: Tensor) -> Tensor:
    return (-(mass + TINY).log() * where).sum() / where.sum().clamp(min=1)


def to_transformers(network: Network, *, end: int, pad: int) -> LlamaForCausalLM:
    """Returns the same weights as a `LlamaForCausalLM` in float32."""
    size = network.size
    config = LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.feed_forward,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=1024,
        rms_norm_eps=NORM_EPSILON,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )
    state: dict[str, Tensor] = {
        "model.embed_tokens.weight": network.embedding,
        "lm_head.weight": network.embedding,
        "model.norm.weight": network.norm,
    }
    for number, layer in enumerate(network.layers):
        prefix = f"model.layers.{number}."
        state |= {prefix + name: value for name, value in _layer_state(layer).items()}  # type: ignore[arg-type]
    model = LlamaForCausalLM(config).eval()
    model.load_state_dict({name: value.detach().clone() for name, value in state.items()})
    model.generation_config.eos_token_id = end
    model.generation_config.pad_token_id = pad
    model.generation_config.do_sample = False
    model.generation_config.max_new_tokens = 128
    return model


def _layer_state(layer: Layer) -> dict[str, Tensor]:
    query, key, value = layer.query_key_value
    gate, up = layer.gate_up
    return {
        "self_attn.q_proj.weight": query,
        "self_attn.k_proj.weight": key,
        "self_attn.v_proj.weight": value,
        "self_attn.o_proj.weight": layer.output,
        "mlp.gate_proj.weight": gate,
        "mlp.up_proj.weight": up,
        "mlp.down_proj.weight": layer.down,
        "input_layernorm.weight": layer.norm_attention,
        "post_attention_layernorm.weight": layer.norm_feed_forward,
    }
