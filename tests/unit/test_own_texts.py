"""Texts of one's own: what they say, what is wrong with them, and that none of them costs an alert."""

import logging
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.alerts.message import LONGEST_LINE, Message
from roundsman.alerts.templates import KINDS, Language, render, render_digest
from roundsman.alerts.templates.own import FolderTexts
from roundsman.alerts.templates.samples import SAMPLES, sample_digests, sample_scenes
from roundsman.alerts.templates.values import MOST_LINES
from roundsman.alerts.templates.variables import FACTS, variables_of, variables_of_digest
from roundsman.errors import ConfigurationError
from roundsman.repositories.alerts import Alert, AlertStatus, Severity
from roundsman.repositories.audience import Audience
from roundsman.repositories.notifications import NotificationEvent

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
SINCE = datetime(2026, 3, 3, 3, 37, tzinfo=UTC)
OPENED = SINCE + timedelta(minutes=23)
FIRING, RESOLVED = NotificationEvent.FIRING, NotificationEvent.RESOLVED
EN, VI = Language.ENGLISH, Language.VIETNAMESE
KIND = "conversation_unreplied"
SHORT = "{% block title %}{{ customer or 'Khách' }}: {{ waited | duration }}{% endblock %}"


def alert(kind: str = KIND, number: int = 1, **notes: Any) -> Alert:
    return Alert(
        id=number, fingerprint=f"{kind}:{number}", kind=kind, severity=Severity.MEDIUM, status=AlertStatus.FIRING,
        level=1, job="monitor", labels={"page_id": "a"}, since_at=SINCE, opened_at=OPENED,
        annotations={"customer_name": "Minh", "page_name": "Shop A", "waited_minutes": 23,
                     "threshold_minutes": 15} | notes,
    )  # fmt: skip


def said(
    files: Mapping[str, str], subject: Alert | None = None, event: NotificationEvent = FIRING, language: Language = VI
) -> Message:
    return render(subject or alert(), event, language, OPENED, ZONE, own=FolderTexts(files))


def faults(text: str, name: str = "conversation_unreplied.vi.j2", **others: str) -> list[str]:
    with pytest.raises(ConfigurationError) as wrong:
        FolderTexts({name: text, **others})
    return list(wrong.value.faults)


# --- what they say ---


def test_a_block_replaces_its_part_and_the_rest_is_said_as_ever() -> None:
    message = said({"conversation_unreplied.vi.j2": SHORT})
    assert message.title == "Minh: 23 phút"
    assert message.lines == render(alert(), FIRING, VI, OPENED, ZONE).lines
    assert said({"conversation_unreplied.vi.j2": SHORT}, language=EN).title == "Minh has waited 23 min on Shop A"


def test_lines_are_lines_and_empty_ones_none() -> None:
    text = """
        {% block lines %}
        Trang {{ page }}

        {% if event == "resolved" %}
        Xong
        {% else %}
        Từ {{ since | moment }}, {{ waited | minutes }} phút
        {% endif %}
        {% endblock %}
    """
    assert said({"conversation_unreplied.vi.j2": text}).lines == ("Trang Shop A", "Từ 10:37 ngày 03/03, 23 phút")
    ended = replace(alert(), status=AlertStatus.RESOLVED, resolved_at=OPENED, resolution="answered")
    assert said({"conversation_unreplied.vi.j2": text}, ended, RESOLVED).lines == ("Trang Shop A", "Xong")


def test_a_digest_takes_its_lines_from_the_template() -> None:
    own = FolderTexts(
        {"conversation_unreplied.vi.j2": "{% block item %}{{ customer }} ({{ waited | minutes }}'){% endblock %}"}
    )
    found = [alert(), alert(number=2, customer_name="Lan")]
    digest = render_digest(found, FIRING, VI, OPENED, ZONE, audience=Audience("Sales"), own=own)
    assert [item.text for item in digest.items] == ["Minh (23')", "Lan (23')"]
    assert digest.title == "2 khách chờ quá lâu (Sales)"


DIGEST = """
    {% block title %}{{ left }}/{{ total }} ({{ team }}), {{ event }}{% endblock %}
    {% block lines %}
    {{ longest | duration }}
    {% for page, count in by_page %}{{ page }}: {{ count }} {% endfor %}
    {% endblock %}
"""


