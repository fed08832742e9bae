"""The seals on buttons: what a channel draws, its listener must be able to read, so both are given the same."""

from collections.abc import Callable

from config import SlackSettings, TelegramSettings
from roundsman.alerts.channels.seal import Seal
from roundsman.repositories.engine import Store
from roundsman.repositories.identity import identity_of

OpenStore = Callable[[], Store]


def telegram_seal(chosen: TelegramSettings, store: OpenStore) -> Seal | None:
    """None where nobody listens."""
    return Seal(chosen.bot_token.reveal(), lambda: identity_of(store())) if chosen.takes_answers else None


def slack_seal(chosen: SlackSettings, store: OpenStore) -> Seal | None:
    """None where nobody listens."""
    if chosen.bot_token is None or chosen.app_token is None:
        return None
    return Seal(chosen.bot_token.reveal(), lambda: identity_of(store()))
