"""Who gives a command."""

import getpass
import os


def person() -> str:
    """The name of the user, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
