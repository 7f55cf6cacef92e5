"""Encoders on torch: sentence-transformers for embeddings, transformers for classifiers."""

import inspect
import json
from pathlib import Path

import torch

from models.encoders.encoder_engine import CPU_PASS_TOKENS, Ids, LateModel, Rows, Task


class TorchEncoder:
    """See `models.encoders.encoder_engine.EncoderModel`."""

    late: LateModel | None = None  # a GPU computes states sooner than it takes over kept ones

    def __init__(self, folder: Path, task: Task, device: torch.device) -> None:
        loaded = _Embedding(folder) if task == "embedding" else _Classification(folder)
        self.module = loaded.to(device).eval()
        self.tokenizer = loaded.tokenizer.backend_tokenizer
        self.pad_id = int(loaded.tokenizer.pad_token_id or 0)
        self.max_tokens = loaded.max_tokens
        self.labels = loaded.labels
        self.pass_tokens: int | None = CPU_PASS_TOKENS if device.type == "cpu" else None
        self._device = device

    def forward(self, input_ids: Ids, attention_mask: Ids, token_type_ids: Ids) -> Rows:
        """Runs a batch; see `models.encoders.encoder_engine.EncoderModel`."""
        batch = (torch.from_numpy(part) for part in (input_ids, attention_mask, token_type_ids))
        with torch.inference_mode():
            rows = self.module(*(part.to(self._device) for part in batch))
        result: Rows = rows.float().cpu().numpy()
        return result


class _Embedding(torch.nn.Module):
    """A sentence-transformers model, from tokens to sentence embeddings."""

    labels: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        from sentence_transformers import SentenceTransformer

        super().__init__()
        # Put on the CPU here, so that only `to` decides where it goes.
        self.model = SentenceTransformer(str(folder), device="cpu", trust_remote_code=False)
        self.tokenizer = self.model.tokenizer
        self.max_tokens = int(self.model.max_seq_length)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> torch.Tensor:
        features = {"input_ids": input_ids, "attention_mask": attention_mask}
        if "token_type_ids" in self.tokenizer.model_input_names:
            features["token_type_ids"] = token_type_ids
        rows: torch.Tensor = self.model(features)["sentence_embedding"]
        return rows


class _Classification(torch.nn.Module):
    """A transformers sequence classifier, from tokens to logits."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        super().__init__()
        _register_architecture(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False
        )
        config = self.model.config
        self.labels = tuple(str(config.id2label[index]) for index in range(config.num_labels))
        # Tokenizers without a limit of their own say 10^30.
        self.max_tokens = min(self.tokenizer.model_max_length, config.max_position_embeddings)
        self._takes_types = "token_type_ids" in inspect.signature(self.model.forward).parameters

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> torch.Tensor:
        types = {"token_type_ids": token_type_ids} if self._takes_types else {}
        logits: torch.Tensor = self.model(
            input_ids=input_ids, attention_mask=attention_mask, **types
        ).logits
        return logits


def _register_architecture(folder: Path) -> None:
    """Makes transformers know the one architecture that is ours, where the folder holds it."""
    if json.loads((folder / "config.json").read_text()).get("model_type") == "late-bert":
        from models.encoders.late_bert import register

        register()
