"""The one form in which commands and command groups are declared."""

import typer


def command_group() -> typer.Typer:
    """Plain help texts, no shell completion options on every group, and our own error sentences."""
    return typer.Typer(
        add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
    )
