"""Questions made from single sentences by rules, with the noise that people add.

A question is accepted by the caller only where its sentence is the best match in the context
(`Overlap`), so that every training answer is right by the only evidence that there is.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Iterable

from training.wordnet import Lexicon

_STOP_WORDS = """
a an the and or but if then else of to in on at by for with from as is are was were be
been being it its this that these those there here which who whom what when where why
how do does did done can could may might must shall should will would have has had
having not no nor so than too very just also only such same other any each all both more
most some into out up down over under again further once about between through during
before after above below you your we our they their he she his her i me my them us one
e.g i.e etc
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_\-']*|\d[\d.,:]*")
SUFFIXES: tuple[str, ...] = (
    "ations",
    "ation",
    "ings",
    "ing",
    "ments",
    "ment",
    "ies",
    "ied",
    "ness",
    "ers",
    "er",
)
SUFFIXES += ("ed", "es", "ly", "able", "s", "e", "y")
MIN_STEM = 3

WITH_TOPIC = (
    "what about {}?", "what does it say about {}?", "what do the documents say about {}?",
    "tell me about {}", "what should I know about {}?", "is there anything on {}?",
    "explain {}", "how does {} work?", "how do I {}?", "how can I {}?", "what is {}?",
    "what are {}?", "why {}?", "when {}?", "where {}?", "which {}?", "what happens with {}?",
    "what is the rule for {}?", "can I {}?", "is it possible to {}?", "what does {} do?",
    "how to {}", "{}?", "{}", "what happens when {}?", "who {}?", "how is {} done?",
    "I have a question about {}", "what if {}?", "need help with {}", "how many {}?",
    "what do you know about {}?", "does it matter if {}?", "is {} supported?",
    "what is the reason for {}?", "what is meant by {}?", "should I {}?",
)  # fmt: skip
OPENINGS = (
    "please tell me ", "Hi, ", "hello, ", "Can you tell me ", "could you explain ",
    "I would like to know ", "Quick question: ", "do you know ", "I wonder ", "Hey, ",
)  # fmt: skip
AUXILIARY = "is|are|was|were|can|could|may|might|must|should|will|would|has|have|cannot"
SPLIT_AT_AUXILIARY = re.compile(rf"^(.{{3,70}}?) ({AUXILIARY})( not)? (.+?)[.:!]?$")
THIRD_PERSON = re.compile(
    r"^((?:The|This|An?|Each|Every|[A-Z_a-z.()]+) ?(?:[\w\-.()]+ ){0,3}?)"
    r"(returns|contains|uses|allows|provides|specifies|sets|determines|controls|creates|removes|"
    r"defines|represents|requires|supports|takes|holds|indicates|enables|causes|includes|means|"
    r"describes|makes|gives|reads|writes|stores|keeps|needs|runs|sends|works|becomes|starts|stops) "
    r"(.+?)[.:!]?$"
)


def stem(word: str) -> str:
    """Returns a crude stem: enough to see that "scaling" and "scales" are one word."""
    word = word.lower().removesuffix("'s")
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= MIN_STEM:
            word = word[: -len(suffix)]
            break
    return word[:-1] if len(word) > MIN_STEM and word[-1] == word[-2] else word


def content_words(text: str) -> list[str]:
    """Returns the words of a text that carry meaning, in order."""
    return [w for w in WORD.findall(text) if w.lower() not in STOP_WORDS and len(w) > 1]


class Overlap:
    """Inverse document frequencies of stems, and how much of a question a sentence covers."""

    def __init__(self, sentences: Iterable[str]) -> None:
        """Counts in how many of the sentences each stem occurs."""
        self._counts: Counter[str] = Counter()
        self._total = 1
        for sentence in sentences:
            self._counts.update({stem(w) for w in content_words(sentence)})
            self._total += 1

    def weight(self, word_stem: str) -> float:
        """Inverse document frequency, in nats."""
        return math.log((self._total + 1) / (self._counts[word_stem] + 1))

    def coverage(self, question: set[str], sentence: set[str]) -> float:
        """Share of the question's weight, 0..1, that the sentence's stems cover."""
        total = sum(self.weight(s) for s in sorted(question))
        shared = sum(self.weight(s) for s in sorted(question & sentence))
        return shared / total if total else 0.0


