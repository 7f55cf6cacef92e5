"""Which days and months a text tells of."""

import pytest

from graphs.pipeline.quoting.calendar import is_of_another_day


@pytest.mark.parametrize(
    ("asked", "told", "is_other"),
    [
        ("When is it open on Fridays?", "Open on Wednesdays and on Saturdays.", True),
        ("When is it open on Tuesday?", "Monday to Friday from 9:00.", False),
        ("When is it open on Sunday?", "Mon-Fri 9:00 to 17:00", True),
        ("When is it open on Sunday?", "Fri - Mon 9:00 to 17:00", False),
        ("When is it open on Sunday?", "Open daily from 9:00.", False),
        ("What is forbidden in June?", "Fires are forbidden from April to September.", False),
        ("What is forbidden in March?", "Fires are forbidden from April to September.", True),
        ("What does it cost?", "On Mondays 3 euros.", False),
        ("What does it cost on Mondays?", "A ticket is 3 euros.", False),
    ],
)
def test_a_text_about_other_days_or_months_is_known(asked, told, is_other):
    assert is_of_another_day(asked, told) is is_other
