import pytest

from models.personal_data import blot_personal_data, find_personal_data


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to jane.doe@acme-corp.io today", ("email",)),
        ("card 4111 1111 1111 1111 please", ("payment_card",)),
        ("card 4111 1111 1111 1112 please", ()),
        ("IBAN DE89 3704 0044 0532 0130 00", ("iban",)),
        ("IBAN DE88 3704 0044 0532 0130 00", ()),
        ("years 2019 2020 2021 2022 2023 2024 2025", ()),
        ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", ()),
        ("my number is 536-90-4399", ("us_ssn",)),
        ("order 000-12-3456", ()),
        ("user@example.com is an example", ()),
        ("0000 0000 0000 0000", ()),
        ("commit 4f3a9b on 2026-01-31, build 1234567890", ()),
        ("", ()),
    ],
)
def test_personal_data_is_named_and_look_alikes_are_not(text, kinds):
    assert find_personal_data(text) == kinds


@pytest.mark.parametrize(
    ("text", "blotted"),
    [
        ("write to jane.doe@acme-corp.io today", "write to [email] today"),
        ("card 4111 1111 1111 1111 please", "card [payment_card] please"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [iban]"),
        ("my number is 536-90-4399", "my number is [us_ssn]"),
        (
            "user@example.com, card 4111 1111 1111 1112",
            "user@example.com, card 4111 1111 1111 1112",
        ),
        ("", ""),
    ],
)
def test_personal_data_is_blotted_out_and_look_alikes_are_not(text, blotted):
    assert blot_personal_data(text) == blotted
    assert find_personal_data(blotted) == ()


@pytest.mark.parametrize(
    ("text", "blotted"),
    [
        ("4111 1111 1111 1111 12/27", "[payment_card] 12/27"),
        ("4111 1111 1111 1111 123", "[payment_card] 123"),
        ("4111111111111111 12/27", "[payment_card] 12/27"),
        ("3782 822463 10005 1234", "[payment_card] 1234"),
        ("order 12 4111 1111 1111 1111", "order 12 [payment_card]"),
        ("4111 1111 1111 1111 5500 0000 0000 0004", "[payment_card] [payment_card]"),
        ("AT61 1904 3002 3457 3201 BIC BKAUATWW", "[iban] BIC BKAUATWW"),
        ("ES91 2100 0418 4502 0005 1332 EUR 500", "[iban] EUR 500"),
        ("NO93 8601 1117 947 or NL91 ABNA 0417 1643 00", "[iban] or [iban]"),
        ("de89370400440532013000", "[iban]"),
        ("de89 3704 0044 0532 0130 00 is mine", "[iban] is mine"),
    ],
)
def test_what_follows_a_number_in_a_sentence_hides_it_not(text, blotted):
    assert blot_personal_data(text) == blotted
    assert find_personal_data(text) == (blotted[blotted.index("[") + 1 : blotted.index("]")],)
