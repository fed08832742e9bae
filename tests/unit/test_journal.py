"""The native protocol on a real datagram socket."""

import array
import errno
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from roundsman import journal
from roundsman.journal import MOST_BYTES, Journal, Sent, encode, stream_is_journal


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.settimeout(5)
        yield listening


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Journal]:
    sending = Journal(tmp_path / "socket")
    yield sending
    sending.close()


def test_a_value_of_one_line_is_written_plainly() -> None:
    assert encode({"MESSAGE": "chờ", "JOB": "x"}) == "MESSAGE=chờ\nJOB=x\n".encode()


def test_a_value_of_many_lines_carries_its_length() -> None:
    assert encode({"MESSAGE": "a\nb"}) == b"MESSAGE\n" + struct.pack("<Q", 3) + b"a\nb\n"


def test_a_huge_value_is_cut_between_characters_and_says_so() -> None:
    entry = encode({"MESSAGE": "x" + "ờ" * MOST_BYTES})
    assert len(entry) < MOST_BYTES + 100
    assert "bytes more)" in entry.decode("utf-8")


def test_an_entry_arrives_as_one_datagram(receiver: socket.socket, sender: Journal) -> None:
    assert sender.send({"MESSAGE": "a"}) is Sent.TAKEN
    assert receiver.recv(100) == b"MESSAGE=a\n"


def test_an_entry_too_large_for_a_datagram_arrives_as_a_sealed_file(receiver: socket.socket, sender: Journal) -> None:
    assert sender.send({"MESSAGE": "y" * 600_000}) is Sent.TAKEN
    data, ancillary, _, _ = receiver.recvmsg(100, socket.CMSG_SPACE(4))
    (descriptor,) = array.array("i", ancillary[0][2])
    with os.fdopen(descriptor, "rb+") as file:
        assert data == b""
        file.seek(0)  # the offset is shared with the sender's descriptor
        assert file.read() == encode({"MESSAGE": "y" * 600_000})
        with pytest.raises(PermissionError) as refused:
            os.truncate(file.fileno(), 0)
        assert refused.value.errno == errno.EPERM


def test_without_a_listener_the_answer_is_away(sender: Journal, receiver: socket.socket, tmp_path: Path) -> None:
    receiver.close()
    assert sender.send({"MESSAGE": "a"}) is Sent.AWAY
    (tmp_path / "socket").unlink()
    assert sender.send({"MESSAGE": "a"}) is Sent.AWAY


def test_after_a_pause_of_the_journal_sending_works_again(receiver: socket.socket, sender: Journal) -> None:
    while sender.send({"MESSAGE": "a"}) is Sent.TAKEN:
        pass
    assert sender.send({"MESSAGE": "a"}) is Sent.BUSY
    receiver.recv(100)
    assert sender.send({"MESSAGE": "a"}) is Sent.TAKEN


def test_a_descriptor_is_the_journal_only_when_device_and_inode_match(receiver: socket.socket) -> None:
    status = os.fstat(receiver.fileno())
    assert stream_is_journal(receiver.fileno(), f"{status.st_dev}:{status.st_ino}")
    assert not stream_is_journal(receiver.fileno(), f"{status.st_dev}:{status.st_ino + 1}")


@pytest.mark.parametrize("value", [None, "", "8", "8:", ":9", "a:b", "8:9:10"])
def test_a_missing_or_odd_journal_stream_means_no_journal(value: str | None) -> None:
    assert not stream_is_journal(2, value)


def test_a_closed_descriptor_is_no_journal() -> None:
    assert not stream_is_journal(9_999, "8:9")


def test_the_socket_of_systemd_is_the_documented_one() -> None:
    assert Path("/run/systemd/journal/socket") == journal.JOURNAL_SOCKET
