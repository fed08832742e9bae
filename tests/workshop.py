"""A copy of the checkout in which the documents' commands run and their files are written, and `make run` in it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from documents import CHECKOUT, Block, has_shape, words
from mongo_server import MongoPlace

from config import load
from jobs import JOBS
from roundsman.app.policies import policies_of
from roundsman.app.settings import registry_of
from roundsman.cli.commands import build

BIN = Path(sys.executable).parent
PATIENCE_S = 60.0
ALERTS_WITHIN_S = 10.0
"""The promise of `make run`, counted from READY."""
_FOLDERS = ("config", "jobs", "roundsman", "samples", "deploy")
_FILES = ("tests/mongod.txt", "daemon.py", "Makefile", "pyproject.toml", "constraints.txt", "README.md", "LICENSE")
_ADMIN_TOOLS = {"systemctl", "journalctl", "roundsman", "deploy/systemd/install.sh", "sh"}


class MakeRun:
    """`make run` in a copy of the checkout."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        # the environment is there already, and nothing in a copy may change it
        self._make = subprocess.Popen(
            ["make", "--old-file=.venv/bin/roundsman", "run"],
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._lines: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._make.stdout is not None
        for line in self._make.stdout:
            with self._changed:
                self._lines.append((time.monotonic(), line))
                self._changed.notify_all()

    @property
    def printed(self) -> str:
        return "".join(line for _, line in self._lines)

    def wait_for(self, holds: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE_S), f"{what} never came:\n{self.printed}"

    def first(self, text: str) -> float:
        """When the first line with this text was printed."""
        return next(at for at, line in self._lines if text in line)

    def interrupt(self) -> int:
        """Ctrl-C for the daemon; returns make's exit code."""
        children = Path(f"/proc/{self._make.pid}/task/{self._make.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGINT)
        code = self._make.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self._make.stdout is not None
        self._make.stdout.close()
        return code

    def kill(self) -> None:
        if self._make.poll() is None:
            os.killpg(self._make.pid, signal.SIGKILL)
            self._make.wait(PATIENCE_S)


class Workshop:
    """A copy of the checkout, where the documents' commands run and their files are written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.home = folder
        self.running: MakeRun | None = None
        self.mongo: Callable[[], MongoPlace] | None = None
        """Gives a MongoDB that holds the sample without our indexes; asked only if a document needs it."""
        for name in _FOLDERS:
            shutil.copytree(CHECKOUT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "tests").mkdir()
        for name in _FILES:
            shutil.copy(CHECKOUT / name, self.folder / name)
        (self.folder / ".venv").symlink_to(BIN.parent)
        self.env = {
            "PATH": f"{BIN}:{os.defpath}",
            "PYTHONPATH": str(self.folder),  # before the checkout that is installed
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
        }

    def do(self, block: Block) -> None:
        self.WORK[block.kind](self, block)

    def _picture(self, block: Block) -> None:
        pass

    def _run(self, block: Block) -> None:
        for step in block.steps():
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", step.command],
                cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, encoding="utf-8", timeout=PATIENCE_S, check=False,
            )  # fmt: skip
            assert ran.returncode == 0, f"{block}: $ {step.command}\n{ran.stdout}"
            assert has_shape(ran.stdout, step.printed), f"{block}: $ {step.command} prints\n{ran.stdout}"

    def _mongo(self, block: Block) -> None:
        assert self.mongo is not None
        place = self.mongo()
        self.env |= {"MONGO_URL": place.url, "ADMIN_URL": place.writing_url}
        self._run(block)

    def _make_run(self, block: Block) -> None:
        (step,) = block.steps()
        assert step.command == "make run"
        self.running = run = MakeRun(self.folder, self.env)
        run.wait_for(lambda: has_shape(run.printed, step.printed, whole=False), f"{block}: what the document shows")
        waited_s = run.first(" ALERT ") - run.first(" Ready: ")
        assert waited_s < ALERTS_WITHIN_S

    def _beside(self, block: Block) -> None:
        assert self.running is not None, f"{block}: `make run` must come first"
        self._run(block)

    def stop_running(self) -> None:
        assert self.running is not None
        assert self.running.interrupt() == 0, self.running.printed
        assert self.running.printed.rstrip().endswith("Stopped")
        self.running = None

    def _make(self, block: Block) -> None:
        for step in block.steps():
            plan = subprocess.run(
                [*words(step.command)[:1], "--dry-run", "--old-file=.venv/bin/roundsman", *words(step.command)[1:]],
                cwd=self.folder, env=self.env, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert plan.returncode == 0, f"{block}: $ {step.command}\n{plan.stderr}"

    def _pytest(self, block: Block) -> None:
        for step in block.steps():
            program, *arguments = words(step.command)
            assert program == "pytest"
            chosen = [word for word in arguments if word.startswith("tests")]
            assert all((CHECKOUT / path).exists() for path in chosen), str(block)
            if "-m" in arguments:
                marker = arguments[arguments.index("-m") + 1].removeprefix("not ")
                assert f'"{marker}: ' in (CHECKOUT / "pyproject.toml").read_text(), f"{block}: {marker}"

    def _module(self, block: Block) -> None:
        for step in block.steps():
            program, option, module, *_ = words(step.command)
            assert (program, option) == ("python", "-m")
            asked = subprocess.run(
                [BIN / "python", "-m", module],
                cwd=self.folder,
                env=self.env,
                capture_output=True,
                text=True,
                check=False,
            )
            assert f"usage: python -m {module}" in asked.stderr, f"{block}:\n{asked.stderr}"

    def _settings(self, block: Block) -> None:
        (self.folder / "secret").write_text("s3cret-value\n")
        text = re.sub(r"(?m)^(\w+_FILE)=.*$", r"\1=secret", block.body)
        (self.folder / "shown.env").write_text(text)
        settings = load({"ROUNDSMAN_ENV_FILE": "shown.env"}, self.folder)
        registry_of(settings, JOBS)
        assert settings.notes == (), str(block)

    def _file(self, block: Block) -> None:
        assert block.argument is not None
        path = self.folder / block.argument
        path.parent.mkdir(parents=True, exist_ok=True)  # the tests are not in the copy
        path.write_text(block.body, encoding="utf-8")
        if path.suffix == ".py":
            self._lint(block)

    def _policies(self, block: Block) -> None:
        assert block.argument is not None
        path = self.folder / block.argument
        path.write_text(block.body, encoding="utf-8")
        settings = load({"POLICIES_FILE": str(path), "SLACK_WEBHOOK_URL": "https://hooks.slack.com/x"}, self.folder)
        found = policies_of(settings)
        assert found.book.policies or found.rules.routes, str(block)

    def _lint(self, block: Block) -> None:
        assert block.argument is not None
        for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
            linted = subprocess.run(
                [BIN / "ruff", *check, block.argument],
                cwd=self.folder, env=self.env, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert linted.returncode == 0, f"{block}:\n{linted.stdout}"

    def _channel(self, block: Block) -> None:
        self._file(block)
        suite = self.home / "test_shown_channel.py"
        suite.write_text(_CONTRACT)
        ran = subprocess.run(
            [BIN / "pytest", "-q", "-n0", "-p", "no:cacheprovider", "-c", self.folder / "pyproject.toml",
             "--rootdir", self.home, suite],
            cwd=self.home,
            env=self.env | {"PYTHONPATH": f"{self.folder}:{CHECKOUT / 'tests'}:{CHECKOUT / 'tests/contract'}"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{block}:\n{ran.stdout[-4000:]}{ran.stderr[-2000:]}"
        assert re.search(r"^\d{3} passed", ran.stdout, re.MULTILINE), ran.stdout[-500:]

    def _patch(self, block: Block) -> None:
        done = subprocess.run(
            ["patch", "--strip=1", "--no-backup-if-mismatch"],
            cwd=self.folder, env=self.env, input=block.body, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}: the code has changed, so this diff must:\n{done.stdout}{done.stderr}"

    def _systemd(self, block: Block) -> None:
        """Whether they work is shown elsewhere; that they exist can be said on every machine."""
        for step in block.steps():
            subprocess.run(["bash", "-n", "-c", step.command], check=True)
            program, *arguments = words(step.command)
            assert program in _ADMIN_TOOLS, f"{block}: {program}"
            if program == "roundsman":
                _exists(block, arguments)

    WORK: Mapping[str, Callable[["Workshop", Block], None]] = {
        "picture": _picture, "run": _run, "make-run": _make_run, "beside": _beside, "make": _make, "pytest": _pytest,
        "module": _module, "settings": _settings, "file": _file, "policies": _policies, "channel": _channel,
        "patch": _patch, "mongo": _mongo, "systemd": _systemd,
    }  # fmt: skip


_CONTRACT = '''\
"""The contract suite of the channels, over the channel that a document shows."""

import inspect
from datetime import timedelta

import pytest
import test_channels
from conftest import clock  # noqa: F401
from test_channels import url  # noqa: F401

from roundsman.alerts.channels.base import HTTP_TIMEOUT
from roundsman.alerts.channels.mattermost import MattermostChannel

SECRET = "q7m1xkbs4tnbuxwz5kcy8tfe"


class Shown(test_channels.Service):
    def channel(self, url, clock, timeout=HTTP_TIMEOUT):
        return MattermostChannel("mattermost", clock, f"{url}/hooks/{SECRET}", timeout)


@pytest.fixture
def service():
    return Shown(None, "ok", (SECRET,))


for name, value in vars(test_channels).items():
    if name.startswith("test_") and "service" in inspect.signature(value).parameters:
        globals()[name] = value
'''


def _exists(block: Block, arguments: list[str]) -> None:
    """The commands and options are there."""
    command = build()
    for word in arguments:
        inner = command.get_command(None, word) if hasattr(command, "get_command") else None
        if inner is not None:
            command = inner
        elif word.startswith("-"):
            options = {option for parameter in command.params for option in parameter.opts}
            assert word.partition("=")[0] in options, f"{block}: {command.name} has no {word}"
        else:
            assert not hasattr(command, "get_command"), f"{block}: {command.name} has no command {word}"
