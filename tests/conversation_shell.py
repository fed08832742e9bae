"""`roundsman conversations ...` called in this process, with a state folder of its own."""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chats import Document

from jobs import JOBS
from roundsman.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class ConversationShell:
    """Calls the command line under the machine's clock; `settings` hold for every call."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.file = folder / "export.json"
        self._settings = {"ROUNDSMAN_STATE_DIR": str(folder / "state"), **settings}

    def run(self, *arguments: str, stdin: str = "", **settings: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            patch.chdir(self.folder)
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            for name, value in {**self._settings, **settings}.items():
                patch.setenv(name, value)
            main(JOBS, ["conversations", *arguments])
        assert isinstance(end.value.code, int)
        return Done(end.value.code, out.getvalue(), err.getvalue())

    def json(self, *arguments: str, **settings: str) -> Any:
        done = self.run(*arguments, "--json", **settings)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def take(self, content: Document) -> Done:
        self.file.write_text(json.dumps(content), encoding="utf-8")
        return self.run("import", str(self.file))
