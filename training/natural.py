"""Asks a generator the hand-written questions of `natural.jsonl` and scores its greedy answers.

`python -m training.natural CHECKPOINT` works for float and GPTQ checkpoints alike.
None of the passages or questions is used in training.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from graphs.pipeline.prompt import question_text
from training.prompts import Shown
from training.rows import DECLINE
from training.tokenizer import ASSISTANT, END, USER

ITEMS = Path(__file__).parent / "natural.jsonl"
MAX_NEW_TOKENS = 72


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question over passages; `answer` is None where the passages do not tell."""

    content: str
    question: str
    answer: str | None


def read_items(path: Path = ITEMS) -> list[Item]:
    """Reads the questions, with the user message that the server would send."""
    items = []
    for line in path.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        shown = [Shown(title=one["title"], excerpt=one["text"]) for one in item["passages"]]
        content = question_text(item["question"], shown)
        items.append(Item(content=content, question=item["question"], answer=item["answer"]))
    return items


@torch.inference_mode()
def answer(model: Any, tokenizer: Any, content: str) -> str:
    """Decodes greedily; special tokens are placed by id, never from the content."""
    user, assistant, end = (tokenizer.convert_tokens_to_ids(t) for t in (USER, ASSISTANT, END))
    middle = tokenizer(content, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    ids = torch.tensor([[user, *middle, assistant]])
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=MAX_NEW_TOKENS,
        eos_token_id=end,
        pad_token_id=tokenizer.pad_token_id,
    )
    return str(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def score(items: list[Item], answers: list[str]) -> dict[str, float]:
    """Shares: `right` sentence, right `cited` marker, unanswerable ones `declined`."""
    asked = [(i, a) for i, a in zip(items, answers, strict=True) if i.answer is not None]
    others = [a for i, a in zip(items, answers, strict=True) if i.answer is None]
    right = [_sentence(a) == _sentence(i.answer or "") for i, a in asked]
    cited = [re.findall(r"\[\d+\]", a) == re.findall(r"\[\d+\]", i.answer or "") for i, a in asked]
    return {
        "right": sum(right) / len(asked),
        "cited": sum(cited) / len(asked),
        "declined": sum(a == DECLINE for a in others) / len(others),
        "wrongly_declined": sum(a == DECLINE for _, a in asked) / len(asked),
    }


def _sentence(text: str) -> str:
    return re.sub(r"\s*\[\d+\]$", "", text).strip()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--show", action="store_true", help="print every answer")
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)
    model = AutoModelForCausalLM.from_pretrained(
        arguments.checkpoint, device_map={"": "cpu"}
    ).eval()
    items = read_items()
    answers = [answer(model, tokenizer, item.content) for item in items]
    if arguments.show:
        for item, given in zip(items, answers, strict=True):
            sys.stdout.write(f"{item.question}\n  {given}\n  ({item.answer or DECLINE})\n")
    sys.stdout.write(json.dumps({k: round(v, 3) for k, v in score(items, answers).items()}) + "\n")


if __name__ == "__main__":
    main()
