"""Read everything once: faults are collected, not raised one by one, so that a person mends them in one go."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from config import catalogue as c
from config.groups import alerts_of, beside, store_of
from config.mongo_groups import mongo_of
from config.names import fact_in, judge_names
from config.pancake_groups import pancake_of
from config.queue_groups import queue_of, runs_of
from config.reading import Values
from config.settings import ConversationSettings, InForce, Settings, SettingsError
from config.sources import Given, gather, is_plain_text, printable


def load(environ: Mapping[str, str], directory: Path) -> Settings:
    """The settings from a process environment and the settings file; `directory` is where relative paths start.

    Raises SettingsError with every fault.
    """
    faults: list[str] = []
    sources = gather(environ, directory.absolute(), faults.append)
    values = Values(sources)
    name_faults, name_notes = judge_names(sources)

    app_env, state_dir = _app_env(values), _state_dir(values)
    store = store_of(values, state_dir)
    mongo = mongo_of(values)
    pancake = pancake_of(values)  # also where it has no effect: what is wrong is told
    settings = Settings(
        app_env=app_env,
        state_dir=state_dir,
        time_zone=values.required(c.TIME_ZONE),
        log_level=values.required(c.LOG_LEVEL),
        shutdown_deadline=timedelta(seconds=values.required(c.SHUTDOWN_SECONDS)),
        store=store,
        conversation=ConversationSettings(
            values.required(c.CONVERSATION_CLOCK),
            timedelta(minutes=values.required(c.CONVERSATION_THRESHOLD)),
            values.required(c.CONVERSATION_COMMENTS),
        ),
        alerts=alerts_of(values),
        mongo=mongo,
        jobs=_facts(values, "JOB_"),
        workflows=_facts(values, "WORKFLOW_", needs_restart=True),
        policies_file=beside(values, c.POLICIES_FILE),
        queue=queue_of(values, app_env),
        runs=runs_of(values),
        pancake=pancake if mongo is None else None,
        notes=tuple(name_notes + values.notes),
        in_force=_in_order(values.in_force),
    )
    faults += name_faults + values.faults
    if faults:
        raise SettingsError(tuple(faults))
    return settings


def _app_env(values: Values) -> str:
    given, node = values.given(c.APP_ENV), values.sources.plain(c.NODE_ENV)
    if given and node and given.text.lower() != node.text.lower():
        values.notes.append(f"{node.label(c.NODE_ENV)} says otherwise than APP_ENV and has no effect.")
    if given or node is None:
        return values.required(c.APP_ENV)
    try:
        chosen = c.APP_ENV.read(node.text)
    except ValueError as error:
        values.faults.append(f"{node.label(c.NODE_ENV)}: '{printable(node.text[:80])}' {error}; or set APP_ENV.")
        chosen = "development"
    values.in_force.append(InForce(c.APP_ENV.name, chosen, chosen, f"{c.NODE_ENV}, {node.place}", needs_restart=True))
    return chosen


def _state_dir(values: Values) -> Path:
    written = values.optional(c.STATE_DIR)
    sources = values.sources
    if written:
        path, source = sources.directory / written, None
    elif sources.state_directory:
        path, source = sources.state_directory, "STATE_DIRECTORY of systemd"
    else:
        path, source = sources.directory / "var", None
    path = path.absolute()
    values.replace_listed(c.STATE_DIR, str(path), str(path), source)
    return path


def _facts(values: Values, family: str, *, needs_restart: bool = False) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, Given] = {}
    for given in (values.sources.file, values.sources.environment):  # the environment last: it wins
        found.update({name: value for name, value in given.items() if fact_in(name, family)})
    owners: dict[str, dict[str, str]] = {}
    for name, value in sorted(found.items()):
        fact = fact_in(name, family)
        if fact is None:
            continue
        if not is_plain_text(value.text):
            values.faults.append(
                f"{value.label(name)}: the value holds a control character or is not UTF-8; write it anew."
            )
            continue
        owners.setdefault(fact[0], {})[fact[1]] = value.text
        values.in_force.append(InForce(name, value.text, value.text, value.place, needs_restart))
    return MappingProxyType({owner: MappingProxyType(facts) for owner, facts in owners.items()})


def _in_order(items: list[InForce]) -> tuple[InForce, ...]:
    order = {setting.name: place for place, setting in enumerate(c.SETTINGS)}
    return tuple(sorted(items, key=lambda item: (order.get(item.name, len(order)), item.name)))
