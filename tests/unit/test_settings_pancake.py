"""The settings of Pancake: tokens that are never shown, and every fault in one sentence."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from config import Secret, Settings, SettingsError, load
from jobs import JOBS
from roundsman.app.settings import registry_of
from roundsman.errors import ConfigurationError

NOWHERE = Path("/nonexistent")
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.secret-of-a-page"
OTHER = "0123456789abcdef0123456789abcdef"


def settings(environ: Mapping[str, str], directory: Path = NOWHERE) -> Settings:
    return load(environ, directory)


def faults(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(environ, NOWHERE)
    assert TOKEN not in str(error.value)
    return list(error.value.faults)


def test_without_a_token_there_is_no_pancake_and_its_job_is_off() -> None:
    found = settings({})
    assert found.pancake is None
    assert not registry_of(found, JOBS)["data_sync"].enabled


def test_pages_with_their_tokens_switch_the_job_on() -> None:
    found = settings({"PANCAKE_PAGE_ACCESS_TOKENS": f"100={TOKEN}, 200={OTHER} wa_84.us@x={TOKEN}"})
    assert found.pancake is not None
    assert found.pancake.page_tokens == {"100": Secret(TOKEN), "200": Secret(OTHER), "wa_84.us@x": Secret(TOKEN)}
    assert (found.pancake.user_token, found.pancake.base_url) == (None, "https://pages.fm")
    assert (found.pancake.first_sync, found.pancake.overlap) == (timedelta(days=7), timedelta(minutes=5))
    assert registry_of(found, JOBS)["data_sync"].enabled


def test_a_users_token_alone_will_do() -> None:
    found = settings({"PANCAKE_ACCESS_TOKEN": TOKEN, "PANCAKE_SYNC_DAYS": "2.5", "PANCAKE_OVERLAP_MINUTES": "30"})
    assert found.pancake is not None
    assert found.pancake.user_token == Secret(TOKEN)
    assert (found.pancake.first_sync, found.pancake.overlap) == (timedelta(days=2.5), timedelta(minutes=30))


def test_tokens_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"100={TOKEN},200={OTHER}\n", encoding="utf-8")
    found = settings({"PANCAKE_PAGE_ACCESS_TOKENS_FILE": str(tmp_path / "tokens")}, tmp_path)
    assert found.pancake is not None
    assert sorted(found.pancake.page_tokens) == ["100", "200"]


def test_tokens_are_shown_nowhere_and_each_is_hidden_from_the_log() -> None:
    found = settings({"PANCAKE_PAGE_ACCESS_TOKENS": f"100={TOKEN},200={OTHER}", "PANCAKE_ACCESS_TOKEN": "u" * 30})
    assert {TOKEN, OTHER, "u" * 30} <= set(found.secrets())
    assert TOKEN not in repr(found)
    shown = {item.name: item.shown for item in found.in_force}
    assert (shown["PANCAKE_PAGE_ACCESS_TOKENS"], shown["PANCAKE_ACCESS_TOKEN"]) == ("***", "***")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "PANCAKE_PAGE_ACCESS_TOKENS",
            f"100={OTHER},{TOKEN}",
            "the value holds no PAGE_ID=TOKEN as entry 2; write PAGE_ID=TOKEN,PAGE_ID=TOKEN.",
        ),
        (
            "PANCAKE_PAGE_ACCESS_TOKENS",
            f"{TOKEN}=100",
            "the value holds no token in entry 1; copy the whole of it from the page's settings, Tools.",
        ),
        (
            "PANCAKE_PAGE_ACCESS_TOKENS",
            f"100={TOKEN},100={OTHER}",
            "the value holds a second token for the page of entry 2; keep the newer one.",
        ),
        (
            "PANCAKE_ACCESS_TOKEN",
            f"100={TOKEN}",
            "the value is no access token; copy the whole of it, in one line, from your account at pages.fm.",
        ),
        (
            "PANCAKE_BASE_URL",
            "http://pages.fm",
            "'http://pages.fm' is not an https:// address (http:// is accepted for this machine only).",
        ),
        ("PANCAKE_SYNC_DAYS", "0", "'0' is not a number of days above 0 and up to 365."),
        ("PANCAKE_OVERLAP_MINUTES", "soon", "'soon' is not a number of minutes above 0 and up to 720."),
    ],
)
def test_each_fault_is_one_sentence(name: str, value: str, sentence: str) -> None:
    assert faults({name: value}) == [f"{name}: {sentence}"]


def test_what_has_no_effect_is_noted() -> None:
    assert settings({"PANCAKE_SYNC_DAYS": "3"}).notes == (
        "PANCAKE_SYNC_DAYS has no effect without PANCAKE_PAGE_ACCESS_TOKENS or PANCAKE_ACCESS_TOKEN.",
    )


def test_the_job_cannot_be_switched_on_without_a_token() -> None:
    with pytest.raises(ConfigurationError) as error:
        registry_of(settings({"JOB_DATA_SYNC_ENABLED": "on"}), JOBS)
    assert error.value.faults == (
        "JOB_DATA_SYNC_ENABLED: it cannot be on without PANCAKE_PAGE_ACCESS_TOKENS or PANCAKE_ACCESS_TOKEN; "
        "set that, or take this away.",
    )


def test_the_job_can_be_switched_off_with_one() -> None:
    found = settings({"PANCAKE_ACCESS_TOKEN": TOKEN, "JOB_DATA_SYNC_ENABLED": "off"})
    assert not registry_of(found, JOBS)["data_sync"].enabled
