"""Greetings, thanks and goodbyes: messages that ask nothing, so nothing is searched for.

"Thanks a lot!"            a whole message of such words -> a fixed reply
"Hi, when do you open?"    anything beside them          -> a question
"👍", "..."                no letter, no digit           -> a fixed reply

The words are those of several languages; a message that uses others is taken for a question.
"""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_STRETCHED = re.compile(r"(\w)\1{2,}")  # hiii, thanksss
_MAX_WORDS, _MAX_CHARS = 10, 200
_MAX_PHRASE = 4  # words

_THANKS = "You're welcome."
_GOODBYE = "Goodbye."
_GREETING = "Hello. What would you like to know?"
_NOTED = "All right. Is there anything else?"

# Of a message with several of them, the first reply counts.
_PHRASES = {
    _THANKS: """
        thanks, thank you, thank u, thankyou, thx, thnx, tnx, ty, tysm, cheers, much appreciated,
        appreciate it, i appreciate it, many thanks, danke, danke schön, dankeschön, vielen dank,
        besten dank, herzlichen dank, merci, merci beaucoup, gracias, muchas gracias, mil gracias,
        grazie, grazie mille, obrigado, obrigada, muito obrigado, bedankt, dank je, dank u, dank
        je wel, tack så mycket, tusen takk, takk, tak, mange tak, kiitos, dziękuję, dzięki,
        děkuji, díky, köszönöm, mulțumesc, hvala, ευχαριστώ, спасибо, большое спасибо, дякую,
        teşekkürler, teşekkür ederim, sağol, شكرا, شكرًا, תודה, धन्यवाद, 谢谢, 謝謝, 多谢, 谢谢你,
        ありがとう, ありがとうございます, 감사합니다, 고마워, ขอบคุณ, cảm ơn, terima kasih, asante
    """,
    _GOODBYE: """
        bye, bye bye, byebye, goodbye, good bye, good night, goodnight, see you, see ya, see you
        later, see you soon, see you tomorrow, take care, have a nice day, have a good day, have a
        great day, have a good one, cya, ciao, tschüss, tschüs, auf wiedersehen, bis bald, gute
        nacht, au revoir, adieu, à bientôt, bonne nuit, bonne journée, adiós, adios, hasta luego,
        buenas noches, arrivederci, tchau, até logo, tot ziens, doei, hej då, ha det, farvel, do
        widzenia, cześć, пока, до свидания, 再见, 拜拜, さようなら, 안녕히 계세요, hoşça kal
    """,
    _GREETING: """
        hi, hello, hey, hiya, howdy, yo, greetings, good morning, good afternoon, good evening,
        good day, how are you, how are you doing, how are you today, how do you do, what's up,
        whats up, sup, nice to meet you, hallo, guten tag, guten morgen, guten abend, moin,
        servus, grüezi, grüß gott, bonjour, bonsoir, salut, coucou, hola, buenos días, buenos
        dias, buenas tardes, buongiorno, buonasera, olá, bom dia, boa tarde, boa noite,
        goedemorgen, goedendag, goedemiddag, goedenavond, hej, hei, hallå, god morgen, god morgon,
        god dag, moi, dzień dobry, dobrý den, ahoj, szia, bună, zdravo, γεια, γεια σας, привет,
        здравствуйте, добрый день, привіт, merhaba, selam, مرحبا, السلام عليكم, שלום, नमस्ते, 你好,
        您好, こんにちは, おはよう, 안녕, 안녕하세요, สวัสดี, xin chào, selamat pagi, jambo
    """,
    _NOTED: """
        ok, okay, okey, okie, k, kk, alright, all right, right, fine, good, great, cool, nice,
        perfect, excellent, awesome, wonderful, brilliant, lovely, super, got it, i got it, i see,
        i understand, understood, makes sense, sounds good, sure, noted, well done, good job, good
        bot, great job, no problem, np, never mind, nevermind, that's all, thats all, that is all,
        that's it, lol, haha, hahaha, wow, that helps, that helped, very helpful, helpful, gut,
        alles klar, in ordnung, prima, verstanden, d'accord, ça marche, parfait, compris, vale, de
        acuerdo, perfecto, entendido, va bene, d'accordo, capito, perfetto, tudo bem, entendi,
        begrepen, fint, dobrze, хорошо, понятно, ладно, tamam, حسنا, 好的, 好, 明白了,
        わかりました, 了解, 네, 알겠습니다
    """,
}
_FILLERS = """
    so, very, very much, much, a lot, lots, a ton, again, there, all, everyone, everybody, folks,
    guys, team, bot, assistant, friend, my friend, dear, sir, madam, and, oh, ah, well, then, now,
    really, too, for that, for this, for it, for the help, for your help, for all your help, for
    helping, for the info, for the information, for the answer, for your time, for the quick
    answer, that was helpful, that is helpful, that's helpful, that's great, that's good, that's
    perfect, that's fine, it is, you, indeed, no, nope, yes, yeah, yep, please, nothing else, i'm
    good, i am good, for now, for today, schön, sehr, auch, viel, mal, für die hilfe, für deine
    hilfe, beaucoup, à tous, mucho, a todos, tutti, zusammen, im voraus, in advance, guy, man,
    buddy, mate
"""


def _words(text: str) -> tuple[str, ...]:
    normal = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return tuple(_WORD.findall(_STRETCHED.sub(r"\1", normal)))


def _split(phrases: str) -> list[tuple[str, ...]]:
    return [_words(phrase) for phrase in phrases.split(",")]


_REPLIES = {phrase: reply for reply, listed in _PHRASES.items() for phrase in _split(listed)}
_RANKS = list(_PHRASES)
_IDLE = frozenset(_split(_FILLERS))


def small_talk(message: str) -> str | None:
    """Gives the reply to a message that is nothing but small talk; None for any other.

    Args:
        message: of a user, of any length.
    """
    words = () if len(message) > _MAX_CHARS else _words(message)
    if not words:
        return _NOTED if message.strip() and len(message) <= _MAX_CHARS else None
    replies = _replies(words) if len(words) <= _MAX_WORDS else []
    reply = min(replies, key=_RANKS.index, default=None)
    return None if reply == _NOTED and "?" in message else reply  # "sure?" asks


def _replies(words: tuple[str, ...]) -> list[str]:
    """Gives the reply of each phrase, longest phrases first; none when a word is left over."""
    found: list[str] = []
    while words:
        pieces = [words[:size] for size in range(min(_MAX_PHRASE, len(words)), 0, -1)]
        piece = next((one for one in pieces if one in _REPLIES or one in _IDLE), None)
        if piece is None:
            return []
        found += [_REPLIES[piece]] if piece in _REPLIES else []
        words = words[len(piece) :]
    return found
