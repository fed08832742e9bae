"""`roundsman run`: the daemon in the foreground."""

import logging
import os
import sys

import typer

from roundsman import __version__, logs
from roundsman.cli.group import command_group
from roundsman.cli.session import Session
from roundsman.errors import RoundsmanError

app = command_group()
log = logging.getLogger("roundsman")


@app.command()
def run(ctx: typer.Context) -> None:
    """Run until a signal: SIGTERM or Ctrl-C stops gracefully, a second one at once, SIGHUP reads the settings again."""
    from roundsman.app.daemon import Daemon
    from roundsman.systemd import Notifier

    session: Session = ctx.obj
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
