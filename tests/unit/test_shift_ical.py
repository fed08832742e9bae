"""Closures out of iCalendar files, and what is said about broken ones."""

from datetime import datetime
from textwrap import dedent

import pytest
from shift_samples import BERLIN, calendar, local

from roundsman.conversations.shifts.ical import IcalError, parse_ical


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
