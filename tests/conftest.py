import pytest


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """For `pytest -n 2`: one worker has all tests with Ray clusters, the other goes by file."""
    items.sort(key=lambda item: not is_with_ray(item))  # they take longest, so they start first
    for item in items:
        group = "ray" if is_with_ray(item) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


def is_with_ray(item):
    return item.get_closest_marker("ray") is not None
