"""Takes a question apart.

"When does the camp open and what does a hut cost?" -> "When does the camp open?"
                                                       "what does a hut cost?"
"Is a hut or a tent cheaper?"                       -> "Is a hut cheaper?", "Is a tent cheaper?"
"""

import re
from dataclasses import replace

from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.words import YEAR, content_stems, names, words_of
from index.identifiers import identifiers, joined

MAX_PARTS = 3
_FEWEST_WORDS, _MOST_WORDS = 3, 8  # of a clause; of a subject
_MOST_BARE_WORDS = 4  # of a clause without a verb
_MAX_CHARS = 1000  # of a question that is taken apart
_ASKS = (
    r"(?:also\s+)?(?:(?:about|after|at|before|by|during|for|from|in|of|on|since|to|under|until|with|within)\s+)?"
    r"(?:what|when|where|who|whom|whose|which|why|how|is|are|does|do|did|can|may|must|will|should|"
    r"has|have)\b"
)
_CLAUSES = re.compile(
    rf"\s*(?:,\s*(?:and|but|or)?|;|\?|\s(?:and|but|or))\s+(?={_ASKS})", re.IGNORECASE
)
_TOPIC = re.compile(
    rf"((?:[^:?]{{2,60}}:|(?:at|for|from|in|on|with)\s+[^:?,]{{2,60}},)\s+)(?={_ASKS})",
    re.IGNORECASE,
)
_JOINT = re.compile(
    r"\s+(?:and|or|vs\.?|versus|compared (?:to|with)|than|from|with)\s+", re.IGNORECASE
)
_LEADS = frozenset(
    (
        "a",
        "an",
        "the",
        "at",
        "on",
        "in",
        "to",
        "of",
        "for",
        "with",
        "by",
        "from",
        "between",
        "my",
        "our",
        "your",
    )
)
_STOPS = _LEADS | frozenset(
    """is are was were do does did can may must will should has have what when where who which why
    how compare if that than differ i you we they it be there""".split()  # noqa: SIM905
)
_PRONOUN = re.compile(
    r"\b(?:it|they|them|he|she|him|these|those)\b|\b(?:that|this)(?=\W*$)", re.IGNORECASE
)
_AUXILIARY = re.compile(
    r"\b(?:do|does|did|is|are|was|were|can|may|must|will|should|has|have)\s+", re.IGNORECASE
)
_VERBS = frozenset(
    """cost costs open opens close closes start starts begin begins end ends last lasts take takes
    weigh weighs need needs seat seats run runs leave leaves arrive happen happens work works hold
    holds be have get contain contains apply belong""".split()  # noqa: SIM905
)
_ELLIPTIC = re.compile(
    r"(?:and\s+)?(?:(?:by|from|since|until)\s+)?"
    r"(?:what|how(?:\s+(?:much|many|long|often|far))?|when|where)\s+(?:on\s+)?"
    r"(?:about|at|for|in|on|of|with|from|to)\b",
    re.IGNORECASE,
)
_VERBLESS = re.compile(  # "on which machine"
    r"(?:(?:at|by|for|from|in|of|on|to|under|until|with)\s+)?(?:what|which|whose)(?:\s+[\w-]+){1,2}",
    re.IGNORECASE,
)
_DO = frozenset(("do", "does", "did"))
_COUNTED = re.compile(
    r"(?:how many|which|what)\s+([\w-]+(?:\s+[\w-]+)??)\s+"
    r"(?:do|does|did|are|were|can|may|must|will)\b",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\W*compare\s+(?P<one>.+?)\s+(?:with|to|and)\s+(?P<other>(?:\S+\s+){3,}\S+)", re.IGNORECASE
)
_SHORT_IS = re.compile(r"\b(what|who|where|when|how)['’]s\b", re.IGNORECASE)  # noqa: RUF001
_ATTRIBUTE = re.compile(  # "it" is the room, and not its price
    r"^(?:the\s+)?(?:age|colour|color|cost|date|deposit|duration|fee|height|length|name|number|"
    r"power|price|range|rate|size|title|weight|width)\s+(?:of|for)\s+",
    re.IGNORECASE,
)
_BE = frozenset(("is", "are", "was", "were", "has", "have"))
_DONE = re.compile(r"[a-z]{2}ed$|^(?:kept|held|sold|made|paid|taken|given|built|written)$")
_CHANGED = re.compile(
    r"(?:by\s+)?how\s+much\s+(?:has|have|had|did|do|does|is|was|were)\s+(?P<what>.+?)\s+"
    r"(?:been\s+)?(?:risen|rise|increased?|raised|gone\s+up|go\s+up|changed?|fallen|fall|dropped?|"
    r"decreased?|reduced|gone\s+down|go\s+down|grown?)\b",
    re.IGNORECASE,
)
# "which guarantee is longer, that of the pump or that on tyres?"
_WHICH_IS_MORE = re.compile(
    r"\W*(?:which|whose|what)\s+(?P<noun>[\w-]+(?:\s+[\w-]+)?)\s+(?:is|are|was|lasts?)\s+"
    r"[\w ]+?,?\s+(?:that|those|the\s+ones?)\s+(?P<one>(?:of|for|on|at|in|from)\s+.+?),?\s+or\s+"
    r"(?:that|those|the\s+ones?)\s+(?P<other>(?:of|for|on|at|in|from)\s+.+)",
    re.IGNORECASE,
)
_THE_ONE = re.compile(
    r"^(?:that|those|the\s+ones?)\s+(?=(?:of|for|on|at|in|from)\b)", re.IGNORECASE
)
_SPEAKERS = frozenset(("i", "we", "you", "one", "people"))


