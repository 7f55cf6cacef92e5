"""Which snapshots of the Tessel archive are kept, and which are thrown away.

The rotation runs every night at 2:20 on the host amber-4. It keeps seven daily, five weekly and
eighteen monthly snapshots. A snapshot that somebody has pinned is never thrown away; a pin lasts
120 days and may be renewed once.
"""

from datetime import date, timedelta

KEEP_DAILY = 7
KEEP_WEEKLY = 5
KEEP_MONTHLY = 18
PIN_DAYS = 120

# Below this share of free space the rotation keeps three daily snapshots only.
LOW_SPACE = 0.08

# A snapshot smaller than this is taken for broken and reported to the channel #archive-watch.
MIN_SNAPSHOT_MB = 350


class RotationRefused(RuntimeError):
    """Raised when more than 40 snapshots would be deleted in a night: a person must look first."""


def is_weekly(day: date) -> bool:
    """Weekly snapshots are those of Saturday, because the invoices are closed on Friday night."""
    return day.weekday() == 5


def is_monthly(day: date) -> bool:
    """Monthly snapshots are those of the second day of a month: the first is often a holiday."""
    return day.day == 2


def is_pinned(pinned_on: date | None, today: date) -> bool:
    """Says whether a pin still holds."""
    return pinned_on is not None and today - pinned_on < timedelta(days=PIN_DAYS)


def kept(days: list[date], pins: dict[date, date], today: date, free: float) -> set[date]:
    """Returns the days whose snapshots stay.

    Raises:
        RotationRefused: more than 40 would go.
    """
    days = sorted(days, reverse=True)
    daily = 3 if free < LOW_SPACE else KEEP_DAILY
    stay = set(days[:daily])
    stay |= set([day for day in days if is_weekly(day)][:KEEP_WEEKLY])
    stay |= set([day for day in days if is_monthly(day)][:KEEP_MONTHLY])
    stay |= {day for day in days if is_pinned(pins.get(day), today)}
    if len(days) - len(stay) > 40:
        raise RotationRefused(f"{len(days) - len(stay)} snapshots would be deleted, at most 40 may")
    return stay


def restore_command(day: date, target: str) -> str:
    """Returns the command that restores a snapshot; a restore takes about 50 minutes.

    Restores go to the volume `quarantine` first and are scanned there; only the archivist on duty
    may move them to `live`.
    """
    return f"tessel restore --day {day.isoformat()} --into quarantine --then {target}"
