"""How commands speak: what people and programs get to read."""

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType

import pytest

from roundsman.cli.history import sparkline
from roundsman.cli.output import Bars, complain, one_line, print_json, print_table, printable, say, short_duration

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"), (0.0204, "20 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (1, "1.0 s"), (3.24, "3.2 s"),
        (59.94, "59.9 s"), (59.96, "1 min 00 s"), (60, "1 min 00 s"), (250, "4 min 10 s"), (3599.6, "1 h 00 min"),
        (3600, "1 h 00 min"), (18_180, "5 h 03 min"), (172_799, "47 h 59 min"), (172_800, "2 d 0 h"),
        (187_200, "2 d 4 h"), (-0.5, "-500 ms"), (-3.2, "-3.2 s"), (-250, "-4 min 10 s"),
    ],
)  # fmt: skip
def test_durations_are_short_words(seconds: float, words: str) -> None:
    assert short_duration(timedelta(seconds=seconds)) == words


def test_a_name_cannot_drive_the_terminal(capsys: Capture) -> None:
    nasty = "Lan \x1b]0;owned\x07\x1b[31m\r\x9b1A"
    assert printable(nasty) == "Lan \ufffd]0;owned\ufffd\ufffd[31m\ufffd\ufffd1A"
    say(nasty)
    complain(nasty)
    print_table(["NAME"], [[nasty]])
    said = capsys.readouterr()
    assert not any(char in said.out + said.err for char in "\x1b\x07\r\x9b")


def test_a_complaint_goes_to_stderr_under_the_programs_name(capsys: Capture) -> None:
    complain("LOG_LEVEL: 'loud' is unknown.")
    assert capsys.readouterr() == ("", "roundsman: LOG_LEVEL: 'loud' is unknown.\n")


def test_a_locale_without_our_letters_gets_marks_in_text_and_escapes_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    say("Trần Hạ")
    print_table(["NAME"], [["Nguyễn"]])
    print_json({"name": "Trần"})
    assert written.getvalue().decode("latin-1").split() == [
        "Tr?n", "H?", "NAME", "Nguy?n", "{", '"name":', r'"Tr\u1ea7n"', "}"
    ]  # fmt: skip


def test_a_very_narrow_terminal_still_shows_whole_words(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "20")
    print_table(["VERDICT", "WAITED", "CUSTOMER", "CONVERSATION"], [["late", "20.0 min", "Mai", "1083412906251_7001"]])
    assert "1083412906251_7001" in terminal.getvalue()


def test_json_survives_half_a_surrogate_pair(capsys: Capture) -> None:
    print_json({"file": "x\udce4.json"})
    assert json.loads(capsys.readouterr().out) == {"file": "x\udce4.json"}


def test_output_that_cannot_be_written_is_told() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "daemon.py", "jobs", "next", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
            cwd=Path(__file__).parents[2],
        )
    assert done.stderr == "roundsman: Standard output cannot be written: No space left on device.\n"
    assert done.returncode == 1


def test_json_has_times_in_utc_durations_in_seconds_and_names_as_written(capsys: Capture) -> None:
    at = datetime(2026, 3, 3, 11, 0, tzinfo=timezone(timedelta(hours=7)))
    print_json(
        {"at": at, "took": timedelta(milliseconds=20), "name": "Trần", "counters": MappingProxyType({"late": 2})}
    )
    out = capsys.readouterr().out
    assert "Trần" in out
    assert json.loads(out) == {"at": "2026-03-03T04:00:00Z", "took": 0.02, "name": "Trần", "counters": {"late": 2}}


@pytest.mark.parametrize("value", [object(), {1, 2}, datetime(2026, 3, 3, 4, 0)], ids=["object", "set", "naive time"])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        print_json([value])


def test_cells_of_a_table_are_text_and_never_markup(capsys: Capture) -> None:
    print_table(["NAME", "NOTE"], [("[bold]Lan[/bold] [link=x]", None)], title="Who waits")
    title, header, row = capsys.readouterr().out.splitlines()
    assert title.strip() == "Who waits"
    assert header.split() == ["NAME", "NOTE"]
    assert row.strip() == "[bold]Lan[/bold] [link=x]"


def test_a_long_cell_is_folded_and_nothing_of_it_is_lost(capsys: Capture) -> None:
    print_table(["WHAT"], [["x" * 400]])
    assert capsys.readouterr().out.count("x") == 400


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([1.0], "█"),
        ([0.0, 0.0], "▁▁"),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇██"),
        ([-3.0, 1.0], "▁█"),
        ([100.0] + [1.0] * 40, "█" * 40),
    ],
    ids=["one", "nothing took time", "a ramp", "the clock was set back", "only the last forty"],
)
def test_durations_as_bars(values: list[float], bars: str) -> None:
    assert sparkline(values) == bars


def test_an_aware_time_is_needed_at_the_border() -> None:
    with pytest.raises(ValueError, match="naive"):
        print_json(datetime(2026, 3, 3, tzinfo=UTC).replace(tzinfo=None))


def test_json_cannot_drive_the_terminal_either(capsys: Capture) -> None:
    nasty = "\x9b31m\x7f\u202e"
    print_json({"note": nasty}, in_one_line=True)
    out = capsys.readouterr().out
    assert out == '{"note": "\\u009b31m\\u007f\\u202e"}\n'
    assert json.loads(out) == {"note": nasty}


def test_a_text_of_several_lines_becomes_one_of_a_limited_length() -> None:
    assert one_line("two\n lines\tand \x1b[1m") == "two lines and \ufffd[1m"
    assert one_line("x" * 20, 10) == "xxxxxxx..."


def test_bars_show_how_far_each_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    with Bars([4, 7]) as bars:
        bars.show(4, 33, "running in [bold]working[/bold] \x9b1A")
        bars.show(7, 100, "Run 7 completed after 1 ms.")
    shown = terminal.getvalue()
    assert "33%" in shown
    assert "running in [bold]working[/bold] \ufffd1A" in shown
    assert "Run 7 completed after 1 ms." in shown
