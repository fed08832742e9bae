"""What people are told when a server fails them."""

import traceback
from collections.abc import Callable

import pytest
from servers import PASSWORD

from roundsman.errors import RoundsmanError

OTHER_PASSWORD = "s3cret"
"""What the tests of wrong passwords give."""


def sentence(error: type[RoundsmanError], act: Callable[[], object]) -> str:
    """The one sentence of this error; nowhere in it, nor in the traceback, is there a password."""
    with pytest.raises(error) as caught:
        act()
    everything = "".join(traceback.format_exception(caught.value))
    for text in (str(caught.value), repr(caught.value), everything):
        assert PASSWORD not in text
        assert OTHER_PASSWORD not in text
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)
