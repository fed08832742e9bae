"""All commands in one tree. Each group's file is imported only when a command of it is called: `roundsman run` must
not pay for the import of every other command."""

import importlib
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from roundsman import __version__
from roundsman.cli.output import say

GROUPS: Mapping[str, tuple[str, str]] = {
    "run": ("roundsman.cli.run", "Run the daemon in the foreground (systemd does the rest)."),
    "demo": ("roundsman.cli.demo", "Show the whole flow in a few seconds, in a throw-away store."),
    "check-config": ("roundsman.cli.check", "Check the settings; each fault in one sentence."),
    "status": ("roundsman.cli.status", "What runs, what is due next, what is late, what is wrong."),
    "jobs": ("roundsman.cli.jobs", "List, run, pause and resume jobs; their next times and history."),
    "runs": ("roundsman.cli.runs", "Submit runs of workflows, follow them, decide about them."),
    "queue": ("roundsman.cli.queue", "What waits in the queue, and what was given up."),
    "conversations": ("roundsman.cli.conversations", "Import conversations; tell who waits and why; try policies out."),
    "mongo": ("roundsman.cli.mongo", "Look at FolkForm's MongoDB; make the indexes it needs."),
    "alerts": ("roundsman.cli.alerts", "List alerts, tell what became of each, acknowledge them; test a channel."),
    "db": ("roundsman.cli.db", "Upgrade and back up the store."),
}
"""Name to (module with a Typer `app`, one line of help)."""


class _LazyGroup(TyperGroup):
    """Loads a command's module when the command is asked for; `--help` lists from the table above."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(GROUPS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in GROUPS.items()])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in GROUPS:
            return None
        module, help_line = GROUPS[cmd_name]
        command = typer.main.get_command(importlib.import_module(module).app)
        command.name, command.help, command.short_help = cmd_name, help_line, help_line
        return command


def _tell_version(wanted: bool) -> None:
    if wanted:
        say(f"roundsman {__version__}")
        raise typer.Exit


def build() -> Any:
    """The root command, callable with click's arguments."""
    root = typer.Typer(
        cls=_LazyGroup,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Roundsman walks his round: scheduled jobs, unanswered customers, one alert each, in time.",
    )

    @root.callback()
    def _root(
        version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version.")
        ] = False,
    ) -> None:
        """Options of the program itself."""

    return typer.main.get_command(root)