def test_what_stands_above_a_digest_can_be_said_in_other_words() -> None:
    own = FolderTexts({"digest.vi.j2": DIGEST, "short/digest.vi.j2": "{% block title %}{{ left }}!{% endblock %}"})
    found = [alert(), alert(number=2)]
    digest = render_digest(found, FIRING, VI, OPENED, ZONE, audience=Audience("Sales"), own=own)
    assert (digest.title, digest.lines) == ("2/2 (Sales), firing", ("23 phút", "Shop A: 2"))
    over = replace(found[0], status=AlertStatus.RESOLVED, resolved_at=OPENED, resolution="answered")
    changed = render_digest([over, found[1]], RESOLVED, VI, OPENED, ZONE, own=own)
    assert changed.title == "1/2 (None), changed"
    assert render_digest([over], RESOLVED, VI, OPENED, ZONE, own=own).title == "0/1 (None), resolved"
    short = render_digest(found, FIRING, VI, OPENED, ZONE, audience=Audience("Sales", template="short"), own=own)
    built_in = render_digest(found, FIRING, VI, OPENED, ZONE, audience=Audience("Sales"))
    assert (short.title, short.lines) == ("2!", built_in.lines)
    assert render_digest(found, FIRING, EN, OPENED, ZONE, own=own).title == "2 customers have waited too long"


def test_a_job_that_calls_its_alerts_digests_has_no_template_for_them() -> None:
    subject = alert("digest")
    assert said({"digest.vi.j2": DIGEST}, subject) == render(subject, FIRING, VI, OPENED, ZONE)


def test_a_template_of_digests_is_tried_as_well() -> None:
    assert faults("{% block item %}x{% endblock %}", "digest.vi.j2") == [
        "ALERT_TEMPLATES: digest.vi.j2: there is no block item; the blocks are title, lines."
    ]
    assert faults("{% block lines %}\n{{ customer }}{% endblock %}", "digest.vi.j2") == [
        "ALERT_TEMPLATES: digest.vi.j2 line 2: 'customer' is undefined (tried on a warning digest of "
        "conversation_unreplied with every fact)."
    ]
    assert faults("{% block title %}{% if elsewhere %}x{% endif %}{{ team.name }}{% endblock %}", "digest.en.j2")


def test_parts_can_be_shared_and_the_built_in_text_be_used() -> None:
    files = {
        "_sign.j2": "[{{ severity }}]",
        "conversation_unreplied.vi.j2": "{% block title %}{% include '_sign.j2' %} {{ title }}{% endblock %}",
    }
    assert said(files).title == "[medium] Minh đã chờ 23 phút trên Shop A"


def test_kinds_of_ones_own_jobs_have_their_notes() -> None:
    files = {"disk_full.vi.j2": "{% block title %}Ổ đĩa còn {{ notes.get('free_mib', '?') }} MiB{% endblock %}"}
    assert said(files, alert("disk_full", free_mib=12)).title == "Ổ đĩa còn 12 MiB"


NAMES = FolderTexts(
    {"conversation_unreplied.vi.j2": "{% block title %}{{ customer }} {{ notes.get('customer_name') }}{% endblock %}"}
)


@given(name=st.text(max_size=700))
def test_whatever_a_customer_is_called_is_data(name: str) -> None:
    subject = alert(customer_name="{{ 7 * 7 }} 0901234567 " + name)
    message = render(subject, FIRING, VI, OPENED, ZONE, own=NAMES)
    assert message.title.startswith("{{ 7 * 7 }} •••")
    assert message.title.isprintable()
    assert len(message.title) <= LONGEST_LINE


def test_a_template_cannot_say_without_end() -> None:
    text = "{% block lines %}" + ("x" * 900 + "\n") * 50 + "{% endblock %}"
    message = said({"conversation_unreplied.vi.j2": text})
    assert len(message.lines) == MOST_LINES
    assert max(map(len, message.lines)) == LONGEST_LINE


# --- what is wrong with them ---


FULL, BARE = "warning alert with every fact", "warning alert with hardly any fact"


