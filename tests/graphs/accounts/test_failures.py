from graphs.accounts.failures import Failures


def failures(now, per_min=3):
    return Failures(lambda: per_min, lambda: 60.0, lambda: now[0])


def test_the_wait_doubles_with_every_failure_beyond_the_bound():
    now = [0.0]
    guard = failures(now)
    waits = []
    for _ in range(12):
        guard.count("address:a")
        waits.append(guard.wait_s("address:a"))
    assert waits == [0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert guard.wait_s("address:b") == 0
    now[0] += 61
    assert guard.wait_s("address:a") == 0


def test_failures_fade_within_minutes():
    now = [0.0]
    guard = failures(now)
    for _ in range(50):
        guard.count("a")
        now[0] += 40
    assert guard.wait_s("a") == 0


def test_names_are_forgotten_where_they_are_too_many_and_no_bound_counts_nothing():
    guard = failures([0.0])
    for number in range(10_001):
        guard.count(str(number))
    assert len(guard._failing) == 10_000
    endless = failures([0.0], per_min=None)
    for _ in range(100):
        endless.count("a")
    assert endless.wait_s("a") == 0
