"""`roundsman mongo` and what else reads a MongoDB, as a person calls them."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chats import NOW, conversation, export, message, milliseconds, page
from mongo_server import MongoPlace
from servers import PASSWORD

from jobs import JOBS
from roundsman.cli import main
from roundsman.conversations.mongo.indexes import OUR_NAME
from roundsman.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, url: str | None = None) -> tuple[int, str, str]:
        if url is not None:
            monkeypatch.setenv("MONGO_URL", url)
        with pytest.raises(SystemExit) as end:
            main(JOBS, arguments)
        said = capsys.readouterr()
        assert PASSWORD not in said.out + said.err
        code = end.value.code or EXIT_DONE
        assert isinstance(code, int)
        return code, said.out, said.err

    return run


def test_without_a_mongodb_there_is_nothing_to_look_at(call: Call) -> None:
    code, out, err = call("mongo", "check")
    assert (code, out) == (EXIT_USAGE, "")
    assert "MONGO_URL is not set" in err


@pytest.mark.mongo
def test_indexes_are_missed_made_and_found(call: Call, mongo: MongoPlace) -> None:
    mongo.fill(
        export(
            conversations=[conversation(updatedAt=milliseconds(NOW))],
            messages=[message("m1", NOW, updated_at=milliseconds(NOW))],
        )
    )
    for name in ("fb_conversations", "fb_message_items"):
        mongo.database[name].drop_index(OUR_NAME)
    code, out, err = call("mongo", "check", url=mongo.url)
    assert code == EXIT_FAILED
    assert "fb_conversations" in out
    assert err.endswith("let somebody who may write there run: roundsman mongo create-indexes.\n")
    code, out, err = call("mongo", "create-indexes")
    assert (code, out) == (EXIT_FAILED, "")
    assert "does not allow the user of MONGO_URL" in err
    code, out, err = call("mongo", "create-indexes", url=mongo.writing_url)
    assert (code, err) == (EXIT_DONE, "")
    assert out.endswith("made the index roundsman_changes of fb_conversations and fb_message_items.\n")
    assert call("mongo", "create-indexes")[1].endswith("the indexes are there already.\n")
    assert json.loads(call("mongo", "create-indexes", "--json")[1])["created"] == []
    code, out, err = call("mongo", "check", url=mongo.url)
    assert (code, err) == (EXIT_DONE, "")
    assert out.endswith(" is in order.\n")
    assert json.loads(call("mongo", "check", "--json")[1])["collections"]["messages"] == "fb_message_items"


@pytest.mark.mongo
def test_conversations_are_listed_from_there(call: Call, mongo: MongoPlace) -> None:
    mongo.fill(export(pages=[page()], conversations=[conversation()], messages=[message("m1", NOW)]))
    code, out, err = call("conversations", "list", "--json", url=mongo.url)
    assert (code, err) == (EXIT_DONE, "")
    assert [each["conversation_id"] for each in json.loads(out)] == ["100_1"]


@pytest.mark.mongo
def test_the_jobs_of_the_program_read_it_and_tell_who_waits(call: Call, mongo: MongoPlace) -> None:
    at = milliseconds(NOW)
    mongo.fill(
        export(pages=[page()], conversations=[conversation(updatedAt=at)], messages=[message("m1", NOW, updated_at=at)])
    )
    states = {each["job"]: each["state"] for each in json.loads(call("jobs", "list", "--json", url=mongo.url)[1])}
    assert (states["mongo_sync"], states["data_sync"]) == ("scheduled", "disabled")
    assert call("jobs", "run", "mongo_sync")[0] == EXIT_DONE
    assert call("jobs", "run", "conversation_monitor")[0] == EXIT_DONE
    (alert,) = json.loads(call("alerts", "list", "--json")[1])
    assert alert["fingerprint"] == "conversation_unreplied:100_1"


def test_without_one_its_job_is_off(call: Call) -> None:
    states = {each["job"]: each["state"] for each in json.loads(call("jobs", "list", "--json")[1])}
    assert states["mongo_sync"] == "disabled"


def test_a_mongodb_that_is_away_is_one_sentence(call: Call) -> None:
    url = f"mongodb://me:{PASSWORD}@127.0.0.1:1/folkform?serverSelectionTimeoutMS=100"
    code, out, err = call("conversations", "list", url=url)
    assert (code, out) == (EXIT_FAILED, "")
    assert err.startswith("roundsman: mongo 127.0.0.1:1/folkform cannot be reached")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [("conversations", "list"), ("conversations", "due"), ("mongo", "check")])
def test_a_command_says_within_seconds_that_nobody_answers(call: Call, command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        began = time.monotonic()
        url = f"mongodb://me:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/folkform"
        code, out, err = call(*command, url=url)
        took = time.monotonic() - began
    assert (code, out) == (EXIT_FAILED, "")
    assert "cannot be reached; see whether it runs" in err
    assert err.count("\n") == 1
    assert took < 10  # three seconds, on a machine with nothing else to do


def test_nobody_pays_for_pymongo_who_has_no_mongodb(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from roundsman.app.composition import App\n"
        "from roundsman.app.settings import read_settings\n"
        "from roundsman.clock import SystemClock\n"
        "from jobs import JOBS\n"
        "from pathlib import Path\n"
        "app = App(read_settings({}, Path.cwd()), JOBS, (), SystemClock())\n"
        "app.works()\n"
        "assert app.conversations.mongo is None\n"
        "app.close()\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('pymongo', 'bson')))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
