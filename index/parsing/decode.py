"""From bytes to characters: which encoding a text was written in.

    byte order mark -> UTF-16/32 by its zero bytes -> valid UTF-8 -> declaration in the text
      -> UTF-8 with stray bytes -> the most plausible of the old encodings, Windows-1252 in doubt

A declaration does not outweigh valid UTF-8: programs convert a page and forget its header, while
text of an old encoding is valid UTF-8 only by an accident that needs every letter's help.
"""

import re
import unicodedata
from itertools import pairwise

import chardet

from index.errors import InvalidFileError

_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
_HEAD_BYTES = 4_096  # where a declaration stands; HTML says 1,024
_DECLARATION = re.compile(
    rb"<meta\b[^<>]{0,500}?\bcharset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{2,40})"
    rb"|\A\s{0,99}<\?xml\b[^<>]{0,200}?\bencoding\s{0,9}=\s{0,9}[\"']([\w.:-]{2,40})"
    rb"|\A@charset \"([\w.:-]{2,40})\""
    rb"|\A(?:[^\n]{0,400}\n)?[^\w\n]{1,10}[^\n]{0,200}?\bcoding[:=][ \t]{0,9}([\w.:-]{2,40})"
    rb"|\\usepackage\[([\w.:-]{2,40})\]\{inputenc\}",
    re.IGNORECASE,
)
# The old encodings that may be declared or found, under Python's names. Those of the same letters
# are read as the largest of them, as browsers do (encoding.spec.whatwg.org/#names-and-labels).
_ALIASES = {
    "latin1": "cp1252", "iso-8859-1": "cp1252", "ascii": "cp1252", "us-ascii": "cp1252",
    "ansi": "cp1252", "ansinew": "cp1252", "iso-8859-9": "cp1254", "applemac": "mac_roman",
    "macintosh": "mac_roman", "x-mac-roman": "mac_roman", "x-mac-cyrillic": "mac_cyrillic",
    "gb2312": "gb18030", "gbk": "gb18030", "gb_2312-80": "gb18030", "x-gbk": "gb18030",
    "big5": "big5hkscs", "big5-hkscs": "big5hkscs", "shift_jis": "cp932", "shift-jis": "cp932",
    "sjis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932", "ms932": "cp932",
    "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "windows-949": "cp949", "tis-620": "cp874",
    "iso-8859-11": "cp874", "windows-874": "cp874", "ibm866": "cp866", "ibm437": "cp437",
}  # fmt: skip
_NAMES = frozenset(
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp874 cp437 cp850 cp852 cp866 "  # noqa: SIM905
    "iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-10 iso8859-13 "
    "iso8859-14 iso8859-15 iso8859-16 koi8-r koi8-u mac_roman mac_cyrillic cp932 euc_jp "
    "iso2022_jp iso2022_kr gb18030 hz big5hkscs cp950 cp949 "
    "utf-8 utf-16 utf-16-le utf-16-be".split()
)
_FOUND = (  # noqa: SIM905
    "cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp874 koi8-r koi8-u cp866 cp437 cp850 "
    "mac-roman iso8859-2 iso8859-7 cp932 euc-jp gb18030 big5hkscs cp949"
).split()
_LATIN = "cp1252 cp1250 cp1254 cp1257 cp437 cp850 mac-roman iso8859-2".split()  # noqa: SIM905
_TWO_FOREIGN = re.compile(rb"[\x80-\xff]{2}")  # what texts of other scripts have in every word
_SAMPLE_BYTES = 4_096
_MAX_GUESSES = 8  # the detector gives the likeliest first
_COMMON = "cp1252"
_COMMON_WEIGHT = 2.5  # how much likelier the commonest encoding is than the detector thinks,
_ICELANDIC = re.compile(rb"[\xd0\xdd\xde\xf0\xfd\xfe]")  # but for letters of one of its languages
_SYMBOLS = {"So", "Sm", "Sc", "Sk", "No", "Pi"}  # never at the end of a word
_ESCAPES = re.compile(rb"\x1b(?:\$[@B]|\([BJI]|\$\)C)")
_CONTROLS = bytes({*range(9), *range(14, 27), 127})
_MAX_CONTROLS = 0.03  # share of such bytes in a text; in what is packed it is 0.1


