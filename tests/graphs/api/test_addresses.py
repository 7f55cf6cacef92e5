import pytest

from graphs.api.border.addresses import client_address, comes_from_proxy
from graphs.config import HttpSettings

LOCAL = ("127.0.0.0/8", "::1/128")


def scope(peer, *forwarded):
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    return {"type": "http", "client": peer and (peer, 1), "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("203.0.113.9", (), LOCAL, "203.0.113.9"),
        ("203.0.113.9", ("1.1.1.1",), LOCAL, "203.0.113.9"),  # nobody we know says so
        ("127.0.0.1", ("203.0.113.9",), LOCAL, "203.0.113.9"),
        ("127.0.0.1", ("6.6.6.6, 203.0.113.9",), LOCAL, "203.0.113.9"),  # forged before it
        ("10.0.0.1", ("6.6.6.6, 203.0.113.9, 10.0.0.2",), ("10.0.0.0/8",), "203.0.113.9"),
        ("10.0.0.1", ("6.6.6.6, 203.0.113.9", "10.0.0.2"), ("10.0.0.0/8",), "203.0.113.9"),
        ("127.0.0.1", ("203.0.113.9, nonsense",), LOCAL, "127.0.0.1"),
        ("127.0.0.1", ("nonsense, ::1",), LOCAL, "::1"),
        ("::ffff:127.0.0.1", ("2001:db8::1",), LOCAL, "2001:db8::1"),
        ("127.0.0.1", (), (), "127.0.0.1"),
        (None, ("1.1.1.1",), LOCAL, ""),
        ("testclient", (), LOCAL, ""),
    ],
)
def test_the_last_stranger_is_the_client(peer, forwarded, trusted, address):
    assert client_address(scope(peer, *forwarded), trusted) == address


def test_only_named_proxies_are_believed():
    assert comes_from_proxy(scope("127.0.0.1"), LOCAL)
    assert not comes_from_proxy(scope("10.0.0.1"), LOCAL)
    with pytest.raises(ValueError, match=r"'10.0.0.300' does not appear"):
        HttpSettings(trusted_proxies=("10.0.0.300",))
