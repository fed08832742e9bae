"""What the project says of itself: the package's metadata, the targets of make, the changelog."""

import os
import re
import subprocess
import tomllib
from importlib.metadata import entry_points, metadata
from pathlib import Path

import roundsman

CHECKOUT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]


def test_the_version_is_the_same_wherever_it_is_told() -> None:
    assert roundsman.__version__ == PROJECT["version"] == metadata("roundsman")["Version"]


def test_the_package_brings_the_command_its_licence_and_its_page() -> None:
    (command,) = entry_points(group="console_scripts", name="roundsman")
    assert command.value == PROJECT["scripts"]["roundsman"] == "daemon:main"
    assert PROJECT["license"] == "MIT"
    assert (CHECKOUT / PROJECT["readme"]).stat().st_size > 1000
    assert "MIT License" in (CHECKOUT / "LICENSE").read_text(encoding="utf-8")


def test_every_dependency_is_bounded_and_pinned() -> None:
    pinned = set(re.findall(r"(?m)^([a-z0-9-]+)==", (CHECKOUT / "constraints.txt").read_text(encoding="utf-8")))
    for requirement in PROJECT["dependencies"]:
        name = re.match(r"[a-z0-9-]+", requirement)
        assert name is not None
        assert ">=" in requirement
        assert "<" in requirement
        assert name[0] in pinned


def test_the_constraints_hold_names_and_versions_only() -> None:
    for line in (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .*)?", line), line


def test_make_without_a_target_lists_every_target_with_its_purpose() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    env = {"PATH": os.defpath}  # without what a make that runs the tests hands down
    listed = subprocess.run(["make"], cwd=CHECKOUT, env=env, capture_output=True, text=True, check=True).stdout
    described = re.findall(r"(?m)^([a-z-]+):.*## (.*)$", makefile)
    assert {"install", "run", "test", "check", "bench", "demo", "help"} <= {name for name, _ in described}
    for name, purpose in described:
        assert re.search(rf"(?m)^  make {name} +{re.escape(purpose)}$", listed), name


def test_the_changelog_has_a_line_for_each_change() -> None:
    text = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"(?m)^## (Unreleased|\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d)$", text)
    headings = set(re.findall(r"(?m)^### (.*)$", text))
    assert headings <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert len(re.findall(r"(?m)^- .*\.$", text)) == len(re.findall(r"(?m)^- ", text)) > 0


def test_the_house_is_drawn_as_it_is_built() -> None:
    """Floor by floor as import-linter has it, with every folder of the machinery."""
    page = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = page.partition("## The house")[2].partition("```text\n")[2].partition("```")[0]
    floors: list[list[str]] = []
    for line in picture.splitlines()[1:]:  # the first is daemon.py, above them all
        name = line.removeprefix("| ").split()[0]
        if line.startswith("| "):
            floors[-1].append(name)
        else:
            floors.append([name])
    layers = next(each["layers"] for each in PYPROJECT["tool"]["importlinter"]["contracts"] if "layers" in each)
    assert floors == [each.split(" | ") for each in layers]
    rooms = {f"roundsman.{path.parent.name}" for path in (CHECKOUT / "roundsman").glob("*/__init__.py")}
    assert rooms <= {name for floor in floors for name in floor}
    inner = {str(path.parent.relative_to(CHECKOUT / "roundsman"))
             for path in (CHECKOUT / "roundsman").glob("*/*/__init__.py")}  # fmt: skip
    assert inner <= set(re.findall(r"`(\w+/\w+)`", page))
