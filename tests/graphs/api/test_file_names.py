import base64
from urllib.parse import quote

import pytest

from graphs.api.corpus.file_names import name_of_upload
from graphs.api.errors import BadRequestError


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("会議\u3000最終.txt", "会議 最終.txt"),
        ("Shot at 9.41\u202fAM.txt", "Shot at 9.41 AM.txt"),
        ("a\u00a0b.txt", "a b.txt"),
        ("کتاب\u200cها.txt", "کتاب\u200cها.txt"),  # noqa: RUF001
        ("report\u200f.txt\u200e", "report.txt"),
        ("invoice\u202etxt.exe", "invoicetxt.exe"),
        ("👩\u200d🚀 plan.txt", "👩\u200d🚀 plan.txt"),
        ("a%22b.txt", 'a"b.txt'),
        ("C:\\docs\\a.txt", "a.txt"),
        ("dir/a;b.txt", "a;b.txt"),
        ("100% sure.txt", "100% sure.txt"),
        ("=?not a word.txt", "=?not a word.txt"),
    ],
)
def test_a_name_stays_readable(given, name):
    assert name_of_upload(given, "") == name


@pytest.mark.parametrize("with_extended", [True, False])
def test_both_names_that_dotnet_sends_are_read(with_extended):
    word = f"=?utf-8?B?{base64.b64encode('表/計画.txt'.encode()).decode()}?="
    extended = f"; filename*=utf-8''{quote('計画.txt')}" if with_extended else ""
    disposition = f'form-data; name="file"; filename="{word}"{extended}'
    assert name_of_upload(word, disposition) == "計画.txt"


@pytest.mark.parametrize("extended", ["nope''%41.txt", "utf-8''%ff.txt", "hex''%41"])
def test_an_extended_name_that_is_broken_is_left_alone(extended):
    assert name_of_upload("a.txt", f"form-data; filename*={extended}") == "a.txt"


@pytest.mark.parametrize("given", [None, "", "  ", "dir/", "a\nb.txt", "a\0.txt", "\u200b\u202e"])
def test_a_name_that_cannot_be_shown_is_refused(given):
    with pytest.raises(BadRequestError, match="must have a printable name"):
        name_of_upload(given, "")
