"""A stand-in for Amazon SQS for the tests: moto's server, one for the whole run, started by the first test in need.

Each test has queues of its own, and a time of its own: see `sqs_process`.
"""

import fcntl
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from servers import ServerMissingError
from sqs_process import CLOCKS

from roundsman.queues.sqs import SqsPlace

REGION = "eu-central-1"
SECRET = "not-to-be-seen-either"  # searched for in error texts
_STARTS_WITHIN = 60


@dataclass(frozen=True)
class SqsServer:
    """One server with its files in `folder`; the object itself holds no process and may be made anew anywhere."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def account(self) -> Iterator["SqsAccount"]:
        """Whoever asks with a key of his own has a time of his own; his queues are deleted in the end."""
        account = SqsAccount(self, f"AKIA{secrets.token_hex(8).upper()}")
        try:
            yield account
        finally:
            account.clean_up()


class SqsAccount:
    """Makes queues, and lets time pass."""

    def __init__(self, server: SqsServer, key: str) -> None:
        import boto3

        self.server, self.key = server, key
        self.client: Any = boto3.Session(key, SECRET, region_name=REGION).client("sqs", endpoint_url=server.url)
        self._ahead = timedelta(0)
        self._urls: list[str] = []

    def make_queue(self, *, fifo: bool, **attributes: str) -> str:
        """Returns its URL."""
        name = f"t-{secrets.token_hex(8)}" + (".fifo" if fifo else "")
        wanted = {"MessageRetentionPeriod": "1209600", **attributes} | ({"FifoQueue": "true"} if fifo else {})
        url = str(self.client.create_queue(QueueName=name, Attributes=wanted)["QueueUrl"])
        self._urls.append(url)
        return url

    def arn(self, url: str) -> str:
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def place(self, queue_url: str, dead_letter_url: str | None = None) -> SqsPlace:
        return SqsPlace(queue_url, dead_letter_url, REGION, self.server.url, self.key, SECRET)

    def pass_time(self, by: timedelta) -> None:
        """For this account, as far as SQS has to do with it."""
        self._ahead += by
        clock = self.server.folder / CLOCKS / self.key
        new = clock.with_suffix(".new")
        new.write_text(str(self._ahead.total_seconds()))
        new.replace(clock)  # the server may be reading it

    def receive_and_go_away(self, url: str) -> None:
        """Wait a moment for messages and hang up, as the system does for a killed process. Raises ReadTimeoutError."""
        import boto3
        from botocore.config import Config

        patience = Config(read_timeout=0.3, retries={"max_attempts": 0})
        session = boto3.Session(self.key, SECRET, region_name=REGION)
        with closing(session.client("sqs", endpoint_url=self.server.url, config=patience)) as client:
            client.receive_message(QueueUrl=url, WaitTimeSeconds=20, VisibilityTimeout=3_600)

    def clean_up(self) -> None:
        for url in self._urls:
            self.client.delete_queue(QueueUrl=url)
        self.client.close()
        (self.server.folder / CLOCKS / self.key).unlink(missing_ok=True)


def shared_sqs(folder: Path) -> SqsServer:
    """The run's server in `folder`, started if nobody did yet. Raises ServerMissingError."""
    with (folder / "sqs-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        port_file = folder / "sqs-port"
        if not port_file.exists():
            port_file.write_text(str(_start(folder).port))
        return SqsServer(folder, int(port_file.read_text()))


def stop_sqs(folder: Path) -> None:
    """Kill the server in `folder`, if there is one."""
    with suppress(OSError, ValueError):
        os.kill(int((folder / "sqs-pid").read_text()), signal.SIGKILL)
        (folder / "sqs-pid").unlink()


def _start(folder: Path) -> SqsServer:
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise ServerMissingError("moto[server] is not installed; run: make test")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / CLOCKS).mkdir(exist_ok=True)
    with (folder / "sqs-output").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", Path(__file__).with_name("sqs_process.py"), str(folder), str(port)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C ends the tests first
        )
    (folder / "sqs-pid").write_text(str(process.pid))
    deadline = time.monotonic() + _STARTS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                process.returncode = 0  # it outlives this object, which is no reason for a warning
                return SqsServer(folder, port)
        time.sleep(0.05)
    raise RuntimeError(f"moto's server did not start:\n{(folder / 'sqs-output').read_text()[-2000:]}")
