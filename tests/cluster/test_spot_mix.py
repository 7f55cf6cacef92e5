"""How many machines of each kind are wanted, and what is done about it; against no real Ray."""

import pytest

from cluster import spot_mix
from cluster.drain import GcsUnreachableError
from cluster.spot_mix import Machines, Mix, MixSettings, Wanted, step


def settings(**changes):
    return MixSettings(**{"target": 4, "memory_s": 100.0, "settle_s": 50.0} | changes)


def spot(*numbers):
    return frozenset(map(str, numbers))


def test_what_spot_lacks_is_wanted_on_demand_until_it_is_ready():
    mix = Mix(settings(most_spare=0))
    assert mix.wanted(0, spot()) == Wanted(spot=4, on_demand=4)
    assert mix.wanted(10, spot(1, 2, 3, 4)) == Wanted(spot=4, on_demand=4)  # not yet settled
    assert mix.wanted(49, spot(1, 2, 3, 4)) == Wanted(spot=4, on_demand=4)
    assert mix.wanted(50, spot(1, 2, 3, 4)) == Wanted(spot=4, on_demand=0)
    assert mix.wanted(51, spot(1, 2)) == Wanted(spot=4, on_demand=2)


def test_while_spot_comes_and_goes_machines_on_demand_stay():
    mix = Mix(settings(most_spare=0))
    for now_s in range(0, 400, 40):  # a loss in every settle_s
        ready = spot(1, 2, 3, 4) if now_s % 80 else spot(1, 2, 3)
        wanted = mix.wanted(now_s, ready)
    assert wanted.on_demand == 1


def test_some_are_always_on_demand():
    mix = Mix(settings(least_on_demand=1))
    assert mix.wanted(0, spot(1, 2, 3)) == Wanted(spot=3, on_demand=1)
    assert mix.wanted(1, spot(1)) == Wanted(spot=4, on_demand=3)
    alone = Mix(settings(least_on_demand=4))
    assert alone.wanted(0, spot()) == Wanted(spot=0, on_demand=4)


def test_a_recent_loss_is_one_more_to_ask_for_and_is_forgotten():
    mix = Mix(settings(most_spare=2))
    assert mix.wanted(0, spot(1, 2, 3, 4)).spot == 4
    assert mix.wanted(1, spot(1, 2, 3)).spot == 5
    assert mix.wanted(2, spot(1, 2, 3, 5)).spot == 5  # a new one makes up for no loss
    assert mix.wanted(3, spot(5)).spot == 6  # of four lost ones two are reckoned with
    assert mix.wanted(200, spot(5)).spot == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": 0},
        {"least_on_demand": 5},
        {"least_on_demand": -1},
        {"most_spare": -1},
        {"settle_s": float("nan")},
        {"memory_s": float("inf")},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings(**wrong)


class Told:
    """A cluster that has these machines, and keeps what it was told."""

    def __init__(self, *machines):
        self._machines = list(machines)
        self.asked, self.gone = [], []

    def machines(self):
        return self._machines.pop(0)

    def ask(self, wanted):
        self.asked.append(wanted)

    def let_go(self, node_id):
        self.gone.append(node_id)


def machines(spot, on_demand):
    return Machines(spot=tuple(spot), on_demand=tuple(on_demand))


def test_it_asks_when_something_has_changed_and_lets_the_newest_go_one_at_a_time():
    cluster = Told(
        machines("", ""), machines("ab", "xy"), machines("ab", "xy"), machines("ab", "x")
    )
    mix = Mix(settings(target=2, most_spare=0))
    asked = step(cluster, mix, None, 0)
    asked = step(cluster, mix, asked, 10)
    assert (cluster.asked, cluster.gone) == ([Wanted(spot=2, on_demand=2)], [])
    asked = step(cluster, mix, asked, 60)
    asked = step(cluster, mix, asked, 61)
    assert cluster.asked == [Wanted(spot=2, on_demand=2), Wanted(spot=2, on_demand=0)]
    assert cluster.gone == ["y", "x"]


def test_a_ray_that_does_not_answer_is_waited_for(monkeypatch):
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    class Gone(Told):
        def machines(self):
            if len(waits) == 1:
                raise GcsUnreachableError("no GCS")
            return machines("ab", "")

    cluster = Gone()
    monkeypatch.setattr(spot_mix.time, "sleep", wait)
    with pytest.raises(KeyboardInterrupt):
        spot_mix.keep(cluster, Mix(settings(target=2)), poll_s=1.0)
    assert len(cluster.asked) == 2  # asked anew: a head that was replaced knows nothing of it


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--shape", "GPU"], "NAME=NUMBER"),
        (["--shape", "GPU=0"], "above 0"),
        (["--shape", "GPU=1", "--target", "0"], "target must be at least 1"),
        (["--shape", "GPU=1", "--poll-s", "0"], "--poll-s must be above 0"),
        ([], "--shape"),
    ],
)
def test_wrong_arguments_are_told(arguments, told, capsys):
    with pytest.raises(SystemExit) as ended:
        spot_mix.main(["--address", "127.0.0.1:1", *arguments])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_where_no_ray_is_it_ends_at_once(caplog):
    assert spot_mix.main(["--address", "127.0.0.1:1", "--shape", "GPU=1"]) == 1
    assert "no GCS at 127.0.0.1:1" in caplog.text
