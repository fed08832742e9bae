"""The seal on buttons: what we made is read, and nothing else is."""

import string

from hypothesis import given
from hypothesis import strategies as st

from roundsman.alerts.action import Action
from roundsman.alerts.channels.seal import Asked, Seal
from roundsman.alerts.message import Answer

SECRET = "123456789:AAtelegramSecretPartOfTheToken12345"
ACTIONS = st.sampled_from(Action)
NUMBERS = st.integers(0, 10**18 - 1)


def seal(secret: str = SECRET, store: str = "0123456789ab") -> Seal:
    return Seal(secret, lambda: store)


def data(action: Action, number: int, made_by: Seal | None = None) -> str:
    return (made_by or seal()).data(Answer(action, "label", number))


@given(ACTIONS, NUMBERS)
def test_what_we_made_is_read_and_fits_into_a_button(action: Action, number: int) -> None:
    made = data(action, number)
    assert seal().read(made) == Asked(action, number)
    assert len(made.encode()) <= 64
    assert SECRET[-16:] not in made


@given(ACTIONS, NUMBERS, st.data())
def test_one_other_character_is_enough_to_be_none_of_ours(action: Action, number: int, draw: st.DataObject) -> None:
    made = data(action, number)
    place = draw.draw(st.integers(0, len(made) - 1))
    other = draw.draw(st.sampled_from(string.printable + "ạ").filter(lambda char: char != made[place]))
    assert seal().read(made[:place] + other + made[place + 1 :]) is None


@given(st.text(max_size=80))
def test_whatever_is_sent_in_its_place_is_none_of_ours(text: str) -> None:
    assert seal().read(text) is None


@given(ACTIONS, NUMBERS)
def test_a_button_of_another_bot_or_another_store_is_none_of_ours(action: Action, number: int) -> None:
    assert seal().read(data(action, number, seal(secret=SECRET[::-1]))) is None
    assert seal().read(data(action, number, seal(store="ba9876543210"))) is None


def test_numbers_in_other_scripts_and_with_zeros_before_them_are_not_read() -> None:
    action, number, mac = data(Action.CLAIM, 7).split(":")
    assert seal().read(f"{action}:٧:{mac}") is None
    assert seal().read(f"{action}:07:{mac}") is None
    assert seal().read(f"{action}:{number}:{mac}\n") is None
