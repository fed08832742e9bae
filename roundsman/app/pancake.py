"""Pancake as a live source, as the settings want it. Imported only where it is set up, as it brings requests along."""

from config import Settings
from roundsman.clock import Clock
from roundsman.conversations.intake import Intake
from roundsman.conversations.pancake.live import LivePancake, PancakeOptions
from roundsman.conversations.pancake.page_syncer import SyncOptions
from roundsman.conversations.pancake.token import Token
from roundsman.errors import ConfigurationError
from roundsman.repositories.engine import Store


def live_pancake(settings: Settings, store: Store, intake: Intake, clock: Clock) -> LivePancake:
    """The parts, without connecting to anything. Raises ConfigurationError where it is not set up."""
    chosen = settings.pancake
    if chosen is None:
        raise ConfigurationError(["PANCAKE_PAGE_ACCESS_TOKENS: is not set; without it nothing is read from Pancake."])
    options = PancakeOptions(
        chosen.base_url,
        {page_id: Token(token.reveal()) for page_id, token in chosen.page_tokens.items()},
        Token(chosen.user_token.reveal()) if chosen.user_token else None,
        SyncOptions(chosen.first_sync, chosen.overlap),
    )
    return LivePancake(options, store, intake, clock)
