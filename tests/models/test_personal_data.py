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
