"""The secret of links, on both databases."""

from concurrent.futures import ThreadPoolExecutor


def test_there_is_one_secret_whoever_asks_first(catalog):
    with ThreadPoolExecutor(8) as pool:
        told = set(pool.map(lambda _: catalog.link_secret(), range(8)))
    assert len(told) == 1
    assert len(bytes.fromhex(told.pop())) == 32
