"""Values of workbooks as their formats show them."""

from datetime import date, datetime, time, timedelta

import pytest

from index.parsing.office.number_format import as_shown


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.075, "0.0%", "7.5%"),
        (0.5, "0%", "50%"),
        (0.125, '0.0" %"', "0.1 %"),
        (1234.5, '#,##0.00 "EUR"', "1,234.50 EUR"),
        (1234.5, "#,##0.00\\ [$€-407]", "1,234.50 €"),
        (1234567, "#,##0", "1,234,567"),
        (999, "#,##0", "999"),
        (-1234.5, '_-* #,##0.00\\ "€"_-;-* #,##0.00\\ "€"_-', "-1,234.50 €"),
        (-5, "$#,##0.00", "-$5.00"),
        (-5, '"$"#,##0_);("$"#,##0)', "($5)"),
        (-5, "0.00;[Red]-0.00", "-5.00"),
        (417, "00000", "00417"),
        (5551234567, "(000) 000-0000", "(555) 123-4567"),
        (123456789, "000-00-0000", "123-45-6789"),
        (42, '"No. "0000', "No. 0042"),
        (2.5, "0", "3"),
        (0.1 + 0.2, "General", "0.3"),
        (0.1 + 0.2, "0.##", "0.3"),
        (12200000, '0.0,,"M"', "12.2M"),
        (12345, "0.00E+00", "1.23E+04"),
        (0.00012, "0.0E+00", "1.2E-04"),
        (1.5, "# ?/?", "1 1/2"),
        (0.375, "# ?/8", "3/8"),
        (2, "# ?/?", "2"),
        (3, '0 "kg"', "3 kg"),
        (3, "General\\ \\k\\g", "3 kg"),
        (0, '0;-0;"none"', "none"),
        (0, "0;-0;;@", ""),
        (7, ";;;", "7"),
        (120, '[>=100]0" many";0" few"', "120 many"),
        (7, '[>=100]0" many";0" few"', "7 few"),
        (1e22, "0", "10000000000000000000000"),
        (7, "@", "7"),
        (float("inf"), "0", "inf"),
        (True, "0", "TRUE"),
        ("#N/A", "0.0%", "#N/A"),
        ("00417", "General", "00417"),
        (None, "0", ""),
        (0.4, ".00", ".40"),
        (-0.001, "0.0", "0.0"),
        (5, "0.0?", "5.0"),
    ],
)
def test_a_number_is_written_as_its_format_shows_it(value, code, shown):
    assert as_shown(value, code) == shown


MOMENT = datetime(2026, 1, 2, 15, 4, 5)


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (timedelta(hours=30, minutes=15), "[h]:mm", "30:15"),
        (timedelta(minutes=90, seconds=5), "[mm]:ss", "90:05"),
        (timedelta(hours=30), "[h]:mm:ss;@", "30:00:00"),
        (timedelta(hours=-2), '[h]:mm" h"', "-2:00 h"),
        (timedelta(hours=2), "General", "2:00:00"),
        (MOMENT, "mm-dd-yy", "2026-01-02"),
        (MOMENT, "dd/mm/yyyy", "2026-01-02"),
        (MOMENT, "yyyy-mm-dd hh:mm", "2026-01-02 15:04"),
        (MOMENT, "yyyy-mm-dd h:mm:ss", "2026-01-02 15:04:05"),
        (datetime(2026, 1, 2), "yyyy-mm-dd h:mm:ss", "2026-01-02"),
        (datetime(2026, 1, 2), "General", "2026-01-02"),
        (MOMENT, "mmm yyyy", "Jan 2026"),
        (MOMENT, "[$-409]mmm\\-yy;@", "Jan-26"),
        (MOMENT, "d mmmm yyyy", "2 January 2026"),
        (MOMENT, "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", "Friday, January 02, 2026"),
        (MOMENT, "dd.mm.", "02.01."),
        (MOMENT, "h:mm AM/PM", "3:04 PM"),
        (MOMENT, "mm:ss", "04:05"),
        (time(9, 30), "h:mm", "9:30"),
        (time(9, 30), "General", "09:30:00"),
        (date(2026, 1, 2), "yyyy", "2026"),
    ],
)
def test_a_date_or_time_is_written_as_its_format_shows_it(value, code, shown):
    assert as_shown(value, code) == shown


@pytest.mark.parametrize(
    "code",
    [
        "[",
        '"',
        "\\",
        "0" * 10**6,
        "#,##0." + "0" * 10**5,
        "?/",
        "/",
        "E+",
        "0E+0E+0",
        ";" * 999,
        "_",
    ],
)
def test_no_format_breaks_a_value(code):
    for value in (0, 1.5, -(10**15), 1e-300, MOMENT, timedelta(days=9**6), time(1)):
        assert isinstance(as_shown(value, code), str)
