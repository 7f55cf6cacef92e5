"""Finds personal data by rules: what a classifier is poor at and a checksum is good at."""

import re
from collections.abc import Iterator

Span = tuple[int, int]

_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b")
# Cards of 19 to 13 digits, longest first: what follows a number in a sentence is tried as well.
_CARD_START = re.compile(r"(?<![\d-])(?=\d(?:[ -]?\d){12})")
_CARDS = [re.compile(rf"\d(?:[ -]?\d){{{digits - 1}}}(?![\d-])") for digits in range(19, 12, -1)]
# How cards are written and begin, which rows of numbers do not.
_CARD_GROUPS = re.compile(r"(?:[3-6]|2[2-7])\d{2,}(?:[ -]\d{3,})*")
_IBAN_START = re.compile(r"\b([A-Z]{2})\d\d", re.ASCII | re.IGNORECASE)
_US_SSN = re.compile(r"\b(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}\b")
# Names that RFC 2606 and RFC 6761 reserve for examples belong to nobody.
_RESERVED = re.compile(r"@(?:[\w-]+\.)*(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$")
# Characters of the IBANs of each country (SWIFT's registry).
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
        26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_KINDS = ("email", "payment_card", "iban", "us_ssn")


def find_personal_data(text: str) -> tuple[str, ...]:
    """Names the kinds of personal data in a text, each once.

    Returns:
        Of `email`, `payment_card` (Luhn, ISO/IEC 7812-1), `iban` (mod 97, ISO 13616) and `us_ssn`.
    """
    _, found = _blotted(text)
    return tuple(kind for kind in _KINDS if kind in found)


def blot_personal_data(text: str) -> str:
    """Gives the text with the name of its kind in the place of each thing that is found."""
    return _blotted(text)[0]


def _blotted(text: str) -> tuple[str, set[str]]:
    """Gives the text without personal data, and the kinds that were in it."""
    found = set()
    finders = {"email": _emails, "iban": _ibans, "payment_card": _cards, "us_ssn": _us_ssns}
    for kind, finder in finders.items():
        parts, after = [], 0
        for start, end in finder(text):
            parts += [text[after:start], f"[{kind}]"]
            after = end
            found.add(kind)
        text = "".join([*parts, text[after:]])
    return text, found


def _emails(text: str) -> Iterator[Span]:
    return (match.span() for match in _EMAIL.finditer(text) if not _RESERVED.search(match[0]))


def _us_ssns(text: str) -> Iterator[Span]:
    return (match.span() for match in _US_SSN.finditer(text))


def _ibans(text: str) -> Iterator[Span]:
    after = 0
    for start in _IBAN_START.finditer(text):
        length = _IBAN_LENGTHS.get(start[1].upper())
        if length is None or start.start() < after:
            continue
        groups, rest = divmod(length - 4, 4)
        last = rf"(?: ?[A-Z0-9]{{{rest}}})" if rest else ""
        whole = re.compile(rf"(?: ?[A-Z0-9]{{4}}){{{groups}}}{last}\b", re.ASCII | re.IGNORECASE)
        match = whole.match(text, start.end())
        if match and _passes_mod_97(text[start.start() : match.end()]):
            after = match.end()
            yield start.start(), after


def _cards(text: str) -> Iterator[Span]:
    after = tried = 0
    for start in _CARD_START.finditer(text):
        at = start.start()
        fits = [match for card in _CARDS if (match := card.match(text, at))]
        if at < after or not fits:
            continue
        # All digits that stand together may be spaced in any way; parts of them only as cards are.
        whole = fits[0] if at >= tried else None
        tried = max(tried, fits[0].end())
        for match in fits:
            is_written_so = match is whole or _CARD_GROUPS.fullmatch(match[0])
            if is_written_so and _passes_luhn(match[0]):
                after = match.end()
                yield at, after
                break


def _passes_luhn(number: str) -> bool:
    digits = [int(char) for char in number if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _passes_mod_97(iban: str) -> bool:
    compact = iban.replace(" ", "")
    rearranged = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1
