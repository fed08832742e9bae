"""The stream of documents out of a file: every outer form, windows of any size, and faults with their place."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.conversations import feed as feed_module
from roundsman.conversations.feed import JsonFeed
from roundsman.errors import BadInputError


def items(text: str) -> list[tuple[str | None, Any]]:
    return [(item.collection, item.value) for item in JsonFeed(io.StringIO(text), "export.json").items()]


A, B = {"_id": "a", "x": [1, {"y": "ä"}]}, {"_id": "b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"fb_pages": [A], "fb_conversations": [B]}), [("fb_pages", A), ("fb_conversations", B)]),
        (json.dumps({"fb_pages": None, "fb_conversations": [], "note": "x"}), []),
        (json.dumps({"exported": 1, "fb_pages": [A]}), [("fb_pages", A)]),
        (json.dumps([A, B]), [(None, A), (None, B)]),
        (json.dumps([{"fb_pages": [A]}, B]), [("fb_pages", A), (None, B)]),
        (f"{json.dumps(A)}\n{json.dumps(B)}\n", [(None, A), (None, B)]),
        (f"{json.dumps(A, indent=2)}\r\n\r\n{json.dumps(B)}", [(None, A), (None, B)]),
        (json.dumps({"fb_pages": [A]}) + "\n" + json.dumps({"fb_pages": [B]}), [("fb_pages", A), ("fb_pages", B)]),
        (f'{{ "fb_pages": [{json.dumps(A)}], "fb_pages": [{json.dumps(B)}]}}', [("fb_pages", A), ("fb_pages", B)]),
        (json.dumps({"fb_pages": [None, 5]}), [("fb_pages", None), ("fb_pages", 5)]),
        ("42 null", [(None, 42), (None, None)]),
        ("", []),
        (" \n ", []),
    ],
)
def test_every_outer_form(text: str, expected: list[Any]) -> None:
    assert items(text) == expected


@given(
    documents=st.lists(
        st.dictionaries(st.text(max_size=3), st.one_of(st.text(max_size=40), st.integers(), st.none()), max_size=4),
        max_size=6,
    ),
    window=st.integers(1, 60),
    lines=st.booleans(),
    ascii_only=st.booleans(),
)
def test_documents_survive_windows_of_any_size(
    documents: list[dict[str, Any]], window: int, lines: bool, ascii_only: bool
) -> None:
    documents = [{"_id": index, **each} for index, each in enumerate(documents)]
    if lines:
        text = "\n".join(json.dumps(each, ensure_ascii=ascii_only) for each in documents)
    else:
        text = json.dumps({"fb_pages": documents, "fb_x": [1.5, -20, True]}, ensure_ascii=ascii_only, indent=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed_module, "WINDOW_CHARACTERS", window)
        found = items(text)
    values = [value for _, value in found]
    assert values == (documents if lines else [*documents, 1.5, -20, True])


@pytest.mark.parametrize("window", [3, 1 << 20])
@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"fb_pages": [\n{"a": 1},\n{"a": x}]}', "line 3, column 7"),
        ('{"_id": 1}\n{"_id": 2,}\n{"_id": 3}' + " " * 99, "line 2, column 1"),
        ("hello, world, this is a long text and no JSON at all", "line 1, column 1"),
        ('{"fb_pages": [{"a": 1} {"a": 2}]}', "line 1, column 24"),
        ("{'a': 1, 'b': 2, 'c': 3, 'd': 4}", "line 1, column 2"),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, where: str, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "WINDOW_CHARACTERS", window)
    with pytest.raises(BadInputError, match=r"export\.json is not JSON: .*nothing was stored") as fault:
        items(text)
    assert where[: where.index("column")] in str(fault.value)


WHOLE = json.dumps({"fb_pages": [A, B], "fb_message_items": [A]}, indent=1)


@pytest.mark.parametrize("window", [7, 1 << 20])
def test_a_file_cut_anywhere_is_refused(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "WINDOW_CHARACTERS", window)
    for length in range(1, len(WHOLE)):
        with pytest.raises(BadInputError, match=r"^export\.json (breaks off|is not JSON).*line \d+, column \d+"):
            items(WHOLE[:length])


def test_absurd_nesting_and_numbers_are_refused_in_words() -> None:
    with pytest.raises(BadInputError, match="nested too deeply"):
        items("[" * 100_000)
    with pytest.raises(BadInputError, match="nested too deeply"):
        items('{"a":' * 100_000)
    with pytest.raises(BadInputError, match="too many digits"):
        items('{"_id": ' + "9" * 5_000 + "}")


def test_a_control_character_is_refused_with_its_place() -> None:
    with pytest.raises(BadInputError, match="not JSON: invalid control character at line 1, column 10;"):
        items('{"_id": "\0"}')


def test_a_collection_must_be_an_array() -> None:
    with pytest.raises(BadInputError, match=r"export\.json: fb_pages is not an array"):
        items('{"fb_pages": {"a": 1}}')


def test_a_number_at_the_end_of_a_window_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "WINDOW_CHARACTERS", 4)
    assert items("[12345, 678]") == [(None, 12345), (None, 678)]
