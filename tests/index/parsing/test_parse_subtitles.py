import pytest

from index.errors import InvalidFileError
from index.parsing.parse import parse


def placed(name, text):
    return [(block.heading_path, block.text) for block in parse(name, text.encode()).blocks]


def test_cues_of_subrip_are_prose_under_their_time():
    text = (
        "1\n00:00:01,000 --> 00:00:03,500\nHello and <i>welcome</i>\nto the pump.\n\n"
        "2\n00:00:04,000 --> 00:00:05,000\n{\\an8}We start.\n\n"
        "3\n01:02:03,000 --> 01:02:04,000\nThe end.\n"
    ).replace("\n", "\r\n")
    assert placed("a.srt", text) == [
        (("00:00:01",), "Hello and welcome to the pump. We start."),
        (("01:02:03",), "The end."),
    ]


def test_cues_of_webvtt_have_speakers_and_scroll():
    text = (
        "WEBVTT\n\nNOTE not said\n\nSTYLE\n::cue {}\n\nname\n00:01.000 --> 00:03.000 align:start\n"
        "<v Ann>Good <c.x>day</c> &amp; all\n\n00:03.000 --> 00:05.000\nfirst\n\n"
        "00:05.000 --> 00:06.000\nfirst\nsecond\n"
    )
    assert placed("a.vtt", text) == [(("00:00:01",), "Ann: Good day & all first second")]


def test_a_file_without_cues_is_refused():
    with pytest.raises(InvalidFileError, match="has no subtitles"):
        parse("a.srt", b"Words.")
