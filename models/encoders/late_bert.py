"""The bundled reranker's architecture: a cross-encoder that joins question and passage late.

The lower layers are MiniLM's own and see question and passage apart, so their states are those of
the embedder; the upper layers, which are trained, see both together (late joining: PreTTR, arXiv
2004.14255). Three similarities of the lower states are more inputs of the score: of the two means,
of the best window of the passage, and of each question token with its best match (ColBERT,
arXiv 2004.12832). So the model starts from the embedder's order and learns
to correct it. `register` makes transformers and sentence-transformers load it like any other
sequence classifier, without remote code.
"""

from __future__ import annotations

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput

WINDOW_TOKENS, WINDOW_STRIDE = 24, 8  # about one sentence
N_SIMILARITIES = 3
SCALE = 10.0  # from similarities, which differ by tenths, to logits


class LateBertConfig(BertConfig):  # type: ignore[misc]
    """BERT's configuration and the number of layers that see question and passage apart."""

    model_type = "late-bert"
    n_apart: int = 6


class LateBertForSequenceClassification(PreTrainedModel):  # type: ignore[misc]
    """Scores a pair; token type 0 is the question, 1 the passage."""

    config_class = LateBertConfig
    base_model_prefix = "bert"
    _supports_sdpa = True

    def __init__(self, config: LateBertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.bert = BertModel(config, add_pooling_layer=True)
        self.segment = torch.nn.Embedding(2, config.hidden_size)
        self.words = torch.nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        self.weigh = torch.nn.Linear(config.hidden_size, 1)
        self.similarity = torch.nn.Linear(N_SIMILARITIES, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        return_dict: bool | None = None,
    ) -> SequenceClassifierOutput:
        """Returns one logit a pair.

        Args:
            input_ids: int64, (n_pairs, n_tokens): [CLS] question [SEP] passage [SEP].
            attention_mask: 1 for tokens, 0 for padding, same shape.
            token_type_ids: 0 for the question, 1 for the passage, same shape.
            return_dict: accepted for transformers' sake; the output always has names.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        mask = mask.bool()
        second = (
            torch.zeros_like(mask) if token_type_ids is None else token_type_ids.bool()
        ) & mask
        embedded = self.embed(input_ids, second=second, n_first=(mask & ~second).sum(1))
        hidden = self.apart(input_ids, embedded, mask=mask, second=second)
        return SequenceClassifierOutput(
            logits=self.join(input_ids, hidden, embedded, mask=mask, second=second)
        )

    def alone(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Returns the lower layers' states of single texts, (n_texts, n_tokens, 384).

        Args:
            input_ids: int64, (n_texts, n_tokens): [CLS] question or passage [SEP].
            attention_mask: 1 for tokens, 0 for padding, same shape.
        """
        mask = attention_mask.bool()
        hidden = self.embed(input_ids, second=torch.zeros_like(mask), n_first=mask.sum(1))
        for layer in self.bert.encoder.layer[: self.config.n_apart]:
            hidden = layer(hidden, mask[:, None, None, :])
        return hidden

    def joined(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        hidden: torch.Tensor,
    ) -> torch.Tensor:
        """Returns the logits, (n_pairs, n_labels), from `alone`'s states; else as `forward`.

        Args:
            input_ids: as in `forward`.
            attention_mask: as in `forward`.
            token_type_ids: as in `forward`.
            hidden: float, (n_pairs, n_tokens, 384): of each token, the passage's [CLS] left out.
        """
        mask = attention_mask.bool()
        second = token_type_ids.bool() & mask
        embedded = self.embed(input_ids, second=second, n_first=(mask & ~second).sum(1))
        return self.join(input_ids, hidden, embedded, mask=mask, second=second)

    def apart(
        self,
        input_ids: torch.Tensor,
        embedded: torch.Tensor,
        *,
        mask: torch.Tensor,
        second: torch.Tensor,
    ) -> torch.Tensor:
        """Returns MiniLM's states of question and passage, each as if it were alone.

        A [CLS] of the passage's own stands before the pair in these layers: MiniLM needs one.
        """
        none, one = torch.zeros_like(second[:, :1]), torch.ones_like(input_ids[:, 0])
        first = self.embed(input_ids[:, :1], second=none, n_first=one)
        ones = torch.ones_like(mask[:, :1])
        second, mask = torch.cat([ones, second], 1), torch.cat([ones, mask], 1)
        hidden = torch.cat([first, embedded], 1)
        alike = (second[:, :, None] == second[:, None, :]) & mask[:, None, :]
        for layer in self.bert.encoder.layer[: self.config.n_apart]:
            hidden = layer(hidden, alike[:, None])
        return hidden[:, 1:]

    def embed(
        self, input_ids: torch.Tensor, *, second: torch.Tensor, n_first: torch.Tensor
    ) -> torch.Tensor:
        """Returns MiniLM's embeddings; the passage's positions start again at 1."""
        place = torch.arange(input_ids.shape[1], device=input_ids.device)[None, :]
        place = torch.where(second, place - n_first[:, None] + 1, place)
        embedded: torch.Tensor = self.bert.embeddings(
            input_ids=input_ids, token_type_ids=torch.zeros_like(input_ids), position_ids=place
        )
        return embedded

    def join(
        self,
        input_ids: torch.Tensor,
        hidden: torch.Tensor,
        embedded: torch.Tensor,
        *,
        mask: torch.Tensor,
        second: torch.Tensor,
    ) -> torch.Tensor:
        """Returns the logits, (n_pairs, n_labels), from the lower layers' states.

        Args:
            input_ids: int64, (n_pairs, n_tokens).
            hidden: float, (n_pairs, n_tokens, 384): the states of question and passage.
            embedded: the embeddings of the same tokens, which keep the words themselves.
            mask: bool, (n_pairs, n_tokens): False for padding.
            second: bool, (n_pairs, n_tokens): True for the passage.
        """
        similarities = self.similarities(input_ids, hidden, first=mask & ~second, second=second)
        joined = hidden + self.segment(second.long()) + self.words(embedded)
        for layer in self.bert.encoder.layer[self.config.n_apart :]:
            joined = layer(joined, mask[:, None, None, :])
        pooled = self.dropout(self.bert.pooler(joined))
        logits: torch.Tensor = self.classifier(pooled) + SCALE * self.similarity(similarities)
        return logits

    def similarities(
        self,
        input_ids: torch.Tensor,
        hidden: torch.Tensor,
        *,
        first: torch.Tensor,
        second: torch.Tensor,
    ) -> torch.Tensor:
        """Returns the three similarities of each pair, (n_pairs, 3), each at most 1."""
        words = self.bert.embeddings.word_embeddings(input_ids)
        question = _mean(hidden, first)
        whole = torch.nn.functional.cosine_similarity(question, _mean(hidden, second))
        weight = torch.nn.functional.softplus(self.weigh(words)[:, :, 0]) * first
        weight = weight / weight.sum(1, keepdim=True)
        matched = (weight * _best_match(hidden, second)).sum(1)
        return torch.stack([whole, _best_window(question, hidden, second), matched], dim=1)


def _mean(hidden: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Returns the mean state of the chosen tokens, as MiniLM pools them."""
    weight = chosen.to(hidden.dtype)[:, :, None]
    mean: torch.Tensor = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1.0)
    return mean


def _best_match(vectors: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Returns each token's highest cosine with a passage token, (n_pairs, n_tokens), 0 to 1."""
    unit = torch.nn.functional.normalize(vectors, dim=2)
    cosine = unit @ unit.transpose(1, 2)
    return cosine.masked_fill(~second[:, None, :], 0.0).amax(2).clamp(min=0.0)


def _best_window(
    question: torch.Tensor, hidden: torch.Tensor, second: torch.Tensor
) -> torch.Tensor:
    """Returns the highest cosine of the question's mean with a window's mean, (n_pairs,)."""
    margins = (WINDOW_TOKENS // 2, WINDOW_TOKENS)  # the same windows, however much is padded
    passage = (hidden * second[:, :, None]).transpose(1, 2)
    chosen = second[:, None].to(hidden.dtype)
    means, shares = (
        torch.nn.functional.avg_pool1d(
            torch.nn.functional.pad(values, margins), WINDOW_TOKENS, WINDOW_STRIDE
        )
        for values in (passage, chosen)
    )
    share = shares[:, 0]
    cosine = torch.nn.functional.cosine_similarity(question[:, :, None], means, dim=1)
    fullest = share.amax(1, keepdim=True)  # windows that hold much less than the fullest are ends
    return cosine.masked_fill(share < 0.6 * fullest, -1.0).amax(1)


def register() -> None:
    """Lets `AutoModelForSequenceClassification` and `CrossEncoder` load this architecture."""
    AutoConfig.register(LateBertConfig.model_type, LateBertConfig, exist_ok=True)
    AutoModelForSequenceClassification.register(
        LateBertConfig, LateBertForSequenceClassification, exist_ok=True
    )
