"""Write the next migration: the difference between the newest one and `tables.py`. For developers."""

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from alembic import command
from sqlalchemy.engine import URL

from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.schema import OURS
from roundsman.repositories.upgrade import alembic_config, known_versions


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit('usage: python -m roundsman.repositories.migrations "what it changes"')
    versions = known_versions(OURS.folder)
    with tempfile.TemporaryDirectory() as folder:
        url = URL.create("sqlite", database=str(Path(folder, "head.db")))
        with closing(Store(StoreOptions(url))) as store, store.write() as connection:
            config = alembic_config(OURS.folder, connection)
            if versions:
                command.upgrade(config, versions[-1])
            command.revision(config, sys.argv[1], autogenerate=True, rev_id=f"{len(versions) + 1:04d}")


if __name__ == "__main__":
    main()
