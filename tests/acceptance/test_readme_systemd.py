"""The administrator's commands of the documents, on a machine with a real systemd, from installation to removal."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from documents import CHECKOUT, Block, Step, blocks, has_shape
from roundsman_box import SOON, SOURCE, RoundsmanBox
from systemd_box import missing

pytestmark = [
    pytest.mark.systemd,
    pytest.mark.slow,
    pytest.mark.xdist_group("systemd"),
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]


SHOWN = [CHECKOUT / "README.md", CHECKOUT / "docs/operations.md"]
INSTALL = "sudo deploy/systemd/install.sh"


@pytest.fixture
def box() -> Iterator[RoundsmanBox]:
    machine = RoundsmanBox()
    try:
        yield machine.boot()
    finally:
        machine.close()


def test_an_administrator_can_do_what_the_documents_say(box: RoundsmanBox) -> None:
    installed = False
    for block in (block for document in SHOWN for block in blocks(document) if block.kind == "systemd"):
        for step in block.steps():
            if step.command == INSTALL and installed:
                continue  # each document begins with it; that it may be repeated is shown by test_systemd.py
            do(box, block, step)
            installed = installed or step.command == INSTALL
    assert installed


def do(box: RoundsmanBox, block: Block, step: Step) -> None:
    """Run one command; what only looks is repeated until the daemon has done what it was asked to do."""
    command = re.sub(r"^sudo ", "", step.command)  # there is only root in the box
    looks = command.startswith(("journalctl", "systemctl status", "systemctl is-", "roundsman status"))
    last: list[str] = []

    def as_shown() -> bool:
        box.run("journalctl", "--sync")
        ran = box.run("sh", "-c", f"exec 2>&1; cd {SOURCE} && {command}", check=False)
        last[:] = [f"{block}: $ {step.command} gave {ran.returncode}:\n{ran.stdout}"]
        return ran.returncode == 0 and has_shape(ran.stdout, step.printed)

    try:
        box.eventually(as_shown, step.command, SOON if looks else timedelta(0))
    except AssertionError:
        raise AssertionError(last[0]) from None
