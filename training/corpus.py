"""Writes what the generator's training reads: the tokenizer and the packed rows of each stage."""

import argparse
import dataclasses
import itertools
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from training.contexts import Dictionary, Handbook, Prose
from training.facts import FactMaker
from training.layout import Shape, pack
from training.questions import Overlap, QuestionMaker
from training.rows import DECLINE, RowMaker, Sources
from training.tokenizer import save_tokenizer, train_tokenizer
from training.wordnet import read_lexicon
from training.written import read_documents
from training.written_contexts import Written

logger = logging.getLogger(__name__)
HERE = Path(__file__).parent
# Short contexts first: (name, shape, rows).
STAGES = (
    ("stage1", Shape(length=320, context=160, supervised=176), 6_000),
    ("stage2", Shape(length=320, context=180, supervised=176), 6_000),
    ("stage3", Shape(length=352, context=220, supervised=176), 4_000),
)
EVALUATIONS = ("prose", "facts", "written")
EVALUATION = Shape(length=448, context=300, supervised=176)
NUM_EVALUATION_ROWS = 96
NUM_FACTS_FOR_TOKENIZER = 30_000


def make_sources(
    paragraphs: Path, wordnet: Path, *, evaluation: bool, limit: int | None = None
) -> Sources:
    """Reads the text and WordNet, and holds what one side of the split may use."""
    lexicon = read_lexicon(wordnet)
    prose = Prose(paragraphs, evaluation=evaluation, limit=limit)
    overlap = Overlap(prose.sentences()[:60_000])
    return Sources(
        written=Written(read_documents(evaluation=evaluation)),
        prose=prose,
        handbook=Handbook(FactMaker(HERE / "facts.txt", lexicon.nouns), evaluation=evaluation),
        dictionary=Dictionary(lexicon, evaluation=evaluation) if lexicon.glosses else None,
        questions=QuestionMaker(lexicon, overlap),
        overlap=overlap,
    )


def tokenizer_text(sources: Sources, wordnet: Path, rng: random.Random) -> Iterator[str]:
    """Yields prose, definitions and facts in about equal parts, and the prompt's fixed words."""
    if sources.prose:
        yield from rng.sample(
            sources.prose.sentences(), min(60_000, len(sources.prose.sentences()))
        )
    for word, gloss in read_lexicon(wordnet).glosses:
        yield from (f" {word} {gloss}",) * 2
    maker = FactMaker(HERE / "facts.txt", read_lexicon(wordnet).nouns)
    for _ in range(NUM_FACTS_FOR_TOKENIZER):
        fact = maker.draw(rng, maker.slots(rng))
        yield f" {fact.statement}\n\n Question: {rng.choice(fact.questions)} {DECLINE}"


def write_rows(maker: RowMaker, out: Path, shape: Shape, *, count: int, seed: int) -> None:
    """Draws `count` rows and writes them as one file."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        rows.append(maker.make(rng, shape))
        if number % 1000 == 999:
            logger.info("%s: %d of %d rows", out.name, number + 1, count)
    np.savez(out, **pack(rows, shape, maker.pad))  # type: ignore[arg-type]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paragraphs", type=Path, help="JSONL file written by text.py")
    parser.add_argument("wordnet", type=Path, help="folder of WordNet's data.noun and so on")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows to write")
    parser.add_argument("--limit", type=int, default=None, help="paragraphs to read")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    arguments.out.mkdir(parents=True, exist_ok=True)
    paths = (arguments.paragraphs, arguments.wordnet)
    sources = make_sources(*paths, evaluation=False, limit=arguments.limit)
    path = arguments.out / "tokenizer"
    if not (path / "tokenizer.json").exists():
        texts = tokenizer_text(sources, arguments.wordnet, random.Random(arguments.seed))
        save_tokenizer(train_tokenizer(texts), path)
        logger.info("tokenizer written")
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    unseen = make_sources(*paths, evaluation=True, limit=arguments.limit)
    jobs = [(f"evaluation-{name}", EVALUATION, NUM_EVALUATION_ROWS) for name in EVALUATIONS]
    for name, shape, count in itertools.chain(jobs, STAGES):
        used = sources if name.startswith("stage") else only(unseen, name)
        scaled = max(int(count * arguments.scale), 16)
        seed = arguments.seed + sum(name.encode())
        write_rows(
            RowMaker(tokenizer, used), arguments.out / f"{name}.npz", shape, count=scaled, seed=seed
        )


def only(sources: Sources, name: str) -> Sources:
    """Leaves one source for an evaluation of its own."""
    return dataclasses.replace(
        sources,
        share_written=float(name.endswith("written")),
        share_prose=float(name.endswith("prose")),
        share_dictionary=0.0,
    )


if __name__ == "__main__":
    main()
