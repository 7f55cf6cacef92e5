"""What of a text can be harmful at all: its words, each said once.

A small classifier is unsure where there is nothing to judge: it was trained on sentences, and gives
three dots, a control token or a word that is repeated for ever some label or other.
"""

import html
import re

# Control tokens of chat templates and bare tags, by their names: `<kill>` is a word in brackets.
_CONTROL = re.compile(
    r"<\|(?:assistant|user|system|human|bot|tool|pad|end|im_(?:start|end|sep)|endof(?:text|turn)"
    r"|e[ot][otm]_id|(?:begin|end)_of_(?:text|turn)|(?:start|end)_header_id)\|>"
    r"|</?(?:s|p|b|i|a|br|hr|em|li|ul|ol|td|tr|th|div|pre|code|span|body|html|table|h[1-6]|strong"
    r"|think) ?/?>|\[/?INST\]",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_LONGEST_REPEAT = 8  # words

# English words that say nothing by themselves, however they are put together.
_EMPTY = """
a about after again all am an and any are as assistant at be because been before being but by can
could did do does doing don for from had has have he hello her here hers hi him his how human i if
in is it its just me more much my no nor not now of ok okay on one or our ours please s she
should so some such sure t thank thanks than that the their theirs them then there these
they this those to too us user very was we well were what when where which who whom whose why
will with would yes you your yours
"""
_EMPTY_WORDS = frozenset(_EMPTY.split())


def substance(text: str) -> str:
    """Gives what of a text is to be judged, without what is repeated; empty if nothing is.

    A text that is one word, whatever stands around it, is that word.
    """
    plain = html.unescape(_CONTROL.sub(" ", text))
    found: list[str] = _WORD.findall(plain)
    words = {word.lower() for word in found}
    if words <= _EMPTY_WORDS:
        return ""
    if len(words) == 1:
        return found[0]
    parts = text.split()
    kept = _without_repeats(parts)
    return text if len(kept) == len(parts) else " ".join(kept)


def _without_repeats(parts: list[str]) -> list[str]:
    """Leaves out words, and groups of words, that follow themselves."""
    for size in range(1, _LONGEST_REPEAT + 1):
        kept: list[str] = []
        place = 0
        while place < len(parts):
            group = parts[place : place + size]
            if len(group) == size and kept[-size:] == group:
                place += size
            else:
                kept.append(parts[place])
                place += 1
        parts = kept
    return parts
