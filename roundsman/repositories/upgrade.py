"""Alembic's only home, next to the migrations themselves: imported when a store is behind, and by developers."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def alembic_config(folder: Path, connection: Connection | None = None) -> Config:
    """Alembic's settings without an alembic.ini; `connection` is what `env.py` works on."""
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def known_versions(folder: Path) -> tuple[str, ...]:
    """Every version that the migrations lead to, oldest first."""
    script = ScriptDirectory.from_config(alembic_config(folder))
    return tuple(revision.revision for revision in script.walk_revisions())[::-1]


def run_migrations(connection: Connection, folder: Path, to: str) -> None:
    """Upgrade to version `to` within the transaction of `connection`."""
    command.upgrade(alembic_config(folder, connection), to)
