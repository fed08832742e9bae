"""Texts of one's own: files of a folder that say something else than the built-in texts.

    conversation_unreplied.vi.j2:
        {% block title %}{{ customer or "Khách" }} chờ {{ waited | duration }} ở {{ page }}{% endblock %}

A file is for one kind of alert in one language; one in a folder of its own is for the routes that name the folder.
What it does not say is said as ever: `title`, `lines` and `item` (the line of a digest) are blocks, each may be left
out. All files are read and tried on samples when the settings are read, so what is wrong with them is known before
anybody waits for an alert. Should one fail all the same, the built-in text is told: an alert is never lost to a
template.

Names of customers are data here and never template text. Those who write templates are held by a language in which
nothing runs on or grows (`grammar`, `values`), within Jinja2's sandbox.
"""

import hashlib
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from jinja2 import Environment, Template, TemplateError, TemplateSyntaxError

from roundsman.alerts.message import one_line
from roundsman.alerts.templates import KINDS, TEXTS, Language, digest_built_in, told_built_in
from roundsman.alerts.templates.digest import DigestScene
from roundsman.alerts.templates.facts import Scene
from roundsman.alerts.templates.grammar import Folder, is_part
from roundsman.alerts.templates.samples import sample_digests, sample_scenes
from roundsman.alerts.templates.values import MOST_LINES, Values
from roundsman.alerts.templates.variables import variables_of, variables_of_digest
from roundsman.errors import ConfigurationError
from roundsman.logs import fields
from roundsman.repositories.notifications import NotificationEvent

BLOCKS = ("title", "lines", "item")
DIGEST = "digest"
"""In place of a kind: the file for what stands above the items of a digest, of whatever kind they are."""
_LONGEST_BLOCK = 20_000
"""Characters that are read of a block, blanks and empty lines included: a message is half as long."""

_NAME = re.compile(r"(?:(?P<folder>[a-z0-9][a-z0-9_-]*)/)?(?P<kind>[a-z][a-z0-9_]*)\.(?P<language>[a-z]+)\.j2")

log = logging.getLogger(__name__)


class FolderTexts:
    """The files of one folder, ready to be rendered."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        """`sources`: the text of each file by its name. Raises ConfigurationError with every fault."""
        self.version = hashlib.sha256(repr(sorted(sources.items())).encode()).hexdigest()[:12]
        self._templates: dict[tuple[str | None, str, Language], Template] = {}
        self._failed: set[tuple[str | None, str]] = set()
        folder = Folder(sources)
        environments = {each: Values(folder, TEXTS[each].moment, TEXTS[each].duration) for each in Language}
        faults: list[str] = []
        for part in sorted(filter(is_part, sources)):
            faults += _read(environments[Language.ENGLISH], part)[1]
        for name in sorted(each for each in sources if not is_part(each)):
            found = _NAME.fullmatch(name)
            if fault := _misnamed(found, name):
                faults.append(fault)
                continue
            assert found is not None
            language = Language(found["language"])
            template, wrong = _read(environments[language], name)
            faults += wrong
            if template is not None:
                self._templates[found["folder"], found["kind"], language] = template
                faults += _unknown_blocks(template, found["kind"])
                faults += _tried(template, found["kind"], language)
        if faults:
            raise ConfigurationError(list(dict.fromkeys(faults)))  # a part's are found wherever it is included

    def told(self, scene: Scene, language: Language, built_in: tuple[str, ...]) -> tuple[str, ...]:
        """The title and the lines for one piece of news; the built-in ones where no file says otherwise."""
        template, about = self._of(scene, language)
        return self._safely(template, lambda: variables_of(scene, built_in), built_in, _told, about)

    def item(self, scene: Scene, language: Language, built_in: str) -> str:
        """The line of a digest."""
        template, about = self._of(scene, language)
        return self._safely(template, lambda: variables_of(scene, (built_in,)), (built_in,), _item, about)[0]

    def digest(self, digest: DigestScene, language: Language, built_in: tuple[str, ...]) -> tuple[str, ...]:
        """The title and the lines of a digest."""
        template, about = self._found(digest.template, DIGEST, language), fields(ALERT_KIND=digest.facts.kind)
        return self._safely(template, lambda: variables_of_digest(digest, built_in), built_in, _told, about)

    @property
    def folders(self) -> frozenset[str]:
        """Those that a route can name."""
        return frozenset(folder for folder, _, _ in self._templates if folder is not None)

    def _of(self, scene: Scene, language: Language) -> tuple[Template | None, Mapping[str, str]]:
        """The template of an alert, and journal fields about it."""
        kind = scene.alert.kind  # a job of one's own may call its alerts digests
        template = None if kind == DIGEST else self._found(scene.template, kind, language)
        return template, fields(ALERT=scene.alert.fingerprint)

    def _found(self, folder: str | None, kind: str, language: Language) -> Template | None:
        return self._templates.get((folder, kind, language)) or self._templates.get((None, kind, language))

    def _safely(
        self,
        template: Template | None,
        variables: Callable[[], dict[str, Any]],
        built_in: tuple[str, ...],
        render: Callable[[Template, dict[str, Any]], tuple[str, ...]],
        about: Mapping[str, str],
    ) -> tuple[str, ...]:
        if template is None:
            return built_in
        try:
            return render(template, variables())
        except Exception as error:  # noqa: BLE001 - whatever a template does must not keep an alert back
            reason = _words(error)
            if (template.name, reason) not in self._failed:  # a storm would say it ten thousand times
                self._failed.add((template.name, reason))
                log.error("The template %s failed, and the built-in text is told instead: %s", template.name, reason,
                          extra=about)  # fmt: skip
            return built_in


def _read(environment: Environment, name: str) -> tuple[Template | None, list[str]]:
    """The template, or what is wrong with it."""
    try:
        return environment.get_template(name), []
    except TemplateSyntaxError as error:
        words = one_line(error.message or "is no template", 200).rstrip(".")
        end = "" if words.endswith("?") else "."
        return None, [f"ALERT_TEMPLATES: {error.name or name} line {error.lineno}: {words}{end}"]


def _tried(template: Template, kind: str, language: Language) -> list[str]:
    """The first fault that samples bring to light."""
    for words, variables, has_item in _samples(kind, language):
        try:
            _told(template, variables)
            if has_item:
                _item(template, variables)
        except Exception as error:  # noqa: BLE001 - a sandbox, a filter, an attribute: all are faults of the file
            return [f"ALERT_TEMPLATES: {_place(template)}: {_words(error)} (tried on {words})."]
    return []


def _samples(kind: str, language: Language) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Words, the variables, and whether there may be a line for it in a digest."""
    if kind == DIGEST:
        for words, digest in sample_digests():
            text = digest_built_in(digest.facts, language, is_change=digest.event.is_change)
            yield words, variables_of_digest(digest, text), False
        return
    for words, scene in sample_scenes(kind):
        built_in = told_built_in(scene, language)
        yield words, variables_of(scene, built_in), scene.event is not NotificationEvent.RESOLVED


