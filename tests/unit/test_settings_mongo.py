"""Settings of MongoDB: where it is, and that nothing of it is shown that must not be."""

from pathlib import Path

import pytest

from config import MongoSettings, Secret, Settings, SettingsError, load

NOWHERE = Path("/nonexistent")
URL = "mongodb://roundsman:s3cret-word@db1:27017,db2:27018/folkform?replicaSet=rs0"


def settings(**environ: str) -> Settings:
    return load(environ, NOWHERE)


def mongo(**environ: str) -> MongoSettings:
    found = settings(**environ).mongo
    assert found is not None
    return found


def faults(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(environ, NOWHERE)
    assert "s3cret" not in str(error.value)
    return list(error.value.faults)


def test_without_a_url_conversations_are_read_in_the_store() -> None:
    assert settings().mongo is None


def test_the_url_names_the_database() -> None:
    assert mongo(MONGO_URL=URL) == MongoSettings(Secret(URL), "folkform", {}, "auto", False)


def test_or_a_setting_does() -> None:
    assert mongo(MONGO_URL="mongodb://h", MONGO_DB="folkform").database == "folkform"
    assert mongo(MONGO_URL="mongodb://h/?replicaSet=r", MONGO_DB="folkform").database == "folkform"
    assert mongo(MONGO_URL=URL, MONGO_DB="folkform").database == "folkform"


def test_collections_trust_and_haste_are_taken_over() -> None:
    found = mongo(
        MONGO_URL=URL,
        MONGO_COLLECTION_CONVERSATIONS="c",
        MONGO_COLLECTION_MESSAGES="m.items",
        MONGO_COLLECTION_PAGES="p",
        MONGO_COLLECTION_AGENTS="a",
        MONGO_TRUST="writes",
        MONGO_PRIORITY_SYNC="on",
    )
    assert found.collections == {"conversations": "c", "messages": "m.items", "pages": "p", "agents": "a"}
    assert (found.trust, found.priority_sync) == ("writes", True)


@pytest.mark.parametrize(
    "url",
    [
        "mongodb+srv://user:s3cret@cluster0.example.net/folkform?retryWrites=true",
        "mongodb://[::1]:27017/folkform",
        "mongodb://%2Ftmp%2Fmongodb-27017.sock/folkform",
        "mongodb://user:s3%40cret@127.0.0.1/folkform",
    ],
)
def test_every_form_of_the_url_is_taken(url: str) -> None:
    assert mongo(MONGO_URL=url).url == Secret(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:27017/folkform", "is no MongoDB URL"),
        ("mysql://s3cret@h/n", "is no MongoDB URL"),
        ("mongodb:///folkform", "names no host"),
        ("mongodb://me:s3cret@h:port/n", "names no host"),
        ("mongodb://me:s3cret@h:1,/n", "names no host"),
        ("mongodb://me:s3c@ret@h/n", "reserved character"),
        ("mongodb://me:s3cret/x@h/n", "reserved character"),
        ("mongodb+srv://me:s3cret@h:27017/n", "more than a host's name"),
        ("mongodb://me:s3cret@h/a.b", "ends in no database's name"),
        ("mongodb://me:s3cret@h", "names no database; write /NAME behind the host, or set MONGO_DB"),
    ],
)
def test_a_wrong_url_is_one_sentence_without_the_url(url: str, words: str) -> None:
    (fault,) = faults(MONGO_URL=url)
    assert fault.startswith("MONGO_URL: the value ")
    assert words in fault


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MONGO_DB", "other", "contradicts MONGO_URL; remove one of the two"),
        ("MONGO_DB", "a b", "is no database's name"),
        ("MONGO_COLLECTION_PAGES", "system.users", "is no collection's name"),
        ("MONGO_COLLECTION_PAGES", "a$b", "is no collection's name"),
        ("MONGO_TRUST", "nobody", "is not one of auto, agents, writes, always"),
    ],
)
def test_what_does_not_fit_is_said(name: str, value: str, words: str) -> None:
    (fault,) = faults(**{"MONGO_URL": URL, name: value})
    assert fault.startswith(f"{name}: '{value}' ")
    assert words in fault


def test_what_needs_the_url_is_noted_without_it() -> None:
    assert settings(MONGO_DB="folkform", MONGO_PRIORITY_SYNC="on").notes == (
        "MONGO_DB has no effect without MONGO_URL.",
        "MONGO_PRIORITY_SYNC has no effect without MONGO_URL.",
    )


def test_mongo_goes_before_pancake_and_that_is_noted() -> None:
    notes = settings(MONGO_URL=URL, PANCAKE_ACCESS_TOKEN="t" * 40).notes
    assert (
        "MONGO_URL is set, so conversations are read there and not from Pancake: PANCAKE_ACCESS_TOKEN has no effect."
    ) in notes


def test_the_password_is_hidden_and_known_as_a_secret() -> None:
    found = settings(MONGO_URL="mongodb://roundsman:s3cret-word@db1:27017/folkform?authSource=admin")
    (row,) = [each for each in found.in_force if each.name == "MONGO_URL"]
    assert row.shown == "mongodb://roundsman:***@db1:27017/folkform"
    assert "s3cret-word" in found.secrets()
    (row,) = [each for each in settings(MONGO_URL=URL).in_force if each.name == "MONGO_URL"]
    assert row.shown == "***"


def test_the_url_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{URL}\n")
    assert mongo(MONGO_URL_FILE=str(tmp_path / "url")).url == Secret(URL)
