"""The daemon in the foreground, from its settings to its exit code: what `roundsman run` does.

Apart from the command itself, as whatever reads command lines is not imported for a daemon (see `roundsman.cli`).
"""

import logging
import os
import sys
from typing import NoReturn

from roundsman import __version__, logs
from roundsman.app.daemon import Daemon
from roundsman.cli.session import Session
from roundsman.errors import RoundsmanError
from roundsman.systemd import Notifier

log = logging.getLogger("roundsman")


def serve(session: Session) -> NoReturn:
    """Until a signal; ends the process. Raises RoundsmanError when it cannot start."""
    notifier = Notifier()
    try:
        settings = session.settings
        logs.setup(settings.log_level, settings.secrets())
        for note in settings.notes:
            log.warning("%s", note)
        log.info("Roundsman %s starts on %s", __version__, session.app.store.place)
        status = Daemon(session.app, notifier).run()
    except RoundsmanError as error:
        notifier.status(str(error))  # what `systemctl status` shows of a daemon that did not start
        raise
    session.close()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: a job that ignored its stop token still occupies a daemon thread, and the interpreter's own
    # shutdown under running threads may crash. All that matters is written.
    os._exit(status)