def parts_of(question: str) -> list[Part]:
    """Gives what is asked, in its order: one part, or up to `MAX_PARTS`."""
    question = " ".join(question.split())[:_MAX_CHARS]
    topic, asked = _topic(question)
    clauses = _clauses(asked)
    if len(clauses) > 1:
        parts = _completed(clauses)[:MAX_PARTS]
        return [replace(part, text=f"{topic}{part.text}") for part in parts]
    return _years(question) or _compared(question) or _sides(question) or [Part(text=question)]


def _topic(question: str) -> tuple[str, str]:
    """Takes off what stands before: "Toolshed Marlow: what ...", "In Cedar Row, who ..."."""
    match = _TOPIC.match(question)
    return (match.group(1), question[match.end() :]) if match else ("", question)


def _years(question: str) -> list[Part]:
    """Gives one part a year where two are compared."""
    years = list(dict.fromkeys(YEAR.findall(question)))
    if len(years) != 2:
        return []
    both = re.compile(
        rf"(?:from|between|in|of)?\s*{years[0]}\W+(?:\w+\W+){{0,2}}?{years[1]}", re.IGNORECASE
    )
    told = _CHANGED.sub(r"How much was \g<what>", question)
    return [Part(text=" ".join(both.sub(f" in {year}", told).split()), side=year) for year in years]


def _compared(question: str) -> list[Part]:
    """Gives both sides of "compare A with B" where B says all of it: "an hour on the mill"."""
    if match := _WHICH_IS_MORE.fullmatch(question.rstrip(" ?.!")):
        noun = match["noun"]
        sides = [match["one"], match["other"]]
        return [Part(text=f"What is the {noun} {side}?", side=side) for side in sides]
    match = _COMPARED.fullmatch(question.rstrip(" ?.!"))
    if not match:
        return []
    one, other = match.groups()
    noun = re.match(r"(?:.*?)(?=\s(?:of|for|on|at|in|from)\s)", one)
    other = _THE_ONE.sub(f"{noun[0]} " if noun else "", other)
    return [Part(text=f"What is {side}?", side=side) for side in (one, other)]


def _clauses(question: str) -> list[str]:
    """Splits where another question word begins; short pieces stay with their neighbour."""
    clauses: list[str] = []
    pieces = _CLAUSES.split(question.rstrip(" ?.!"))
    if not all(re.match(_ASKS, piece, re.IGNORECASE) for piece in pieces):
        return [question]  # a sentence that tells, then one that asks
    for piece in pieces:
        fewest = min(len(words_of(piece)), len(words_of(clauses[-1]))) if clauses else _MOST_WORDS
        if fewest < _FEWEST_WORDS and not _is_bare_name(piece):
            clauses[-1] = f"{clauses[-1]} and {piece}"
        else:
            clauses.append(piece)
    return clauses


