"""Texts of one's own from the setting to the message: `check-config`, the sender, a reload."""

import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alert_samples import ZONE, Mailbox, book_of, sender_of, unreplied
from cli_shell import Shell

from config import load
from roundsman.alerts.rules.route import Route, Rules
from roundsman.alerts.templates import Language
from roundsman.alerts.templates.own import FolderTexts
from roundsman.app.composition import App
from roundsman.app.templates import texts_of
from roundsman.clock import ManualClock
from roundsman.errors import EXIT_CONFIGURATION, ConfigurationError
from roundsman.repositories.audience import Audience, Wording
from roundsman.repositories.engine import Store

Capture = pytest.CaptureFixture[str]
TITLE = "{{% block title %}}{}{{% endblock %}}"


@pytest.fixture
def shell(tmp_path: Path, clock: ManualClock, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, clock, capsys, monkeypatch)


def write(folder: Path, text: str, name: str = "conversation_unreplied.en.j2") -> None:
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / name).write_text(text, encoding="utf-8")


def write_many(folder: Path, count: int, text: str) -> None:
    for number in range(count):
        write(folder, text, f"k{number}.en.j2")


def app_of(folder: Path, clock: ManualClock) -> App:
    return App(load({"ROUNDSMAN_STATE_DIR": str(folder / "state"), "ALERT_TEMPLATES": "texts"}, folder), [], [], clock)


def test_the_setting_names_a_folder_beside_the_settings_file(tmp_path: Path) -> None:
    assert load({"ALERT_TEMPLATES": "texts"}, tmp_path).alerts.templates == tmp_path / "texts"
    assert load({}, tmp_path).alerts.templates is None
    assert texts_of(load({}, tmp_path), Rules()) is None


def test_check_config_tells_every_fault(shell: Shell) -> None:
    shell.setenv("ALERT_TEMPLATES", "texts")
    write(shell.folder, TITLE.format("{{ a }}"))
    write(shell.folder, "{% block title %}", "page_stale.vi.j2")
    code, _, err = shell.run("check-config")
    assert code == EXIT_CONFIGURATION
    assert [line.partition(": ")[2].partition(" line ")[0] for line in err.splitlines()] == [
        "ALERT_TEMPLATES: conversation_unreplied.en.j2", "ALERT_TEMPLATES: page_stale.vi.j2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: None, "the folder {} cannot be read (No such file or directory)."),
        (lambda folder: folder.mkdir(), "the folder {} holds no file named KIND.LANGUAGE.j2."),
        (lambda folder: write(folder.parent, "x" * 70_000),
         "conversation_unreplied.en.j2: is larger than 64 KiB, so it is no such file."),
        (lambda folder: write_many(folder.parent, 9, "x" * 60_000),
         "the folder {} holds more than 512 KiB of templates."),
        (lambda folder: write_many(folder.parent, 201, ""),
         "the folder {} holds more than 200 templates."),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path, make: object, sentence: str) -> None:
    assert callable(make)
    make(tmp_path / "texts")
    with pytest.raises(ConfigurationError) as wrong:
        texts_of(load({"ALERT_TEMPLATES": "texts"}, tmp_path), Rules())
    assert list(wrong.value.faults) == [f"ALERT_TEMPLATES: {sentence.format(tmp_path / 'texts')}"]


def test_what_is_sent_is_said_in_them_in_the_language_of_its_audience(store: Store, clock: ManualClock) -> None:
    mailbox = Mailbox()
    sender = sender_of(store, clock, [mailbox])
    own = FolderTexts({"conversation_unreplied.vi.j2": TITLE.format("{{ customer }} chờ"),
                       "conversation_unreplied.en.j2": TITLE.format("{{ customer }} waits")})  # fmt: skip
    sender.replace([mailbox], language=Language.ENGLISH, zone=ZONE, own_texts=own)
    for name, audience in (("1", Audience()), ("2", Audience(language=Wording.VIETNAMESE))):
        with book_of(store, clock, sender).transaction("monitor") as desk:
            desk.fire(replace(unreplied(name, clock.now()), audience=audience))
        sender.run_once("mailbox")
    assert mailbox.titles == ["Nguyễn Thị Lan waits", "Nguyễn Thị Lan chờ"]


def test_a_route_can_name_a_folder_of_texts(store: Store, clock: ManualClock) -> None:
    mailbox = Mailbox()
    sender = sender_of(store, clock, [mailbox])
    own = FolderTexts({"conversation_unreplied.en.j2": TITLE.format("{{ customer }} waits"),
                       "short/conversation_unreplied.en.j2": TITLE.format("{{ customer }}!")})  # fmt: skip
    sender.replace([mailbox], language=Language.ENGLISH, zone=ZONE, own_texts=own)
    for name, folder in (("1", None), ("2", "short"), ("3", "gone")):
        with book_of(store, clock, sender).transaction("monitor") as desk:
            desk.fire(replace(unreplied(name, clock.now()), audience=Audience(template=folder)))
        sender.run_once("mailbox")
    assert mailbox.titles == ["Nguyễn Thị Lan waits", "Nguyễn Thị Lan!", "Nguyễn Thị Lan waits"]


def test_a_folder_that_a_route_names_has_to_be_there(tmp_path: Path) -> None:
    write(tmp_path, TITLE.format("one"))
    (tmp_path / "texts" / "short").mkdir()
    (tmp_path / "texts" / "short" / "page_stale.en.j2").write_text(TITLE.format("{{ page }}"))
    settings = load({"ALERT_TEMPLATES": "texts"}, tmp_path)
    assert texts_of(settings, Rules((Route("ops", template="short"),))) is not None
    for others, known in (
        (settings, "known are short"), (load({}, tmp_path), "ALERT_TEMPLATES names none that holds any"),
    ):  # fmt: skip
        with pytest.raises(ConfigurationError) as wrong:
            texts_of(others, Rules((Route("ops", template="shorter"),)))
        assert list(wrong.value.faults) == [
            f'The route "ops" has the template "shorter", and there is no such folder of texts; {known}.'
        ]


def test_a_reload_reads_them_again_and_a_broken_one_changes_nothing(tmp_path: Path, clock: ManualClock) -> None:
    write(tmp_path, TITLE.format("one"))
    with closing(app_of(tmp_path, clock)) as app:
        before, settings = app.own_texts, app.settings
        assert before is not None
        write(tmp_path, TITLE.format("{{ nonsense }}"))
        with pytest.raises(ConfigurationError, match="'nonsense' is undefined"):
            app.reconfigure(settings)
        assert app.own_texts is before
        write(tmp_path, TITLE.format("two"))
        app.reconfigure(settings)
        assert app.own_texts is not None
        assert app.own_texts.version != before.version
        app.reconfigure(settings, None, lambda *_: before)  # as a daemon does whose other parts refuse a reload
        assert app.own_texts is before


def test_without_them_no_library_is_loaded() -> None:
    program = (
        "import sys, roundsman.app.daemon, roundsman.app.templates, roundsman.alerts.sender\n"
        "sys.exit(bool({'jinja2', 'markupsafe'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
