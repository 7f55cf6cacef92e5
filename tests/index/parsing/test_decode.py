import os

import pytest

from index.errors import InvalidFileError
from index.parsing.decode import decode, decode_as
from index.parsing.parse import parse

TEXTS = [
    ("cp1252", "Die Kaution beträgt zwölf Euro."),
    ("cp1252", "Größe"),
    ("cp1252", "L\u2019été coûte 8 \u20ac \u2013 réduit"),
    ("cp1252", "5 µm ±2°"),
    ("mac_roman", "Öffnungszeiten für Gäste"),
    ("cp1250", "Zaplaťte dvě stě korun, příští týden"),
    ("cp1251", "Вход стоит пять евро."),
    ("koi8-r", "Вход стоит пять евро."),
    ("cp866", "Перед включением проверьте давление насоса."),
    ("cp1253", "Η είσοδος κοστίζει πέντε ευρώ."),  # noqa: RUF001
    ("cp1254", "Giriş ücreti beş avro, her gün açık."),  # noqa: RUF001
    ("cp1255", "הכניסה עולה חמישה יורו."),
    ("cp874", "เปิดทุกวันตั้งแต่แปดโมงเช้า"),
    ("cp932", "営業時間は午前九時からです。"),
    ("euc_jp", "営業時間は午前九時からです。"),
    ("iso2022_jp", "営業時間は午前九時からです。"),
    ("gb18030", "编号,名称\n一,水泵\n"),
    ("big5", "圖書館上午九點開放。"),
    ("cp949", "도서관은 아홉 시에 엽니다."),
    ("utf-16", "Über 12"),
    ("utf-16-le", "Über 12"),
    ("utf-16-be", "Касса номер 12, этаж 2"),  # noqa: RUF001
    ("utf-16-le", "会议 12:00\n地点 A"),
    ("utf-32", "Über 12"),
    ("utf-32-le", "Über 12"),
]


@pytest.mark.parametrize(("encoding", "text"), TEXTS)
def test_short_texts_of_old_encodings_are_read(encoding, text):
    assert decode("a.txt", text.encode(encoding)).removeprefix("\ufeff") == text


@pytest.mark.parametrize(
    ("encoding", "name", "text"),
    [
        ("cp1251", "a.html", "<meta charset=windows-1251><p>ёж"),
        (
            "iso8859-2",
            "a.html",
            '<meta http-equiv=x content="text/html; charset=iso-8859-2"><p>łoś',
        ),
        ("shift_jis", "a.xml", "<?xml version='1.0' encoding='Shift_JIS'?><a>会議</a>"),
        ("cp1252", "a.py", "#!/bin/python\n# -*- coding: latin-1 -*-\nx = 'Ö'"),
        ("koi8-r", "a.css", '@charset "koi8-r"; a {content: "да"}'),
        ("cp1250", "a.tex", "\\usepackage[cp1250]{inputenc} ěšč"),
    ],
)
def test_a_text_may_declare_its_encoding(encoding, name, text):
    assert decode(name, text.encode(encoding)) == text


@pytest.mark.parametrize("label", ["idna", "unicode_escape", "hex", "utf-7", "x" * 40, "utf-16"])
def test_a_declaration_that_no_page_can_mean_is_ignored(label):
    assert "für" in decode("a.html", f"<meta charset={label}><p>für".encode("cp1252"))
    assert "für" in decode("a.html", f"<meta charset={label}><p>für".encode())


def test_valid_utf_8_outweighs_what_a_page_declares():
    assert decode("a.html", "<meta charset=iso-8859-1><p>für".encode()).endswith("für")


def test_stray_bytes_in_utf_8_spoil_no_other_letter():
    text = decode("a.txt", "Größe, für, Öl. ".encode() + b"\xfc End" + "ü".encode()[:1])
    assert text == "Größe, für, Öl. \ufffd End\ufffd"


@pytest.mark.parametrize(
    "data", [b"text\0text", b"\0\0\1\2\0", os.urandom(4096) + b"\0", bytes(range(1, 32)) * 9]
)
def test_what_is_binary_is_refused(data):
    with pytest.raises(InvalidFileError, match="is binary"):
        decode("a.txt", data)


def test_what_others_declare_is_tried_before_guessing():
    assert decode_as("Größe".encode("cp850"), "cp850") == "Größe"
    assert decode_as("Größe".encode(), "cp1252x") == "Größe"
    assert decode_as("Größe".encode("cp1252"), None) == "Größe"
    assert decode_as("größte Höhe".encode("cp1252"), "utf-8") == "größte Höhe"


def test_what_separates_words_is_no_letter_and_never_vanishes():
    text = "a\x0bb\x1cc\x1fd\x85e\u2028f\u00a0g\u3000h soft\u00adware"
    for name, data in (("a.md", text), ("a.html", text), ("a.json", f'["{text}"]')):
        assert parse(name, data.encode()).text == "a b c d e f g h software"
    lines = parse("a.txt", "One fact.\u2028Two facts.\x85Three facts.".encode()).blocks
    assert [block.text for block in lines] == ["One fact.", "Two facts.", "Three facts."]
    assert parse("a.log", b"\x1b[31mERROR\x1b[0m disk\x0bfull").text == "ERROR disk\nfull"
