"""`roundsman run`: the daemon in the foreground."""

import typer

from roundsman.cli.group import command_group

app = command_group()


@app.command()
def run(ctx: typer.Context) -> None:
    """Run until a signal: SIGTERM or Ctrl-C stops gracefully, a second one at once, SIGHUP reads the settings again."""
    from roundsman.cli.service import serve

    serve(ctx.obj)
