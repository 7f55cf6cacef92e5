from email.message import EmailMessage

import pytest

from index.errors import InvalidFileError
from index.parsing.parse import parse


def message(subject, text):
    made = EmailMessage()
    made["Subject"] = subject
    made["From"] = "Ann Berg <ann@example.org>"
    made["To"] = "bo@example.org"
    made["Date"] = "Tue, 04 Mar 2025 10:00:00 +0100"
    made.set_content(text)
    return made


def texts(data):
    return [block.text for block in parse("a.eml", data).blocks]


def test_a_mail_tells_who_wrote_what_when_and_what_is_attached():
    mail = message("Größe – Angebot", "Hello Bo,\n\nthe pump costs 40 euros.\n\n> And the hose?\n")  # noqa: RUF001
    mail.add_alternative("<p>the pump costs <b>40</b> euros</p>", subtype="html")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Prüfung.pdf")
    document = parse("a.eml", mail.as_bytes())
    assert (document.title, document.date) == ("Größe – Angebot", "2025-03-04")  # noqa: RUF001
    assert texts(mail.as_bytes()) == [
        "From: Ann Berg <ann@example.org>", "To: bo@example.org",
        "Date: Tue, 04 Mar 2025 10:00:00 +0100", "Hello Bo,", "the pump costs 40 euros.",
        "And the hose?", "Attachment: Prüfung.pdf",
    ]  # fmt: skip


def test_a_mail_of_html_alone_is_read():
    mail = message("Rooms", "")
    mail.set_content("<table><tr><td>Hall<td>12</table>", subtype="html")
    assert texts(mail.as_bytes())[-1] == "Hall | 12"


def test_an_attached_mail_is_read_under_its_own_subject():
    mail = message("Fwd", "See below.")
    mail.add_attachment(message("Old", "The gate is green."))
    last = parse("a.eml", mail.as_bytes()).blocks[-1]
    assert (last.heading_path, last.text) == (("Old",), "The gate is green.")


def test_bytes_that_no_header_declares_are_guessed():
    data = "Subject: Gebühr\nFrom: a\nContent-Type: text/plain; charset=x-no\n\nZwölf für Öl."
    assert texts(data.encode("cp1252")) == ["From: a", "Zwölf für Öl."]
    assert parse("a.eml", data.encode("cp1252")).title == "Gebühr"


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: =?utf-8?B?!!!?=\nDate: yesterday\n\nx",
        b"Subject: x\nContent-Type: multipart/mixed\n\nno boundary",
        b"Subject: x\nContent-Type: message/rfc822\n\n" * 50 + b"x",
        b"From: x\nContent-Transfer-Encoding: base64\n\n====",
        b"Subject: " + b"(" * 50_000 + b"\n\nx",
    ],
)
def test_a_broken_mail_is_read_as_far_as_it_goes(data):
    assert parse("a.eml", data).blocks


def test_what_is_no_mail_is_refused():
    with pytest.raises(InvalidFileError, match="is not an e-mail"):
        parse("a.eml", b"Just words.\n")
