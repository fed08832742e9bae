"""`roundsman alerts route`: where an alert like that would go, and why. Nothing is sent."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from roundsman.alerts.preview import Preview, Wait, preview
from roundsman.alerts.rules.facts import NAMES, facts_of_alert
from roundsman.alerts.rules.matcher import cover
from roundsman.alerts.rules.route import DEFAULT_ROUTE, Inhibition, Rules
from roundsman.alerts.stages.silence import Mute
from roundsman.app.channels import channel_names
from roundsman.cli.arguments import AtOption, JsonOption, moment_of, plain_text
from roundsman.cli.output import print_json, print_table, say, short_duration
from roundsman.cli.rules import level_words, matcher_words
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.errors import BadInputError
from roundsman.repositories.alerts import Alert, AlertRepository, Severity
from roundsman.repositories.silences import SilenceRepository

DEFAULTS = {"severity": Severity.HIGH.value, "level": "1"}
"""As most jobs report."""
_FACT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")

Muting = tuple[Alert, Inhibition]


def show_route(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Such as job_failing or page_stale.")],
    labels: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE]...",
            help=f"Its labels, and {', '.join(NAMES[1:])}; when left out it is "
            f"{' and '.join(f'{name}={value}' for name, value in DEFAULTS.items())}.",
        ),
    ] = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where an alert of a kind would go right now: by which route and why, to whom, and what would hold it."""
    session: Session = ctx.obj
    if "=" in kind:
        raise BadInputError(f"KIND {kind!r} is no kind; write it alone, such as page_stale, and labels after it.")
    facts = _facts(kind, labels or ())
    rules, channels = session.app.rules, channel_names(session.settings.alerts)
    found = preview(rules, facts, channels, moment_of(session, at))
    muting, silence = _muting(session, rules, facts), _silence(session, facts, moment_of(session, at))
    if as_json:
        print_json(_row(session, facts, found, muting) | {"silenced_by": silence.id if silence is not None else None})
        return
    say(f"Such an alert goes by {_route_words(rules, found)}.")
    if found.passed:
        print_table(
            ["ROUTE BEFORE IT", "ASKS FOR", "BUT IT IS"],
            [(route.name, str(matcher), facts.get(matcher.name) or "empty") for route, matcher in found.passed],
        )
    for word, text in _lines(session, found, muting, silence):
        say(f"{word:<9} {text}")


def _facts(kind: str, written: Sequence[str]) -> Mapping[str, str]:
    facts = dict(DEFAULTS)
    for each in written:
        match = _FACT.fullmatch(plain_text(each) or "")
        if match is None or match[1] == "kind":
            raise BadInputError(f"{each!r} is no label; write NAME=VALUE, such as page_id=123, after the kind.")
        facts[match[1]] = match[2]
    if facts["severity"] not in list(Severity):
        raise BadInputError(f"There is no severity {facts['severity']!r}; known are {', '.join(Severity)}.")
    if not re.fullmatch(r"0|[1-9][0-9]{0,2}", facts["level"]):
        raise BadInputError(f"level={facts['level']} is no level; write a whole number from 0 to 999.")
    facts["kind"] = plain_text(kind) or ""
    return facts


def _muting(session: Session, rules: Rules, facts: Mapping[str, str]) -> Muting | None:
    """An open alert that would mute it, and by which inhibition."""
    with session.store.read() as connection:
        open_ones = AlertRepository().all_open(connection)
    pairs = ((alert, each) for alert in open_ones for each in rules.inhibitions)
    return next(((alert, each) for alert, each in pairs if each.mutes(facts_of_alert(alert), facts)), None)


def _route_words(rules: Rules, found: Preview) -> str:
    if found.route is DEFAULT_ROUTE:
        return f"no route: {'none means it' if rules.routes else 'there is none; POLICIES_FILE names where they stand'}"
    return f'the route "{found.route.name}", the first that means it: {matcher_words(found.route.matchers) or "all"}'


