"""The texts of one's own that the settings ask for: the files of their folder. Jinja2 is imported for a folder only."""

from pathlib import Path

from config import Settings
from config.sources import read_text
from roundsman.alerts.rules.route import Rules
from roundsman.alerts.templates import OwnTexts
from roundsman.errors import ConfigurationError

_MOST_BYTES = 64 << 10
"""Of a file: a message is some lines."""
_MOST_FILES = 200
"""Two languages of a hundred kinds. More are no folder of texts, but one that was named by mistake."""
_MOST_BYTES_ALTOGETHER = 512 << 10
"""They are all read and tried at every reload, and the daemon waits for it: for seconds at worst."""


def texts_of(settings: Settings, rules: Rules) -> OwnTexts | None:
    """Read and try the folder of ALERT_TEMPLATES, if it is set. Raises ConfigurationError with every fault.

    One is that a route names a folder in it which is not there.
    """
    folder = settings.alerts.templates
    if folder is None:
        _refuse_unknown(rules, frozenset())
        return None
    sources = _sources(folder)
    from roundsman.alerts.templates.own import FolderTexts

    texts = FolderTexts(sources)
    _refuse_unknown(rules, texts.folders)
    return texts


def _refuse_unknown(rules: Rules, folders: frozenset[str]) -> None:
    known = f"known are {', '.join(sorted(folders))}" if folders else "ALERT_TEMPLATES names none that holds any"
    faults = [
        f'The route "{route.name}" has the template "{route.template}", and there is no such folder of texts; {known}.'
        for route in rules.routes
        if route.template is not None and route.template not in folders
    ]
    if faults:
        raise ConfigurationError(faults)


def _sources(folder: Path) -> dict[str, str]:
    try:
        folders = [folder, *sorted(each for each in folder.iterdir() if each.is_dir())]
        files = sorted(each for part in folders for each in part.iterdir() if each.suffix == ".j2")
    except OSError as error:
        raise ConfigurationError([f"ALERT_TEMPLATES: the folder {folder} cannot be read ({error.strerror})."]) from None
    if not files:
        raise ConfigurationError([f"ALERT_TEMPLATES: the folder {folder} holds no file named KIND.LANGUAGE.j2."])
    if len(files) > _MOST_FILES:
        raise ConfigurationError([f"ALERT_TEMPLATES: the folder {folder} holds more than {_MOST_FILES} templates."])
    sources, faults = {}, []
    for each in files:
        try:
            sources[each.relative_to(folder).as_posix()] = read_text(each, _MOST_BYTES)
        except ValueError as error:
            faults.append(f"ALERT_TEMPLATES: {each.relative_to(folder)}: {error}.")
    if sum(len(text.encode()) for text in sources.values()) > _MOST_BYTES_ALTOGETHER:
        faults.append(
            f"ALERT_TEMPLATES: the folder {folder} holds more than {_MOST_BYTES_ALTOGETHER >> 10} KiB of templates."
        )
    if faults:
        raise ConfigurationError(faults)
    return sources
