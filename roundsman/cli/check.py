"""`roundsman check-config`: every fault in one sentence each and exit code 78, or the settings in force."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from config import InForce
from roundsman.cli.group import command_group
from roundsman.cli.output import complain, print_json, print_table, say
from roundsman.cli.session import Session
from roundsman.errors import EXIT_CONFIGURATION, ConfigurationError

app = command_group()


def _store(session: Session) -> None:
    from roundsman.repositories.place import store_options

    store_options(session.settings.store)


def _jobs(session: Session) -> None:
    from roundsman.app.settings import registry_of

    registry_of(session.settings, session.jobs)


def _workflows(session: Session) -> None:
    from roundsman.app.runs import workflows_of

    workflows_of(session.settings, session.workflows)


def _policies(session: Session) -> None:
    from roundsman.app.policies import policies_of

    policies_of(session.settings)


def _templates(session: Session) -> None:
    from roundsman.alerts.rules.route import Rules
    from roundsman.app.policies import policies_of
    from roundsman.app.templates import texts_of

    try:
        rules = policies_of(session.settings).rules
    except ConfigurationError:  # which is told by itself
        rules = Rules()
    texts_of(session.settings, rules)


FURTHER_CHECKS: tuple[Callable[[Session], None], ...] = (_store, _jobs, _workflows, _policies, _templates)
"""What the settings alone cannot judge. Each raises ConfigurationError."""


@app.command()
def check_config(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Check the settings; each fault in one sentence."""
    session: Session = ctx.obj
    faults = find_faults(session)
    settings = None if faults else session.settings
    if as_json:
        print_json(
            {
                "faults": faults,
                "notes": list(settings.notes) if settings else [],
                "settings": [_row(item) for item in settings.in_force] if settings else [],
                **(_policy_rows(session) if settings and settings.policies_file else {"policies": None, "rules": None}),
            }
        )
    elif settings is None:
        for fault in faults:
            complain(fault)
    else:
        _print_settings(session)
    if faults:
        raise typer.Exit(EXIT_CONFIGURATION)


def find_faults(session: Session) -> Sequence[str]:
    """Every fault of the settings, one sentence each; empty if they are in order."""
    try:
        _ = session.settings
    except ConfigurationError as error:
        return list(error.faults)
    faults: list[str] = []
    for check in FURTHER_CHECKS:
        try:
            check(session)
        except ConfigurationError as error:
            faults += error.faults
    return faults


def _print_settings(session: Session) -> None:
    settings = session.settings
    print_table(
        ("setting", "value", "from"),
        ((item.name, item.shown or "-", item.source if item.shown else "") for item in settings.in_force),
    )
    for note in settings.notes:
        say(f"Note: {note}")
    if settings.policies_file is not None:
        from roundsman.app.policies import policies_of
        from roundsman.cli.policies import print_book
        from roundsman.cli.rules import print_rules

        policies = policies_of(settings)
        print_book(policies.book, session.clock.now())
        print_rules(policies.rules)
    say("The settings are in order.")


def _policy_rows(session: Session) -> dict[str, Any]:
    from roundsman.app.policies import policies_of
    from roundsman.cli.policies import book_row
    from roundsman.cli.rules import rules_row

    policies = policies_of(session.settings)
    return {"policies": book_row(policies.book, session.clock.now()), "rules": rules_row(policies.rules)}


def _row(item: InForce) -> dict[str, str | None]:
    return {"name": item.name, "value": item.shown, "source": item.source if item.shown else None}
