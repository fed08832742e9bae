"""The documents as tests see them: fenced blocks, each with its class, and the shape of what a command prints.

Every fenced block is preceded by `<!-- test: CLASS [argument] -->`. One without it, or of no known class, is an error:
no example can rot unseen. In a `console` block lines that begin with `$ ` are commands, the others are what they print;
`...` stands for anything, alone on a line for any lines. Times, durations and numbers only have to be of their kind.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
DOCUMENTS = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
CHAPTERS = [[CHECKOUT / "README.md", CHECKOUT / "docs/channels.md"], *([each] for each in DOCUMENTS[1:])]
"""Documents that build on each other; their blocks run in order in one copy of the checkout."""
CHAPTERS.remove([CHECKOUT / "docs/channels.md"])

CLASSES = {
    "picture": "a drawing; nothing to run",
    "run": "commands, run one after the other in a copy of the checkout",
    "make-run": "`make run`, left running until the last `beside` block is through, then interrupted",
    "beside": "commands, run while `make run` runs",
    "make": "targets of the Makefile that are too large to run inside of a test: they must exist",
    "pytest": "a part of the test suite: its files and markers must exist",
    "module": "a developer's program: it must explain itself",
    "settings": "lines of a settings file: read without a fault",
    "file": "written to the path that the comment names; Python is linted; later commands use it",
    "channel": "the same, and passes the contract suite of the channels",
    "policies": "a file of policies: written to the path that the comment names, read without a fault",
    "patch": "a diff that is applied to the copy",
    "mongo": "the same with the sample in a MongoDB: MONGO_URL may only read, $ADMIN_URL may do everything",
    "systemd": "an administrator's commands: run by test_readme_systemd.py on a machine with systemd",
}
"""What is done with a block of each class."""

_MARK = re.compile(r"<!-- test: (\S+)(?: (\S+))? -->")


@dataclass(frozen=True)
class Step:
    """One command of a console block and the lines that it is said to print."""

    command: str
    printed: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    document: Path
    line: int
    kind: str
    argument: str | None
    body: str

    def __str__(self) -> str:
        return f"{self.document.name} line {self.line}"

    def steps(self) -> list[Step]:
        """The commands of a console block."""
        steps: list[Step] = []
        for line in self.body.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line.removeprefix("$ "), ()))
            else:
                assert steps, f"{self}: output before the first command"
                steps[-1] = Step(steps[-1].command, (*steps[-1].printed, line))
        return steps


def blocks(document: Path) -> Iterator[Block]:
    """All fenced blocks of a document. Raises ValueError for one without a class."""
    mark: re.Match[str] | None = None
    lines = iter(enumerate(document.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        if not line.lstrip().startswith("```"):
            mark = _MARK.fullmatch(line) if line.strip() else mark
            continue
        if mark is None or mark[1] not in CLASSES:
            raise ValueError(f"{document.name} line {number}: no class of {', '.join(CLASSES)} before it")
        body = []
        for _, inner in lines:
            if inner.lstrip().startswith("```"):
                break
            body.append(inner)
        yield Block(document, number, mark[1], mark[2], "".join(f"{each}\n" for each in body))
        mark = None


def words(command: str) -> list[str]:
    """The words of a command, without `sudo`."""
    found = shlex.split(command)
    return found[1:] if found[:1] == ["sudo"] else found


# --- what a command prints ---

_PLAIN: Sequence[tuple[str, str]] = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d| [A-Z]{3,4}\b)?", "<time>"),
    (r"\b(\d\d-\d\d )?\d\d:\d\d(:\d\d)?\b", "<time>"),
    (r"\b\d+(\.\d+)? (ms|s|min|h|d)\b( \d+ (s|min|h)\b)?", "<span>"),
    (r"\b\d+(\.\d+)?\b", "#"),
    (r"[▁-█]+", "<bars>"),
    (r"[ \t]+", " "),
    (r" $", ""),
)


def plain(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, stands_for in _PLAIN:
        line = re.sub(pattern, stands_for, line)
    return line


def has_shape(printed: str, expected: Sequence[str], *, whole: bool = True) -> bool:
    """Whether a command printed what the document shows. Without `whole`, more lines may follow."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(plain(part)) for part in line.rstrip().split("...")) + "\n"
    text = "".join(f"{plain(line)}\n" for line in printed.splitlines())
    return (re.fullmatch if whole else re.match)(pattern, text) is not None
