"""The unit file as systemd's own checkers see it. They need no running systemd."""

import re
import shutil
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy/systemd"
UNIT = DEPLOY / "roundsman.service"

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (tests/install_servers.sh)"
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as it is, but for a program that exists on this machine."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/roundsman/venv/bin/roundsman", sys.executable))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.systemd
@needs_analyze
def test_systemd_has_nothing_to_say_about_the_unit(unit: Path) -> None:
    verified = analyze("verify", str(unit))
    assert verified.stderr == ""  # an unknown key is only printed, with status 0
    assert verified.returncode == 0


@pytest.mark.systemd
@needs_analyze
def test_the_checker_would_notice_a_misspelt_key(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("PrivateTmp=", "PrivatTmp="))
    assert "PrivatTmp" in analyze("verify", str(unit)).stderr


@pytest.mark.systemd
@needs_analyze
def test_the_exposure_is_at_most_one_and_a_half(unit: Path) -> None:
    judged = analyze("security", "--offline=true", "--threshold=15", str(unit))
    assert judged.returncode == 0, judged.stdout


def test_the_unit_stops_later_than_the_daemon_and_never_restarts_on_a_wrong_setting() -> None:
    keys = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    assert int(keys["TimeoutStopSec"]) > 25  # the default of ROUNDSMAN_SHUTDOWN_SECONDS
    assert keys["RestartPreventExitStatus"] == "78"
    assert keys["Type"] == "notify"
    assert keys["NotifyAccess"] == "main"


@pytest.mark.parametrize(
    "script", [*DEPLOY.glob("*.sh"), Path(__file__).parents[1] / "install_servers.sh"], ids=attrgetter("name")
)
def test_the_shell_can_read_the_scripts(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