def _silence(session: Session, facts: Mapping[str, str], at: datetime) -> Mute | None:
    """The last one to end of the silences that mean it."""
    with session.store.read() as connection:
        mutes = map(Mute.of, SilenceRepository().active(connection, at))
    meaning = [mute for mute in mutes if cover(mute.matchers, facts)]
    return max(meaning, key=lambda mute: (mute.ends_at, mute.id), default=None)


def _lines(session: Session, found: Preview, muting: Muting | None, silence: Mute | None) -> Iterator[tuple[str, str]]:
    """What is to be said of it, word by word."""
    route = found.route
    yield "on", ", ".join(found.channels) + ("" if route.channels else ", unless the alert itself names others")
    if route.fallback:
        yield "else on", f"{', '.join(route.fallback)}, if a channel gives it up"
    yield "calls", _calls(session, found)
    yield "when", _when(session, found, muting, silence)
    for each in found.can_be_muted:
        same = f" with the same {', '.join(each.equal)}" if each.equal else ""
        yield "muted", f'while an alert with {matcher_words(each.source)}{same} is open ("{each.name}")'
    yield "together", _together(found)
    yield "again", f"every {short_duration(route.repeat)}, until somebody takes it" if route.repeat else "never"
    for level in route.levels:
        yield f"level {level.number}", f"after {level_words(level)}"
    if route.unanswered_after is not None:
        yield "at last", f"{short_duration(route.unanswered_after)} later the journal says that nobody answers"
    yield "language", route.language or f"{session.settings.alerts.language}, as ALERT_LANGUAGE says"


def _calls(session: Session, found: Preview) -> str:
    called = [
        each.name + (f" ({_until(session, found.off_duty[each])})" if each in found.off_duty else "")
        for each in found.mentions
    ]
    return ", ".join(called) or "nobody beside those whom the alert itself calls"


def _when(session: Session, found: Preview, muting: Muting | None, silence: Mute | None) -> str:
    if muting is not None:
        alert, inhibition = muting
        return f'not while alert {alert.id} ({alert.fingerprint}) is open: "{inhibition.name}"'
    if silence is not None:
        return f"held until {local_time(silence.ends_at, session.settings.time_zone)} by {silence.words}"
    if found.wait is not None:
        return f"{_until(session, found.wait)}; from {found.route.passes_from} on at once"
    return "at once"


def _until(session: Session, wait: Wait) -> str:
    until = local_time(wait.until, session.settings.time_zone) or "nobody knows when"
    return f"held until {until}, as {wait.hours.name} is closed"


def _together(found: Preview) -> str:
    same = f" with the same {', '.join(found.route.group_by)}" if found.route.group_by else ""
    if found.route.digest_from is None:
        return f"as many at once{same} as the alert's team says"
    return f"{found.route.digest_from} at once{same}, or more"


def _row(session: Session, facts: Mapping[str, str], found: Preview, muting: Muting | None) -> dict[str, Any]:
    route = found.route
    return {
        "facts": facts,
        "route": route.name if route is not DEFAULT_ROUTE else None,
        "passed": [{"route": each.name, "because": str(matcher)} for each, matcher in found.passed],
        "channels": list(found.channels),
        "fallback": list(route.fallback),
        "mentions": [
            {"name": each.name, "not_before": found.off_duty[each].until if each in found.off_duty else None}
            for each in found.mentions
        ],
        "held_by": found.wait.hours.name if found.wait is not None else None,
        "held_until": found.wait.until if found.wait is not None else None,
        "muted_by": muting[0].id if muting is not None else None,
        "can_be_muted": [each.name for each in found.can_be_muted],
        "digest_from": route.digest_from,
        "group_by": list(route.group_by),
        "repeat": route.repeat,
        "levels": [{"number": each.number, "after": each.after} for each in route.levels],
        "unanswered_after": route.unanswered_after,
        "language": route.language or session.settings.alerts.language,
    }
