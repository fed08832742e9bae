"""The rules of alerts as people see them: `check-config`, `alerts route`, a reload."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cli_shell import Shell

from config import load
from roundsman.alerts.condition import Condition
from roundsman.app.channels import channel_names
from roundsman.app.composition import App
from roundsman.cli.session import Session
from roundsman.clock import ManualClock
from roundsman.errors import EXIT_CONFIGURATION, EXIT_DONE, EXIT_USAGE, BadInputError, ConfigurationError
from roundsman.repositories.alerts import Severity

Capture = pytest.CaptureFixture[str]
RULES = """\
[calendar.office]
zone = "Asia/Ho_Chi_Minh"
mon-fri = ["08:00-17:00"]
[staff.lan]
name = "Lan"
[staff.hoa]
name = "Hoa"
calendar = "office"
[[route]]
name = "nights"
match = ["kind=job_failing", "severity=critical"]
[[route]]
name = "jobs"
match = ["kind=~job_.*", 'watched_job!~"cleanup|report"']
channels = ["slack"]
fallback = ["console"]
mention = ["lan", "hoa"]
group_by = ["watched_job"]
digest_from = 3
repeat = "4h"
language = "vi"
[[route.level]]
after = "30m"
to = ["hoa"]
channels = ["console"]
[[route]]
name = "pages"
match = ["kind=~page_.*|sync_failed"]
calendar = "office"
[[inhibit]]
name = "one cause"
source = ["kind=sync_failed"]
target = ["kind=job_failing"]
equal = ["page_id"]
"""
EVENING = "2026-03-03T12:00:00Z"  # 19:00 in Hanoi


@pytest.fixture
def shell(tmp_path: Path, clock: ManualClock, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """With these rules; it is 3 March 2026, 11:00 in Hanoi."""
    found = Shell(tmp_path, clock, capsys, monkeypatch)
    found.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/x")
    write(found, RULES)
    return found


def write(shell: Shell, text: str) -> None:
    (shell.folder / "policies.toml").write_text(text, encoding="utf-8")
    shell.setenv("POLICIES_FILE", "policies.toml")


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def told(shell: Shell, *arguments: str) -> dict[str, str]:
    """The words of `alerts route` and what is said to each."""
    found = shell.out("alerts", "route", *arguments).splitlines()
    return {line[:9].strip(): line[10:] for line in found}


# --- check-config ---


def test_check_config_lists_routes_and_inhibitions(shell: Shell) -> None:
    said = lines(shell.out("check-config"))
    assert "ROUTE MATCHES CHANNELS FALLBACK HELD OUTSIDE REPEAT LEVELS" in said
    assert "nights kind=job_failing, severity=critical as the alert says" in said
    assert (
        "jobs kind=~job_.*, watched_job!~cleanup|report slack console 4 h 00 min 30 min 00 s: Hoa on console"
    ) in said
    assert "pages kind=~page_.*|sync_failed as the alert says office, below critical" in said
    assert "INHIBITION WHILE OPEN MUTES WITH THE SAME" in said
    assert "one cause kind=sync_failed kind=job_failing page_id" in said
    assert "a page without data kind=~page_stale|sync_failed kind=conversation_unreplied page_id" in said
    assert said[-1] == "The settings are in order."


def test_check_config_tells_the_same_to_programs(shell: Shell) -> None:
    rules = shell.json("check-config")["rules"]
    assert [each["name"] for each in rules["routes"]] == ["nights", "jobs", "pages"]
    assert rules["routes"][1] == {
        "name": "jobs",
        "match": ["kind=~job_.*", "watched_job!~cleanup|report"],
        "channels": ["slack"],
        "fallback": ["console"],
        "mention": ["Lan", "Hoa"],
        "calendar": None,
        "passes_from": "critical",
        "group_by": ["watched_job"],
        "digest_from": 3,
        "repeat": 14400.0,
        "levels": [{"number": 2, "after": 1800.0, "to": ["Hoa"], "channels": ["console"]}],
        "gives_up_after": None,
        "language": "vi",
        "template": None,
    }
    assert rules["inhibitions"][-1] == {
        "name": "one cause",
        "source": ["kind=sync_failed"],
        "target": ["kind=job_failing"],
        "equal": ["page_id"],
    }
    assert len(rules["version"]) == 12


def test_faults_of_policies_and_of_routes_are_told_together(shell: Shell) -> None:
    write(shell, RULES.replace('"slack"', '"slak"') + '[[policy]]\nname = "p"\n')
    code, out, err = shell.run("check-config")
    assert (code, out) == (EXIT_CONFIGURATION, "")
    assert err.splitlines() == [
        'roundsman: policies.toml line 15: route "jobs": channels: no channel "slak" is set up; did you mean slack?',
        'roundsman: policies.toml line 35: policy "p": first_response is missing; write how long, such as 10m or'
        " 1h30m.",
    ]


# --- alerts route ---


def test_an_alert_is_told_its_way_and_why(shell: Shell) -> None:
    code, out, err = shell.run("alerts", "route", "job_failing", "watched_job=data_sync", "page_id=1")
    assert (code, err) == (EXIT_DONE, "")
    assert lines(out) == [
        'Such an alert goes by the route "jobs", the first that means it: kind=~job_.*, watched_job!~cleanup|report.',
        "ROUTE BEFORE IT ASKS FOR BUT IT IS",
        "nights severity=critical high",
        "on slack",
        "else on console, if a channel gives it up",
        "calls Lan, Hoa",
        "when at once",
        'muted while an alert with kind=sync_failed with the same page_id is open ("one cause")',
        "together 3 at once with the same watched_job, or more",
        "again every 4 h 00 min, until somebody takes it",
        "level 2 after 30 min 00 s: Hoa on console",
        "at last 30 min 00 s later the journal says that nobody answers",
        "language vi",
    ]


def test_quiet_hours_and_people_off_duty_are_told_with_the_moment_when_they_end(shell: Shell) -> None:
    assert told(shell, "page_stale", "--at", EVENING)["when"] == (
        "held until 2026-03-04 01:00:00 UTC, as office is closed; from critical on at once"
    )
    assert told(shell, "page_stale", "severity=critical", "--at", EVENING)["when"] == "at once"
    assert told(shell, "page_stale")["when"] == "at once"
    said = told(shell, "job_silent", "severity=medium", "--at", EVENING)
    assert said["calls"] == "Lan, Hoa (held until 2026-03-04 01:00:00 UTC, as office is closed)"
    assert said["when"] == "at once"


def test_an_open_alert_that_mutes_it_is_named(shell: Shell, clock: ManualClock) -> None:
    def open_one(session: Session) -> None:
        with session.app.book.transaction("test") as desk:
            desk.fire(Condition("sync_failed", "7", Severity.HIGH, clock.now(), {"page_id": "7"}, {}))

    shell.store(open_one)
    assert told(shell, "job_failing", "page_id=7")["when"] == 'not while alert 1 (sync_failed:7) is open: "one cause"'
    assert told(shell, "job_failing", "page_id=8")["when"] == "at once"
    assert shell.json("alerts", "route", "job_failing", "page_id=7")["muted_by"] == 1


def test_a_silence_that_means_it_is_named(shell: Shell) -> None:
    shell.out("alerts", "silence", "add", "watched_job=data_sync", "--for", "2h", "--reason", "moving house")
    when = told(shell, "job_failing", "watched_job=data_sync")["when"]
    assert when.startswith("held until 2026-03-03 06:00:00 UTC by silence 1 of ")
    assert shell.json("alerts", "route", "job_failing", "watched_job=data_sync")["silenced_by"] == 1
    assert told(shell, "job_failing", "watched_job=other")["when"] == "at once"


def test_what_no_route_means_is_told_as_the_alert_says(shell: Shell) -> None:
    out = shell.out("alerts", "route", "token_expiring")
    assert lines(out)[0] == "Such an alert goes by no route: none means it."
    said = told(shell, "token_expiring")
    assert said["on"] == "console, slack, unless the alert itself names others"
    assert said["calls"] == "nobody beside those whom the alert itself calls"
    assert said["language"] == "en, as ALERT_LANGUAGE says"
    assert said["again"] == "never"
    assert said["together"] == "as many at once as the alert's team says"


def test_without_a_file_there_is_no_route(shell: Shell) -> None:
    shell.setenv("POLICIES_FILE", "")
    out = shell.out("alerts", "route", "job_failing")
    assert out.startswith("Such an alert goes by no route: there is none; POLICIES_FILE names where they stand.\n")


def test_each_chat_of_telegram_is_a_channel_by_itself(shell: Shell) -> None:
    shell.setenv("TELEGRAM_BOT_TOKEN", "123456789:" + "A" * 35)
    shell.setenv("TELEGRAM_CHAT_ID", "-1001,-1002:7")
    write(shell, '[[route]]\nname = "topic"\nmatch = ["kind=page_stale"]\nchannels = ["telegram:-1002:7"]\n')
    assert told(shell, "page_stale")["on"] == "telegram:-1002:7"
    assert shell.json("alerts", "route", "job_failing")["channels"] == [
        "console", "slack", "telegram", "telegram:-1002:7",
    ]  # fmt: skip
    with closing(shell.session()) as session:
        built = tuple(each.name for each in session.app.channels)
        assert channel_names(session.settings.alerts) == built


def test_programs_are_told_the_same(shell: Shell) -> None:
    found = shell.json("alerts", "route", "job_failing", "watched_job=data_sync", "severity=medium", "--at", EVENING)
    assert found["route"] == "jobs"
    assert found["passed"] == [{"route": "nights", "because": "severity=critical"}]
    assert found["channels"] == ["slack"]
    assert found["mentions"] == [
        {"name": "Lan", "not_before": None},
        {"name": "Hoa", "not_before": "2026-03-04T01:00:00Z"},
    ]
    assert (found["held_until"], found["muted_by"], found["can_be_muted"]) == (None, None, ["one cause"])
    assert found["facts"] == {
        "kind": "job_failing", "severity": "medium", "level": "1", "watched_job": "data_sync",
    }  # fmt: skip
    held = shell.json("alerts", "route", "page_stale", "--at", EVENING)
    assert (held["held_by"], held["held_until"]) == ("office", "2026-03-04T01:00:00Z")
    assert shell.json("alerts", "route", "token_expiring")["route"] is None


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("page", r"'page' is no label; write NAME=VALUE, such as page_id=123, after the kind\."),
        ("kind=a", r"'kind=a' is no label;"),
        ("=a", r"'=a' is no label;"),
        ("severity=bad", r"There is no severity 'bad'; known are critical, high, medium, low, info\."),
        ("level=x", r"level=x is no level; write a whole number from 0 to 999\."),
        ("page_id=\x1b[2J", r"is no name: it holds characters that cannot be printed; write it anew\."),
    ],
)
def test_what_is_no_fact_of_an_alert_is_refused(shell: Shell, argument: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said) as caught:
        shell.run("alerts", "route", "job_failing", argument)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_matcher_is_no_kind(shell: Shell) -> None:
    with pytest.raises(BadInputError, match=r"KIND 'kind=job_failing' is no kind; write it alone"):
        shell.run("alerts", "route", "kind=job_failing")


# --- the parts of a daemon ---


def app_of(folder: Path, clock: ManualClock) -> App:
    environ = {"ROUNDSMAN_STATE_DIR": str(folder / "state"), "POLICIES_FILE": "policies.toml"}
    return App(load(environ, folder), [], [], clock)


def test_the_rules_are_replaced_with_the_policies_at_a_reload_or_not_at_all(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "policies.toml"
    file.write_text('[[route]]\nname = "a"\n')
    with closing(app_of(tmp_path, clock)) as app:
        before, policies = app.rules, app.policies
        assert [each.name for each in before.routes] == ["a"]
        file.write_text('[[route]]\nname = "b"\nrepeat = "1h"\n')
        assert app.rules is before  # until somebody asks for it
        app.reconfigure(app.settings)
        assert [(each.name, each.repeat) for each in app.rules.routes] == [("b", timedelta(hours=1))]
        assert app.policies.versions["Rules of alerts"] != policies.versions["Rules of alerts"]
        assert app.policies.versions["Policies"] == policies.versions["Policies"]
        file.write_text('[[route]]\nname = "c"\nrepeat = "1s"\n')
        with pytest.raises(ConfigurationError, match="line 3"):
            app.reconfigure(app.settings)
        assert [each.name for each in app.rules.routes] == ["b"]
        app.reconfigure(app.settings, policies)  # as a daemon does whose other parts refuse a reload
        assert app.rules is before


def test_the_faults_of_a_file_are_known_to_programs_as_well(shell: Shell) -> None:
    write(shell, RULES.replace('"4h"', '"4s"'))
    code, out, _ = shell.run("check-config", "--json")
    found = json.loads(out)
    assert code == EXIT_CONFIGURATION
    assert found["faults"] == ['policies.toml line 20: route "jobs": repeat: is "4s"; 1m or more is expected.']
    assert (found["policies"], found["rules"]) == (None, None)