class QuestionMaker:
    """Makes one question for a sentence; every draw depends on the given random source alone."""

    def __init__(self, lexicon: Lexicon, overlap: Overlap) -> None:
        """Keeps the lexicon for synonyms and the overlap for the weight of words."""
        self._synonyms = lexicon.synonyms
        self._overlap = overlap

    def make(self, sentence: str, rng: random.Random) -> str:
        """Returns a noisy question that the sentence answers."""
        rules = (self._from_structure, self._from_topic, self._from_keywords)
        rule = rng.choices(rules, weights=(0.5, 0.35, 0.15))[0]
        question = rule(sentence, rng) or self._from_topic(sentence, rng)
        return self.disturb(question, rng, synonym_rate=0.22)

    def _picked(self, sentence: str, rng: random.Random, most: int) -> list[str]:
        words = list(dict.fromkeys(content_words(sentence)))
        count = min(len(words), rng.randint(2, most))
        heaviest = sorted(words, key=lambda w: -self._overlap.weight(stem(w)) * rng.random())
        chosen = set(heaviest[:count])
        return [w for w in words if w in chosen]

    def _from_keywords(self, sentence: str, rng: random.Random) -> str:
        words = self._picked(sentence, rng, 5)
        if rng.random() < 0.3:
            rng.shuffle(words)
        return " ".join(words)

    def _from_topic(self, sentence: str, rng: random.Random) -> str:
        words = self._picked(sentence, rng, 4)
        joined = " ".join(words)
        if len(words) > 1 and rng.random() < 0.4:
            glue = rng.choice(["and", "in", "of the", "for", "with the", "to", "on"])
            joined = f"{' '.join(words[:-1])} {glue} {words[-1]}"
        return rng.choice(WITH_TOPIC).format(joined)

    def _from_structure(self, sentence: str, rng: random.Random) -> str:
        text = re.sub(
            r"^(However|Note that|Also|Therefore|In addition|Thus|For example),? ", "", sentence
        )
        makers = [_from_condition, _from_purpose, _from_third_person, _from_auxiliary, _from_reason]
        rng.shuffle(makers)
        for maker in makers:
            question = maker(text, rng)
            if question:
                return question
        return ""

    def disturb(self, question: str, rng: random.Random, *, synonym_rate: float) -> str:
        """Adds synonyms, other word forms, dropped words, typos, lower case and openings."""
        words = [self._other_word(word, rng, synonym_rate) for word in question.split(" ")]
        if len(words) > 5 and rng.random() < 0.15:
            del words[rng.randrange(len(words) - 1)]
        question = " ".join(words)
        if rng.random() < 0.1:
            question = _typo(question, rng)
        if rng.random() < 0.3:
            question = question.lower()
        elif question and rng.random() < 0.9:
            question = question[0].upper() + question[1:]
        if rng.random() < 0.2:
            question = question.rstrip("?")
        if question and rng.random() < 0.07:
            question = rng.choice(OPENINGS) + question[0].lower() + question[1:]
        return question

    def _other_word(self, word: str, rng: random.Random, synonym_rate: float) -> str:
        bare = word.strip("?,.").lower()
        if bare in STOP_WORDS:
            return word
        if bare in self._synonyms and rng.random() < synonym_rate:
            return word.lower().replace(bare, rng.choice(self._synonyms[bare]))
        return _inflect(word, rng) if rng.random() < 0.05 else word


def _lower_first(text: str) -> str:
    return text if len(text) < 2 or text[1].isupper() else text[0].lower() + text[1:]


def _shorten(text: str, rng: random.Random) -> str:
    """Cuts a clause at a comma or after a few words, as people do."""
    text = text.split(", ", maxsplit=1)[0]
    words = text.split(" ")
    return " ".join(words[: rng.randint(4, 9)])


