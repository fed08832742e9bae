"""`roundsman alerts test`: whether a channel works."""

from collections.abc import Sequence
from typing import Annotated

import typer

from config.channels import SET_UP_BY
from roundsman import logs
from roundsman.alerts.attempt import Attempts
from roundsman.alerts.channels.base import Channel, DeliveryError
from roundsman.alerts.templates import Language, render_test
from roundsman.cli.output import complain, say
from roundsman.cli.session import Session
from roundsman.errors import EXIT_FAILED, BadInputError
from roundsman.repositories.channels import ChannelRepository


def test_channel(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="console, slack, telegram, telegram:CHAT, ...")],
) -> None:
    """Send a test message; a channel that was switched off is on again when it arrives. Exit 1 when it does not."""
    session: Session = ctx.obj
    logs.setup(session.settings.log_level, session.settings.secrets())
    chosen = _one(session.app.channels, channel)
    message = render_test(Language(session.settings.alerts.language), session.clock.now(), session.settings.time_zone)
    try:
        receipt = Attempts().make(channel, lambda: chosen.send(message))
    except DeliveryError as error:
        complain(f"The test message on {channel} did not arrive: {error.reason}.")
        raise typer.Exit(EXIT_FAILED) from None
    with session.store.write() as connection:
        was_off = ChannelRepository().switch_on(connection, channel)
    say(f"{channel}: delivered, {receipt.words}.{' The channel is switched on again.' if was_off else ''}")


def _one(channels: Sequence[Channel], name: str) -> Channel:
    for channel in channels:
        if channel.name == name:
            return channel
    set_up_by = SET_UP_BY.get(name.partition(":")[0])
    if set_up_by is None:
        raise BadInputError(f"There is no channel {name!r}; the kinds are {', '.join(SET_UP_BY)}.")
    configured = ", ".join(channel.name for channel in channels) or "none"
    raise BadInputError(f"The channel {name!r} is not configured; set {set_up_by}. Configured now: {configured}.")