def _told(template: Template, variables: dict[str, Any]) -> tuple[str, ...]:
    title = " ".join(_block(template, "title", variables).split()) if "title" in template.blocks else ""
    lines: Sequence[str] = variables["lines"]
    if "lines" in template.blocks:
        lines = [line for each in _block(template, "lines", variables).splitlines() if (line := each.strip())]
    return (title or variables["title"], *lines[:MOST_LINES])


def _item(template: Template, variables: dict[str, Any]) -> tuple[str, ...]:
    item = _block(template, "item", variables).strip() if "item" in template.blocks else ""
    return (item or variables["title"],)


def _block(template: Template, name: str, variables: dict[str, Any]) -> str:
    said: list[str] = []
    left = _LONGEST_BLOCK
    for piece in template.blocks[name](template.new_context(variables)):
        said.append(piece[:left])
        left -= len(piece)
        if left <= 0:
            break
    return "".join(said)


def _misnamed(found: re.Match[str] | None, name: str) -> str | None:
    if found is None:
        return f"ALERT_TEMPLATES: {name}: is no name for a template; write KIND.LANGUAGE.j2, or _NAME.j2 for a part."
    if found["language"] not in [each.value for each in Language]:
        return f"ALERT_TEMPLATES: {name}: there is no language {found['language']}; write en or vi."
    near = get_close_matches(found["kind"], [*KINDS, DIGEST], n=1, cutoff=0.8)
    if found["kind"] not in (*KINDS, DIGEST) and near:
        return f"ALERT_TEMPLATES: {name}: did you mean {near[0]}.{found['language']}.j2?"
    return None


def _unknown_blocks(template: Template, kind: str) -> list[str]:
    if not template.blocks:
        return [f"ALERT_TEMPLATES: {template.name}: has no block; write {{% block title %}}...{{% endblock %}}."]
    known = BLOCKS[:2] if kind == DIGEST else BLOCKS
    return [
        f"ALERT_TEMPLATES: {template.name}: there is no block {name}; the blocks are {', '.join(known)}."
        for name in template.blocks
        if name not in known
    ]


def _words(error: Exception) -> str:
    said = (error.message if isinstance(error, TemplateError) else str(error)) or type(error).__name__
    return one_line(said, 200).rstrip(".")


def _place(template: Template) -> str:
    """The line at which the exception that is handled now left a template."""
    place, trace = str(template.name), sys.exc_info()[2]
    while trace is not None:
        inner = trace.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(inner, Template):
            place = f"{inner.name} line {inner.get_corresponding_lineno(trace.tb_lineno)}"
        trace = trace.tb_next
    return place
