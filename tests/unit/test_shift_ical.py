"""Closures out of iCalendar files, and what is said about broken ones."""

from datetime import date, datetime, timedelta
from textwrap import dedent

import pytest
from shift_samples import BERLIN, calendar, local

from roundsman.conversations.shifts.ical import IcalError, _in_year, parse_ical

IN_NO_ZONE = (
    "the event 'Party' is in the unknown time zone 'Moon/Crater' (TZID); write one such as Europe/Berlin, or export it "
    "with its zones"
)


def ics(*events: str) -> str:
    body = "".join(f"BEGIN:VEVENT\n{dedent(each).strip()}\nEND:VEVENT\n" for each in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//\n{body}END:VCALENDAR\n"
    return text.replace("\n", "\r\n")


def closed(text: str, at: str) -> str | None:
    return calendar(zone=BERLIN, holidays=[parse_ical(text)]).closed_because(local(at, BERLIN))


def test_a_whole_day() -> None:
    text = ics("UID:1\nSUMMARY:Works outing\nDTSTART;VALUE=DATE:20260303")
    assert closed(text, "2026-03-03 08:30") == "Works outing"
    assert closed(text, "2026-03-03 23:59") == "Works outing"
    assert closed(text, "2026-03-04 08:30") is None


def test_several_days_over_the_turn_of_the_year() -> None:
    text = ics("UID:1\nSUMMARY:Holidays\nDTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20270104")
    assert closed(text, "2026-12-24 10:00") == "Holidays"
    assert closed(text, "2027-01-03 10:00") == "Holidays"
    assert closed(text, "2027-01-04 10:00") is None


def test_hours_in_the_zone_that_they_name_or_in_the_calendars_own() -> None:
    utc = ics("UID:1\nSUMMARY:Call\nDTSTART:20260303T090000Z\nDTEND:20260303T100000Z")
    assert closed(utc, "2026-03-03 10:30") == "Call"  # 09:30 UTC
    assert closed(utc, "2026-03-03 09:30") is None
    hanoi = ics(
        "UID:1\nSUMMARY:Call\nDTSTART;TZID=Asia/Ho_Chi_Minh:20260303T160000\nDTEND;TZID=Asia/Ho_Chi_Minh:20260303T170000"
    )
    assert closed(hanoi, "2026-03-03 10:30") == "Call"  # 16:30 in Hanoi
    floating = ics("UID:1\nSUMMARY:Call\nDTSTART:20260303T100000\nDURATION:PT1H")
    assert closed(floating, "2026-03-03 10:30") == "Call"


def test_what_comes_again_but_for_its_exceptions() -> None:
    text = ics(
        """
        UID:1
        SUMMARY:Team meeting
        DTSTART;TZID=Europe/Berlin:20260303T090000
        DTEND;TZID=Europe/Berlin:20260303T100000
        RRULE:FREQ=WEEKLY;BYDAY=TU
        EXDATE;TZID=Europe/Berlin:20260310T090000
        """
    )
    assert closed(text, "2026-03-03 09:30") == "Team meeting"
    assert closed(text, "2026-03-10 09:30") is None
    assert closed(text, "2026-03-31 09:30") == "Team meeting"  # summer time has begun
    assert closed(text, "2031-03-04 09:30") == "Team meeting"


def test_a_yearly_day_and_one_that_was_called_off() -> None:
    text = ics(
        "UID:1\nSUMMARY:Founding day\nDTSTART;VALUE=DATE:20200504\nRRULE:FREQ=YEARLY",
        "UID:2\nSUMMARY:Fair\nSTATUS:CANCELLED\nDTSTART;VALUE=DATE:20260505",
    )
    assert closed(text, "2026-05-04 10:00") == "Founding day"
    assert closed(text, "2026-05-05 10:00") is None


def test_equal_files_are_equal_and_no_text_is_shown() -> None:
    text = ics("UID:1\nSUMMARY:Secret party\nDTSTART;VALUE=DATE:20260303")
    assert parse_ical(text) == parse_ical(text)
    assert "Secret" not in repr(parse_ical(text))
    assert parse_ical(text).in_year(2026)[0].start == datetime(2026, 3, 3)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (ics(), "holds no event; export the calendar as iCalendar (.ics)"),
        ("\n", "is no iCalendar file (Found no components where exactly one is required:)"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR", "holds no event; export the calendar as iCalendar (.ics)"),
        (
            ics("UID:1\nDTSTART;VALUE=DATE:20260101", "UID:2\nSUMMARY:Party"),
            "line 8: the event 'Party' has no start (DTSTART)",
        ),
        (
            ics("UID:1\nSUMMARY:Tick\nDTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY"),
            "line 4: the event 'Tick' is repeated SECONDLY; daily is the most often that a closure comes again",
        ),
        (
            ics("UID:1\nDTSTART;VALUE=DATE:20260101", "UID:2\nSUMMARY:Party\nDTSTART;TZID=Moon/Crater:20260101T100000"),
            "line 8: " + IN_NO_ZONE,
        ),
        (
            ics(
                "UID:1\nSUMMARY:Party\nDTSTART;TZID=Europe/Berlin:20260101T100000\nRRULE:FREQ=WEEKLY\n"
                "EXDATE;TZID=Moon/Crater:20260108T100000,20260115T100000"
            ),
            "line 4: " + IN_NO_ZONE,
        ),
        (
            ics(*(f"UID:{number}\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY" for number in range(28))),
            "holds events that come again up to 10,248 times a year in all; leave out what closes no shop",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(IcalError) as caught:
        parse_ical(text)
    assert caught.value.faults == (fault,)


@pytest.mark.parametrize(
    "text",
    [
        "<html>not found</html>",
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nnonsense\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        ics("UID:1\nSUMMARY:Odd\nDTSTART:yesterday"),
        ics("UID:1\nSUMMARY:Odd\nDTSTART;VALUE=PERIOD:20260101T000000Z/PT1H"),
        ics("UID:1\nSUMMARY:Odd\nDTSTART;VALUE=TIME:100000"),
        ics("UID:1\nSUMMARY:Odd\nDTSTART:20260101T000000Z\nDTSTART:20260102T000000Z"),
        ics("UID:1\nSUMMARY:Odd\nDTSTART:20260101T000000Z\nDTEND;VALUE=TIME:100000"),
        ics("UID:1\nSUMMARY:Odd\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY;INTERVAL=0"),
        ics("UID:1\nSUMMARY:Odd\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY;BYMINUTE=1,2,3"),
        ics("UID:1\nSUMMARY:Odd\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=SOMETIMES"),
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260101\r\n",
    ],
)
def test_no_broken_file_gets_through_with_a_traceback(text: str) -> None:
    with pytest.raises(IcalError) as caught:
        parse_ical(text)
    assert all(fault and "\n" not in fault for fault in caught.value.faults)


def test_whole_days_and_hours_of_one_file() -> None:
    text = ics(
        "UID:1\nSUMMARY:Works outing\nDTSTART;VALUE=DATE:20260508",
        "UID:2\nSUMMARY:Training\nDTSTART:20260512T070000Z\nDTEND:20260512T090000Z",
    )
    assert closed(text, "2026-05-08 08:30") == "Works outing"
    assert closed(text, "2026-05-12 09:30") == "Training"  # 07:30 UTC
    assert closed(text, "2026-05-12 11:30") is None


HANOI = "UID:1\nSUMMARY:Call\nDTSTART;TZID={zone}:20260303T160000\nDTEND;TZID={zone}:20260303T170000"
SAIGON = (
    "BEGIN:VTIMEZONE\r\nTZID:Head office\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0700\r\n"
    "TZOFFSETTO:+0700\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
)


@pytest.mark.parametrize("zone", ["SE Asia Standard Time", "Asia/Saigon", "Head office"])
def test_zones_of_windows_old_names_and_those_that_the_file_describes_are_known(zone: str) -> None:
    text = ics(HANOI.format(zone=zone)).replace("BEGIN:VEVENT", f"{SAIGON}BEGIN:VEVENT")
    assert closed(text, "2026-03-03 10:30") == "Call"  # 16:30 in Hanoi is 10:30 in Berlin
    assert closed(text, "2026-03-03 16:30") is None


def test_what_once_came_daily_does_not_count_for_ever() -> None:
    event = "UID:{}\nSUMMARY:Fair\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY;{}"
    ends = ("UNTIL=20260104", "COUNT=4")
    text = ics(*(event.format(number, ends[number % 2]) for number in range(40)))
    assert closed(text, "2026-01-04 10:00") == "Fair"
    assert closed(text, "2026-01-05 10:00") is None


def test_thousands_of_single_days_are_worked_out_for_the_years_that_are_asked_for() -> None:
    days = [date(2015, 1, 1) + timedelta(days=number) for number in range(0, 4000, 4)]
    text = ics(*(f"UID:{day}\nSUMMARY:Day\nDTSTART;VALUE=DATE:{day:%Y%m%d}" for day in days))
    _in_year.cache_clear()
    events = parse_ical(text)
    assert _in_year.cache_info().currsize == 1  # tried once, and not in each of eleven years
    assert len(events.in_year(2016)) == sum(day.year == 2016 for day in days) + (date(2017, 1, 1) in days)
