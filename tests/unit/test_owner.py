"""Who holds a claim, and when it is sure that nobody does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from roundsman.owner import Owner, dead_owners


@pytest.fixture
def me() -> Owner:
    return Owner.this_process()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that only waits."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def owner_of(process: "subprocess.Popen[bytes]") -> Owner:
    with open(f"/proc/{process.pid}/stat") as stat:  # noqa: PTH123  one line of the kernel's
        started = int(stat.read().rpartition(")")[2].split()[19])
    return replace(Owner.this_process(), pid=process.pid, started=started)


def test_an_owner_survives_its_text(me: Owner) -> None:
    assert Owner.parse(str(me)) == me


def test_a_host_name_may_hold_a_slash(me: Owner) -> None:
    odd = replace(me, host="rack/7")
    assert Owner.parse(str(odd)) == odd


@pytest.mark.parametrize("text", ["", "host/place/1", "host/place/one/2"])
def test_a_text_that_is_no_owner_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Owner.parse(text)


def test_this_process_lives(me: Owner) -> None:
    assert (me.pid, me.surely_dead()) == (os.getpid(), False)


def test_a_killed_process_is_surely_dead_even_before_it_is_reaped(child: "subprocess.Popen[bytes]") -> None:
    owner = owner_of(child)
    assert not owner.surely_dead()
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    assert owner.surely_dead()
    child.wait()
    assert owner.surely_dead()


def test_a_stopped_process_is_not_dead(child: "subprocess.Popen[bytes]") -> None:
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert not owner_of(child).surely_dead()


def test_a_pid_that_was_given_to_somebody_else_is_another_process(me: Owner) -> None:
    assert replace(me, started=me.started - 1).surely_dead()


def test_before_a_reboot_of_this_host_everything_is_dead(me: Owner) -> None:
    _, _, namespace = me.place.partition("+")
    assert replace(me, place=f"0123456789ab+{namespace}").surely_dead()


@pytest.mark.parametrize("foreign", ["host", "namespace"])
def test_of_another_machine_nothing_is_sure(me: Owner, foreign: str) -> None:
    boot, _, namespace = me.place.partition("+")
    if foreign == "host":
        there = replace(me, host="elsewhere", place=f"0123456789ab+{namespace}", pid=1)
    else:
        there = replace(me, place=f"{boot}+1", pid=1)
    assert not there.surely_dead()


def test_the_dead_are_picked_out_of_many(me: Owner) -> None:
    gone = replace(me, started=me.started - 1)
    assert dead_owners({str(me), str(gone)}) == {str(gone)}
    assert dead_owners(set()) == set()
