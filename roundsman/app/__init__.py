"""The composition root: the only place, with the command line, that reads settings and knows every part."""

from roundsman.app.composition import App
from roundsman.app.settings import read_settings

__all__ = ["App", "read_settings"]