def decode(name: str, data: bytes) -> str:
    """The characters of a text file; bytes that fit nowhere are U+FFFD.

    Args:
        name: of the file, for the message.
        data: its bytes.

    Raises:
        InvalidFileError: it is no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data:
        return _decode_wide(name, data)
    if len(data.translate(None, _CONTROLS)) < (1 - _MAX_CONTROLS) * len(data) - 1:
        raise InvalidFileError(f"{name!r} is binary: it is full of control characters")
    declared = _declared(data)
    escapes = len(set(_ESCAPES.findall(data[:_SAMPLE_BYTES]))) > 1
    if escapes or declared in ("iso2022_jp", "iso2022_kr", "hz"):  # ASCII alone, so valid UTF-8
        return data.decode(declared or "iso2022_jp", "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _decode_old(data, declared)


def decode_as(data: bytes, label: str | None) -> str:
    """Decodes what has a label from outside, such as a part of an e-mail; never fails."""
    encoding = _encoding(label) if label else None
    text = data.decode(encoding, "replace") if encoding else ""
    if text and "\ufffd" not in text:
        return text
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _decode_old(data, encoding)


def _declared(data: bytes) -> str | None:
    """The encoding that the text itself names, if it is one that a text can have."""
    found = _DECLARATION.search(data[:_HEAD_BYTES])
    if not found:
        return None
    return _encoding(next(label for label in found.groups() if label).decode("ascii", "replace"))


def _encoding(label: str) -> str | None:
    label = label.strip().lower()
    plain = label.replace("windows-", "cp").replace("iso-8859", "iso8859").replace("_", "-")
    for name in (_ALIASES.get(label), _ALIASES.get(label.replace("_", "-")), label, plain):
        if name and (name in _NAMES or name.replace("-", "_") in _NAMES):
            return name
    return None


def _decode_wide(name: str, data: bytes) -> str:
    """UTF-16 or UTF-32 without a mark: every second byte, or three of four, are zero, or nearly.

    What is no text comes out as characters that no text has, or of all scripts at once.
    """
    # Of plain text with a few zero bytes among its letters nothing can be said.
    is_plain = data.isascii() and len(data.translate(None, _CONTROLS)) > 0.8 * len(data)
    for encoding in () if is_plain else ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _is_of_one_script(text):
            return text
    offset = data.find(b"\0")
    raise InvalidFileError(f"{name!r} is binary: it has a NUL byte at offset {offset}")


def _is_of_one_script(text: str) -> bool:
    """Says whether a text is printable, and either ASCII for the most part or of few scripts."""
    sample = text[:_HEAD_BYTES]
    if not all(char.isprintable() or char.isspace() for char in sample):
        return False
    others = [unicodedata.name(char, "?").split()[0] for char in sample if char > "\x7f"]
    num_plain = len(sample) - len(others)
    rare = sum(others.count(script) == 1 for script in set(others))
    return num_plain > 0 and (num_plain >= len(others) or rare <= len(others) / 10)


def _decode_old(data: bytes, declared: str | None) -> str:
    """Text that is not UTF-8, or not all of it."""
    if declared and declared.startswith("utf"):
        declared = None  # a page that can be read to its declaration is no UTF-16
    text = data.decode("utf-8", "replace")
    num_stray = text.count("\ufffd")
    num_whole = sum(map(len, re.findall(r"[^\0-\x7f\ufffd]+", text)))
    if not declared and num_whole >= 2 * num_stray:
        return text
    return data.decode(declared or _detect(data), "replace")


def _detect(data: bytes) -> str:
    """The most plausible encoding, judged by the lines that are not ASCII."""
    sample = b"\n".join(line for line in data.splitlines() if not line.isascii())[:_SAMPLE_BYTES]
    known = _FOUND if _TWO_FOREIGN.search(sample) else _LATIN
    guesses = chardet.detect_all(sample, include_encodings=known, ignore_threshold=True)
    scores = {_COMMON: 0.0}
    for guess in guesses[:_MAX_GUESSES]:
        if guess["encoding"]:
            name = _encoding(guess["encoding"]) or guess["encoding"]
            scores[name] = guess["confidence"] / (1 + 10 * _oddness(sample, name)) ** 2
            if name == _COMMON and not _ICELANDIC.search(sample):
                scores[name] *= _COMMON_WEIGHT
    return max(scores, key=lambda name: scores[name])


def _oddness(sample: bytes, encoding: str) -> float:
    """How odd the letters look: a share of the characters that are not ASCII."""
    text = sample.decode(encoding, "replace")
    num_foreign = sum(char > "\x7f" for char in text)
    num_odd = sum(_is_odd(one, other) for one, other in pairwise(f" {text} "))
    return num_odd / max(1, num_foreign)


def _is_odd(one: str, other: str) -> bool:
    """Says whether two neighbours do not belong into one text: Geb³hr, Grц, GrŸe, a control."""
    if one.isascii() and other.isascii():
        return False
    foreign = other if one.isascii() else one
    if foreign == "\ufffd" or not (foreign.isprintable() or foreign.isspace()):
        return True
    if one.isalpha() and other.isalpha():
        return _are_odd_letters(one, other)
    if one.isalpha() and other.isascii():
        return other.isdigit() and unicodedata.name(one, "").startswith("LATIN")
    if one.isalpha():
        return unicodedata.category(other) in _SYMBOLS or other in "¿¡"
    return other.isalnum() and (one in "»…†‡‰" or "\u2500" <= one <= "\u259f")  # box drawing


def _are_odd_letters(one: str, other: str) -> bool:
    if one.islower() and other.isupper():
        return True
    scripts = {unicodedata.name(char, "?").split()[0] for char in (one, other)}
    return len(scripts) > 1 and "LATIN" in scripts and not scripts & _BESIDE_LATIN


_BESIDE_LATIN = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "FULLWIDTH", "HALFWIDTH"}
