"""`roundsman db` and `roundsman check-config` as a person calls them, in this process, on real stores."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from servers import PASSWORD
from sqlalchemy.engine import URL

from roundsman.cli import main
from roundsman.errors import EXIT_CONFIGURATION, EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from roundsman.repositories.schema import HEAD, VERSION_TABLE

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main((), arguments)
        said = capsys.readouterr()
        code = end.value.code or EXIT_DONE
        assert isinstance(code, int)
        return code, said.out, said.err

    return run


def test_upgrade_makes_a_new_store_and_then_finds_nothing_to_do(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "var" / "roundsman.db"
    assert call("db", "upgrade") == (EXIT_DONE, f"The database {file} was empty and has schema {HEAD} now.\n", "")
    code, out, _ = call("db", "upgrade", "--json")
    assert code == EXIT_DONE
    assert json.loads(out) == {
        "database": str(file), "change": "none", "version": HEAD, "previous": None, "backup": None,
    }  # fmt: skip


def test_backup_writes_a_usable_copy_to_the_named_file(call: Call, tmp_path: Path) -> None:
    call("db", "upgrade")
    code, out, err = call("db", "backup", "copy.db")
    assert (code, err) == (EXIT_DONE, "")
    assert out.startswith(f"Copied {tmp_path}/var/roundsman.db to copy.db (")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone() == (HEAD,)


def test_backup_chooses_a_name_in_the_backups_folder(call: Call, tmp_path: Path) -> None:
    call("db", "upgrade")
    code, out, _ = call("db", "backup", "--json")
    found = json.loads(out)
    assert code == EXIT_DONE
    assert Path(found["backup"]).parent == tmp_path / "var" / "backups"
    assert Path(found["backup"]).stat().st_size == found["bytes"]


def test_backup_does_not_write_over_a_file(call: Call, tmp_path: Path) -> None:
    call("db", "upgrade")
    (tmp_path / "precious").write_text("mine")
    assert call("db", "backup", "precious") == (
        EXIT_USAGE, "", "roundsman: precious exists already; name another file.\n",
    )  # fmt: skip
    assert (tmp_path / "precious").read_text() == "mine"


def test_backup_without_a_store_says_so_and_makes_none(call: Call, tmp_path: Path) -> None:
    code, out, err = call("db", "backup")
    assert (code, out) == (EXIT_USAGE, "")
    assert err == f"roundsman: There is no database {tmp_path}/var/roundsman.db yet; nothing was copied.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_not_copied_as_if_it_were_sound(call: Call, tmp_path: Path) -> None:
    call("db", "upgrade")
    file = tmp_path / "var" / "roundsman.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))
    code, out, err = call("db", "backup", "copy.db")
    assert (code, out) == (EXIT_FAILED, "")
    assert "is damaged" in err
    assert err.endswith("so no copy was made; restore the newest backup.\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "var"]


@pytest.mark.postgres
def test_on_postgresql_upgrade_works_and_backup_names_pg_dump(
    call: Call, postgres_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url.render_as_string(hide_password=False))
    code, out, _ = call("db", "upgrade")
    assert code == EXIT_DONE
    assert out.endswith(f"was empty and has schema {HEAD} now.\n")
    assert PASSWORD not in out
    code, out, err = call("db", "backup")
    assert (code, out) == (EXIT_USAGE, "")
    assert "pg_dump --format=custom" in err
    assert f"--host=127.0.0.1 --port={postgres_url.port} --username=roundsman {postgres_url.database}" in err
    assert PASSWORD not in err


def test_check_config_lists_what_is_in_force(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("GEMINI_MODEL", "any")
    code, out, err = call("check-config")
    assert (code, err) == (EXIT_DONE, "")
    assert [line.split() for line in out.splitlines() if line.startswith("LOG_LEVEL")] == [
        ["LOG_LEVEL", "debug", "environment"]
    ]
    assert "Note: GEMINI_MODEL is set but nothing uses it yet." in out
    assert out.endswith("The settings are in order.\n")


def test_check_config_shows_the_queue_without_its_password(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("QUEUE_TYPE", "redis")
    monkeypatch.setenv("REDIS_URL", f"redis://:{PASSWORD}@127.0.0.1:9/3")  # where nothing listens: it is only read
    code, out, err = call("check-config")
    assert (code, err) == (EXIT_DONE, "")
    assert "redis://:***@127.0.0.1:9/3" in out
    assert PASSWORD not in out


def test_check_config_says_what_production_misses(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_ENV", "production")
    code, out, err = call("check-config")
    assert (code, out) == (EXIT_CONFIGURATION, "")
    assert err.startswith("roundsman: NODE_ENV: production means QUEUE_TYPE=sqs unless said otherwise, ")
    assert "SQS_QUEUE_URL" in err
    assert "QUEUE_TYPE=local" in err


def test_check_config_prints_each_fault_as_a_sentence(call: Call, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=loud\nALERT_LANGUAGE=de\n")
    code, out, err = call("check-config")
    assert (code, out) == (EXIT_CONFIGURATION, "")
    assert err.splitlines() == [
        "roundsman: LOG_LEVEL (.env line 1): 'loud' is not one of debug, info, warning, error.",
        "roundsman: ALERT_LANGUAGE (.env line 2): 'de' is not one of en, vi.",
    ]


def test_check_config_judges_the_jobs_too(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_NO_SUCH_JOB_SCHEDULE", "every 1m")
    code, out, _ = call("check-config", "--json")
    assert code == EXIT_CONFIGURATION
    (fault,) = json.loads(out)["faults"]
    assert "no_such_job" in fault.lower()


def test_check_config_shows_no_secret(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/TOPSECRET")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:TOPSECRET@h/n")
    for arguments in (["check-config"], ["check-config", "--json"]):
        code, out, err = call(*arguments)
        assert code == EXIT_DONE
        assert "TOPSECRET" not in out + err
        assert "postgresql://u:***@h/n" in out
