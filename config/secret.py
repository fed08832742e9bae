"""A text that must not be seen: it shows as `***` everywhere except where it is asked for by name."""


class Secret:
    """A token, a password, an address that is itself a key. Not a dataclass: `asdict` would lay it open."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one call that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
