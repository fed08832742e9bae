"""Answers to alerts, joined from the settings: who may give them, the desk that takes them, and who listens for them.

Listeners are imported when they are configured: a daemon without buttons has no thread and no library for them.
"""

from collections.abc import Callable, Sequence

from config import Settings, SlackSettings, TelegramSettings
from roundsman.alerts.answerers import Answerers
from roundsman.alerts.answers import AnswerDesk, Texts
from roundsman.alerts.listeners.base import Listener
from roundsman.alerts.templates import Language
from roundsman.app.seals import OpenStore, slack_seal, telegram_seal
from roundsman.clock import Clock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.monitor.case import KIND
from roundsman.monitor.closing import ClosingOfWaits


def desk_of(
    settings: Callable[[], Settings],
    policies: Callable[[], PolicyBook],
    clock: Clock,
    store: OpenStore,
    wake: Callable[[], None],
) -> AnswerDesk:
    """The desk. What is asked for by a call may be replaced by a reload."""

    def answerers() -> Answerers:
        others = {(each.service, each.id): each.name for each in settings().alerts.answerers}
        return Answerers.of(policies().staff.values(), others)

    return AnswerDesk(
        store(),
        clock,
        wake,
        answerers=answerers,
        policies=policies,
        texts=lambda: Texts(Language(settings().alerts.language), settings().time_zone),
        closings={KIND: ClosingOfWaits()},
    )


def listeners_of(settings: Settings, clock: Clock, store: OpenStore, owner: str) -> Sequence[Listener]:
    """Everyone that the settings ask for, of channels in use. Nothing is connected yet."""
    found: list[Listener] = []
    telegram, slack = settings.alerts.of(TelegramSettings), settings.alerts.of(SlackSettings)
    if telegram is not None and "telegram" in settings.alerts.channels:
        seal = telegram_seal(telegram, store)
        if seal is not None:
            from roundsman.alerts.listeners.telegram import TelegramListener

            token = telegram.bot_token.reveal()
            found.append(TelegramListener(store(), clock, owner, bot_token=token, seal=seal, api_url=telegram.api_url))
    if slack is not None and "slack" in settings.alerts.channels:
        seal = slack_seal(slack, store)
        if seal is not None:
            assert slack.bot_token is not None
            assert slack.app_token is not None
            from roundsman.alerts.listeners.slack import SlackListener

            found.append(
                SlackListener(
                    clock,
                    app_token=slack.app_token.reveal(),
                    bot_token=slack.bot_token.reveal(),
                    seal=seal,
                    api_url=slack.api_url,
                )
            )
    return found
