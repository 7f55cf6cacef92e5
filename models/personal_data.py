"""Finds personal data by rules: what a classifier is poor at and a checksum is good at."""

import re

_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b")
_CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_US_SSN = re.compile(r"\b(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}\b")
# Names that RFC 2606 and RFC 6761 reserve for examples belong to nobody.
_RESERVED = re.compile(r"@(?:[\w-]+\.)*(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$")


def find_personal_data(text: str) -> tuple[str, ...]:
    """Names the kinds of personal data in a text, each once.

    Returns:
        Of `email`, `payment_card` (Luhn, ISO/IEC 7812-1), `iban` (mod 97, ISO 13616) and `us_ssn`.
    """
    found = []
    if any(not _RESERVED.search(match.group()) for match in _EMAIL.finditer(text)):
        found.append("email")
    if any(_passes_luhn(match.group()) for match in _CARD.finditer(text)):
        found.append("payment_card")
    if any(_passes_mod_97(match.group()) for match in _IBAN.finditer(text)):
        found.append("iban")
    if _US_SSN.search(text):
        found.append("us_ssn")
    return tuple(found)


def blot_personal_data(text: str) -> str:
    """Gives the text with the name of its kind in the place of each thing that is found."""
    text = _EMAIL.sub(lambda m: m[0] if _RESERVED.search(m[0]) else "[email]", text)
    text = _IBAN.sub(lambda m: "[iban]" if _passes_mod_97(m[0]) else m[0], text)
    text = _CARD.sub(lambda m: "[payment_card]" if _passes_luhn(m[0]) else m[0], text)
    return _US_SSN.sub("[us_ssn]", text)


def _passes_luhn(number: str) -> bool:
    digits = [int(char) for char in number if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _passes_mod_97(iban: str) -> bool:
    compact = iban.replace(" ", "")
    rearranged = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1
