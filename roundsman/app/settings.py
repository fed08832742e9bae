"""Settings on their way in: read, logged through the redaction, and turned into the machinery's plain values."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from config import Settings, SettingsError, load
from roundsman.errors import ConfigurationError
from roundsman.scheduling.job import Job
from roundsman.scheduling.registry import Registry, register


def read_settings(environ: Mapping[str, str], directory: Path) -> Settings:
    """Read the settings. Raises ConfigurationError with one sentence for each fault."""
    try:
        return load(environ, directory)
    except SettingsError as error:
        raise ConfigurationError(error.faults) from None


def working_folder() -> Path:
    """Where relative paths start. Raises ConfigurationError when it was removed under us."""
    try:
        return Path.cwd()
    except OSError as error:
        text = f"The folder that this was started in is gone ({error.strerror}); start it in another one."
        raise ConfigurationError([text]) from None


def registry_of(settings: Settings, jobs: Sequence[type[Job]]) -> Registry:
    """The jobs with the facts in force. Raises ConfigurationError."""
    needs = {
        "pancake": (settings.pancake, "PANCAKE_PAGE_ACCESS_TOKENS or PANCAKE_ACCESS_TOKEN"),
        "mongo": (settings.mongo, "MONGO_URL"),
    }
    missing = {name: setting for name, (given, setting) in needs.items() if given is None}
    return register(jobs, settings.jobs, settings.time_zone, missing)