def _completed(clauses: list[str]) -> list[Part]:
    """Gives each clause what it takes from the first: its subject for a pronoun, or its verb."""
    first = clauses[0]
    parts = [Part(text=f"{first}?")]
    for clause in clauses[1:]:
        if _ELLIPTIC.match(clause) or _is_bare_name(clause):
            named = set(names(first)) | set(identifiers(first))
            kept = " ".join(word for word in first.split() if joined(word.strip(",.")) not in named)
            parts.append(Part(text=f"{kept} {clause}?", side=clause))
        elif _VERBLESS.fullmatch(clause) and not _AUXILIARY.search(f"{clause} "):
            parts.append(Part(text=f"{first} {clause}?", goes_on=True))
        elif pronoun := _PRONOUN.search(clause):
            subject = _subject(first, pronoun.group())
            meant = YEAR.sub("", subject) if YEAR.search(clause) else subject
            named_one = _PRONOUN.sub(meant.replace("\\", r"\\"), clause, count=1)
            parts.append(Part(text=f"{named_one}?", goes_on=not YEAR.search(clause)))
        else:
            goes_on = not names(clause)
            context = first if goes_on else ""
            parts.append(Part(text=f"{clause}?", goes_on=goes_on, context=context))
    return parts


def _is_bare_name(clause: str) -> bool:
    """Says whether a clause is a question word and a name: "when Basalt"."""
    words = clause.split()
    return (
        len(words) <= _MOST_BARE_WORDS
        and bool(names(clause))
        and not _AUXILIARY.search(clause)
        and _VERBS.isdisjoint(word.lower() for word in words)
    )


def _subject(clause: str, pronoun: str) -> str:
    """Gives the words between auxiliary and verb; for "they" what is counted."""
    clause = _SHORT_IS.sub(r"\1 is", clause)
    counted = _COUNTED.match(clause)
    if counted and pronoun.lower() in ("they", "them", "these", "those"):
        return f"the {counted.group(1)}"
    match = _AUXILIARY.search(clause)
    words = _ATTRIBUTE.sub("", clause[match.end() :] if match else clause).split()
    if match and match.group().strip().lower() in _BE and words[-1:] and _DONE.search(words[-1]):
        words = words[:-1]  # "is the key rotated"
    if words and words[0].lower() in _SPEAKERS:
        return " ".join(words[2:])
    kept: list[str] = []
    if match and match.group().strip().lower() in _DO and len(words) > _FEWEST_WORDS - 1:
        words = words[:-1] if words[0].lower() in _LEADS else words  # "does the recipe make"
    for word in words:
        if kept and (word.lower() in _VERBS or len(kept) >= _MOST_WORDS):
            break
        kept.append(word)
    return " ".join(kept)


def _sides(question: str) -> list[Part]:
    """Splits "A and B" into one question with A and one with B; [] where nothing is joined."""
    for joint in _JOINT.finditer(question):
        word = joint.group().strip().lower()
        before, after = question[: joint.start()].split(), question[joint.end() :].split()
        if word == "with" and not question.lower().startswith("compare"):
            continue
        if word in ("from", "than") and not re.search(r"\bdiffer", question, re.IGNORECASE):
            continue
        left, right = _left(before), _right(after)
        if not (left and right):
            continue
        head, tail = before[: len(before) - len(left)], after[len(right) :]
        one, other = " ".join(left), " ".join(right)
        if not (content_stems(one) and content_stems(other)):
            continue
        return [
            Part(text=" ".join([*head, *side, *tail]), side=" ".join(side))
            for side in (left, right)
        ]
    return []


def _left(words: list[str]) -> list[str]:
    """The last noun phrase, with the preposition before it."""
    start = len(words)
    while start and words[start - 1].lower() not in _STOPS and not words[start - 1].endswith(","):
        start -= 1
    if start == len(words):
        return []
    while start and words[start - 1].lower() in _LEADS:
        start -= 1
    return words[start:]


def _right(words: list[str]) -> list[str]:
    """The first noun phrase, with the preposition before it."""
    end = 0
    while end < len(words) and words[end].lower() in _LEADS:
        end += 1
    first = end
    while end < len(words) and words[end].lower() not in _STOPS:
        end += 1
        if words[end - 1][-1] in ",?;":
            break
    return words[:end] if end > first else []
