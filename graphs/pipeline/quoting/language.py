"""Whether a text is English, which is all that the bundled models know.

Told by function words, since questions are short and full of names: a text is foreign when it has
more function words of one other language than English ones. One of them alone may be a name or an
English word (`par value`), and proves nothing unless a letter comes with it that English has not.
"""

import re
import unicodedata
from collections.abc import Mapping

_WORD = re.compile(r"[^\W\d_]+")
_MAX_CHARS = 1000
_ENGLISH = frozenset(
    """a an and are at be by can cannot do does for from has have how i if in is it may must my not
    of on only or our shall should than that the their there these they this to until was were what
    when where which who whom whose why will with you your""".split()  # noqa: SIM905
)
# Function words of others that are words of English as well, or of names.
_SHARED = _ENGLISH | frozenset(
    """am as at come comment con den die for hat hay jest mag man me men met mi mu no op par pas per
    pro sin son ten till tot under van var war we""".split()  # noqa: SIM905
)
_FOREIGN: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "de": "aber als am auf aus bei bis das dass dem den der des die ein eine einem einen einer "
        "es für gibt hat ich im ist kann man mit muss müssen nach nicht oder sich sie sind "
        "und uhr viel viele vom von vor wann war was welche welchem welcher welches wer "
        "werden wie wieviel wird wo zu zum zur über darf dürfen kostet kosten lange ab "
        "zwischen wenn auch noch nur",
        "fr": "à au aux avec ce ces combien comment dans de des doit du elle en est et il ils la "
        "le les leur lors ne ni où ou par pas peut pour pourquoi qu quand que quel quelle "
        "quelles quels qui sa se ses son sont sur un une coûte faut cette aussi depuis entre "
        "jusqu",
        "es": "al cómo con cuál cuáles cuándo cuánta cuántas cuánto cuántos cuesta de debe del "
        "cual cuando cuanta cuantas cuanto cuantos donde "
        "dónde el en es está hasta hay la las lo los no o para pero por puede qué que quién "
        "se ser si sin su sus tiene un una y desde entre hace",
        "it": "a al alla anche che chi come con cosa costa da dal dalla dei del della delle di "
        "dove e è fino gli i il in la le lo nel nella non o per può quale quali quando quanta "
        "quante quanti quanto si sono su un una ora",
        "pt": "a ao aos as com como da das de do dos é em entre está até não na nas no nos o os "
        "onde para pela pelo pode por qual quais quando quanta quantas quanto quantos que "
        "quem se são sem um uma custa",
        "nl": "aan als bij de dan dat die deze een en er het hoe hoeveel ik in is je kan kost "
        "kunnen mag met moet naar niet of om op te tot uit van voor waar wanneer wat welk "
        "welke wie wordt zijn",
        "pl": "a czy dla do gdzie i ile jak jaka jaki jakie jest kiedy kosztuje kto który która "
        "które ma mnie może na nie o od po przez są się ten to w we z za że",
        "sv": "att av den det du en ett får för från han hur här i inte är kan kostar med men "
        "mycket många när och om på som till under var vad vem vilken vilket finns",
        "da": "af at den der det du en er et for fra hvad hvem hvilken hvor hvornår ikke jeg kan "
        "koster man med mange meget når og om på til får skal",
        "cs": "a co do jak je jaká jaké jaký kde kdo kdy kolik která které který má na ne o od po "
        "pro se si stojí ve v z za že",
        "tr": "bir bu da de en için ile kaç kadar kim mi mu nasil ne nedir nerede var ve ya zaman",
    }.items()
}


def is_foreign(text: str) -> bool:
    """Says whether a text is of another language than English; what tells nothing is English."""
    return tells_foreign(text) is True


def tells_foreign(text: str) -> bool | None:
    """Says whether a text is of another language than English; None where nothing tells."""
    words = [match.group().lower() for match in _WORD.finditer(text[:_MAX_CHARS])]
    letters = "".join(words)
    if 2 * sum(not _is_latin(letter) for letter in letters if ord(letter) > 0x24F) > len(letters):
        return True
    english = sum(word in _ENGLISH for word in words)
    counts = {name: sum(word in known for word in words) for name, known in _FOREIGN.items()}
    if any(
        counts[name] > english and _proves(known.intersection(words), letters)
        for name, known in _FOREIGN.items()
    ):
        return True
    return False if english > max(counts.values()) else None


def _proves(found: frozenset[str], letters: str) -> bool:
    """Says whether function words of one language prove it, beside the letters of a text."""
    return bool(found - _SHARED) and (len(found) > 1 or not letters.isascii())


def _is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("LATIN")