def _from_condition(text: str, rng: random.Random) -> str:
    match = re.match(r"^(If|When|Once|Whenever|After|Before) (.{8,90}?), (.{8,})", text)
    if not match:
        return ""
    word = "after" if match[1] == "Once" else match[1].lower()
    condition = _shorten(match[2], rng)
    forms = ("What happens {} {}?", "What do I do {} {}?", "what should be done {} {}?",
             "What occurs {} {}?", "{} {}, what then?", "How does it behave {} {}?")  # fmt: skip
    return rng.choice(forms).format(word, condition)


def _from_purpose(text: str, rng: random.Random) -> str:
    match = re.match(r"^(?:In order to|To) (.{8,80}?), (.{8,})", text)
    if match is None:
        match = re.search(
            r"\b(?:used|possible|need|want|recommended|allows you|able) to (.{8,80})", text
        )
    if match is None:
        return ""
    forms = ("How do I {}?", "How can I {}?", "how to {}", "What is the way to {}?",
             "What do I need to {}?", "Is it possible to {}?", "I want to {}, how?",
             "How does one {}?", "What is used to {}?", "Which one is used to {}?")  # fmt: skip
    return rng.choice(forms).format(_shorten(match[1], rng).rstrip("."))


def _from_third_person(text: str, rng: random.Random) -> str:
    match = THIRD_PERSON.match(text)
    if match is None:
        return ""
    subject, verb, rest = _lower_first(match[1].strip()), match[2], _shorten(match[3], rng)
    verb = verb[:-1] if not verb.endswith("xes") else verb[:-2]
    forms = (f"What does {subject} {verb}?", f"Does {subject} {verb} {rest}?",
             f"What {match[2]} {rest}?", f"Which one {match[2]} {rest}?",
             f"Why does {subject} {verb} {rest}?", f"what is {subject} for?",
             f"How does {subject} {verb} {rest}?",
             f"What is the purpose of {subject}?")  # fmt: skip
    return rng.choice(forms)


def _from_auxiliary(text: str, rng: random.Random) -> str:
    match = SPLIT_AT_AUXILIARY.match(text)
    if match is None or "," in match[1]:
        return ""
    subject, verb = _lower_first(match[1]), match[2].replace("cannot", "can")
    rest = _shorten(match[4], rng).rstrip(".")
    first = rest.split(" ")[0]
    forms = [f"{verb} {subject} {rest}?", f"What {verb} {rest}?", f"Why {verb} {subject} {rest}?",
             f"When {verb} {subject} {rest}?", f"How {verb} {subject} {first}?"]  # fmt: skip
    if verb in ("is", "are", "was", "were"):
        forms += [
            f"What {verb} {subject}?",
            f"what {verb} {subject} like?",
            f"Where {verb} {subject} {first}?",
        ] * 2
    return rng.choice(forms)


def _from_reason(text: str, rng: random.Random) -> str:
    match = re.match(
        r"^(.{12,110}?),? (?:because|since|so that|due to|as a result of) (.{8,})", text
    )
    if match is None:
        return ""
    claim = _shorten(_lower_first(match[1]), rng)
    return rng.choice(
        ("Why {}?", "Why is it that {}?", "What is the reason that {}?", "how come {}?")
    ).format(claim)


def _inflect(word: str, rng: random.Random) -> str:
    """Gives a word another ending."""
    match = re.fullmatch(r"([A-Za-z]{4,})(\W*)", word)
    if match is None:
        return word
    root, rest = match[1], match[2]
    if root.endswith("s") and not root.endswith("ss"):
        return root[:-1] + rest
    if root.endswith("ing") or root.endswith("ed"):
        return (
            root[: -3 if root.endswith("ing") else -2] + rng.choice(["", "s", "ing", "ed"]) + rest
        )
    return root + "s" + rest if rng.random() < 0.7 else root.removesuffix("e") + "ing" + rest


def _typo(text: str, rng: random.Random) -> str:
    """Drops, doubles or swaps one character."""
    if len(text) < 8:
        return text
    i = rng.randrange(1, len(text) - 2)
    return rng.choice((text[:i] + text[i + 1 :], text[:i] + text[i] + text[i:],
                       text[:i] + text[i + 1] + text[i] + text[i + 2 :]))  # fmt: skip