@pytest.mark.parametrize(
    ("text", "line", "what", "tried_on"),
    [
        ("{% block title %}\n{{ customer }\n{% endblock %}", 2, "unexpected '}'", None),
        ("{% block title %}\n\n{{ custmer }}{% endblock %}", 3, "'custmer' is undefined", FULL),
        ("{% block title %}{{ due | moment }}{% endblock %}", 1, "None is no moment; ask `{% if ... %}` first", BARE),
        ("{% block lines %}{{ page | duration }}{% endblock %}", 1, "'Shop A' is no span of time", FULL),
        ("{% block lines %}{{ pages | duration }}{% endblock %}", 1, "'pages' is undefined", FULL),
        ("{% block item %}{{ nothing }}{% endblock %}", 1, "'nothing' is undefined", FULL),
        ("{% block title %}{% include 'x.j2' %}{% endblock %}", 1, "there is no file x.j2 in the folder", None),
        ("{% block title %}{{ page.__class__ }}{% endblock %}", 1,
         "access to attribute '__class__' of 'str' object is unsafe", FULL),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence_with_its_line(text: str, line: int, what: str, tried_on: str | None) -> None:
    tried = f" (tried on a {tried_on})" if tried_on else ""
    assert faults(text) == [f"ALERT_TEMPLATES: conversation_unreplied.vi.j2 line {line}: {what}{tried}."]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{% block tittle %}x{% endblock %}", "there is no block tittle; the blocks are title, lines, item."),
        ("Khách chờ", "has no block; write {% block title %}...{% endblock %}."),
    ],
)
def test_a_file_has_blocks_that_are_known(text: str, sentence: str) -> None:
    assert faults(text) == [f"ALERT_TEMPLATES: conversation_unreplied.vi.j2: {sentence}"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("conversation_unreplyed.vi.j2", "did you mean conversation_unreplied.vi.j2?"),
        ("conversation_unreplied.fr.j2", "there is no language fr; write en or vi."),
        ("Hello.j2", "is no name for a template; write KIND.LANGUAGE.j2, or _NAME.j2 for a part."),
    ],
)
def test_a_file_is_named_after_its_kind_and_language(name: str, sentence: str) -> None:
    assert faults(SHORT, name) == [f"ALERT_TEMPLATES: {name}: {sentence}"]


def test_all_faults_are_told_at_once() -> None:
    assert len(faults("{% block title %}{{ a }}{% endblock %}", **{"page_stale.en.j2": "{%", "x.j2": ""})) == 3


# --- failing when it counts ---


def test_a_template_that_fails_is_replaced_by_the_built_in_text_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    text = "{% block title %}{% if page == 'Shop B' %}{{ 1 / 0 }}{% endif %}x{% endblock %}"
    own = FolderTexts({"conversation_unreplied.vi.j2": text})
    for _ in range(3):
        message = render(alert(page_name="Shop B"), FIRING, VI, OPENED, ZONE, own=own)
        assert message.title == "Minh đã chờ 23 phút trên Shop B"
    (record,) = caplog.records
    assert (record.levelno, record.__dict__["ALERT"]) == (logging.ERROR, f"{KIND}:1")
    assert record.getMessage() == (
        "The template conversation_unreplied.vi.j2 failed, and the built-in text is told instead: division by zero"
    )
    assert render(alert(), FIRING, VI, OPENED, ZONE, own=own).title == "x"


def test_an_empty_title_is_none() -> None:
    assert said({"conversation_unreplied.vi.j2": "{% block title %} {% endblock %}"}).title.startswith("Minh đã chờ")


# --- samples and documents ---


def test_every_kind_has_samples_with_all_its_facts_and_with_none() -> None:
    assert set(SAMPLES) == set(KINDS) == set(FACTS)
    for kind in KINDS:
        scenes = [scene for words, scene in sample_scenes(kind) if "every fact" in words]
        for name in {each.name for each in fields(FACTS[kind])} - {"customer", "team"}:
            assert any(getattr(FACTS[kind].of(scene), name) not in (None, "", ()) for scene in scenes), (kind, name)
        assert len(list(sample_scenes(kind))) == 2 * len(NotificationEvent)


def test_the_page_about_texts_names_every_variable() -> None:
    page = (Path(__file__).parents[2] / "docs" / "texts.md").read_text()
    for name in variables_of_digest(next(iter(sample_digests()))[1], ("x",)):
        assert f"`{name}`" in page, name
    for kind in (*KINDS, "disk_full"):
        scene = next(iter(sample_scenes(kind)))[1]
        for name in variables_of(scene, ("x",)):
            assert f"`{name}`" in page, (kind, name)
