"""The suite's own promise: where `CI` is set nothing is skipped in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SKIPPING = {
    "test_one.py": "import pytest\ndef test_it():\n    pytest.skip('no server')\n",
    "test_all.py": "import pytest\npytest.skip('no server', allow_module_level=True)\n",
}


@pytest.mark.parametrize("name", sorted(SKIPPING))
@pytest.mark.parametrize("ci", ["", "true"])
def test_a_skip_is_a_failure_in_ci_only(tmp_path: Path, name: str, ci: str) -> None:
    (tmp_path / name).write_text(SKIPPING[name])
    (tmp_path / "pytest.ini").touch()
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-ra", tmp_path],
        env={"PATH": os.defpath, "PYTHONPATH": f"{TESTS}:{TESTS.parent}", "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no server" in ran.stdout
    assert (ran.returncode in (1, 2)) == bool(ci), ran.stdout + ran.stderr
