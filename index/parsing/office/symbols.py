"""The letters of symbol fonts, which stand at codes that mean something else, or nothing.

Word writes them as private characters (U+F020..U+F0FF) or as codes of `w:sym`. What is in none of
the tables has no words and becomes a blank.
"""

# Adobe's Symbol encoding (PDF 1.7, annex D.5), by runs of codes.
_SYMBOL_RUNS = {
    0x20: " !∀#∃%&∋()∗+,−./0123456789:;<=>?",  # noqa: RUF001
    0x40: "≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_",
    0x60: "‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼",  # noqa: RUF001
    0xA0: "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…",  # noqa: RUF001
    0xC0: "ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊",  # noqa: RUF001
    0xE2: "®©™∑",
    0xF2: "∫",
}
# What Wingdings is used for in documents: boxes to tick, bullets, arrows.
_WINGDINGS = {
    0x28: "☎", 0x2A: "✉", 0x4A: "☺", 0x6C: "●", 0x6E: "■", 0x6F: "☐", 0x71: "❑", 0xA7: "▪",
    0xA8: "☐", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xF0: "⇨",
    0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
_SYMBOL = {start + i: c for start, run in _SYMBOL_RUNS.items() for i, c in enumerate(run)}
_PRIVATE = range(0xF020, 0xF100)


def symbol(font: str, code: int) -> str:
    """The letter at a code of a font, a blank where it is not known."""
    if "wingdings" in font.lower() or "webdings" in font.lower():
        return _WINGDINGS.get(code & 0xFF, " ")
    if font.lower() == "symbol" or code in _PRIVATE:
        return _SYMBOL.get(code & 0xFF, " ")
    return chr(code) if 0x20 <= code < 0xD800 else " "


def without_private(text: str, font: str = "") -> str:
    """Gives the private characters of a text the letters that a symbol font has there."""
    if text.isascii():
        return text
    return "".join(symbol(font, ord(c)) if ord(c) in _PRIVATE else c for c in text)
