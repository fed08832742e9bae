"""Where in a TOML file each value stands."""

import tomllib
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.conversations.policies.toml_lines import Path, lines_of

CHECKOUT = File(__file__).parents[2]

TEXT = '''\
# line 1
title = "a [b] # c"   # 2

[calendar.shop]
zone = 'Asia/Ho_Chi_Minh'
"mon-fri" = [  # 6
    "08:30-12:00",

    "13:30-22:30",  # 9: ] no end
]
closed = ["2026-09-02", { on = "2026-10-10 12:00-18:00", why = "stock, [x]" },
          { on = "2026-10-11" }]
dotted.key."with dot.s" = 1

[[policy]]
name = "one"
note = """
    many # lines [
    = "quoted" \\"""
    """
after = 20
[[policy.level]]
to = ["a"]
[[policy.level]]
to = ["b",
      ["c", [], {}], # nested
      1979-05-27T07:32:00Z]

[[policy]]
[[policy.level]]
raw = \'\'\'it''s\'\'\'\'
number = -1_000.5e3
[policy.inner.deep]
x = true
[a."b.c"]
'''


def walk(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all that was read."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from walk(each, (*path, key))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("calendar",), 4),
        (("calendar", "shop"), 4),
        (("calendar", "shop", "zone"), 5),
        (("calendar", "shop", "mon-fri"), 6),
        (("calendar", "shop", "mon-fri", 0), 7),
        (("calendar", "shop", "mon-fri", 1), 9),
        (("calendar", "shop", "closed", 0), 11),
        (("calendar", "shop", "closed", 1, "why"), 11),
        (("calendar", "shop", "closed", 2, "on"), 12),
        (("calendar", "shop", "dotted", "key", "with dot.s"), 13),
        (("policy",), 15),
        (("policy", 0), 15),
        (("policy", 0, "name"), 16),
        (("policy", 0, "note"), 17),
        (("policy", 0, "after"), 21),
        (("policy", 0, "level", 0), 22),
        (("policy", 0, "level", 0, "to", 0), 23),
        (("policy", 0, "level", 1), 24),
        (("policy", 0, "level", 1, "to", 1, 0), 26),
        (("policy", 0, "level", 1, "to", 2), 27),
        (("policy", 1), 29),
        (("policy", 1, "level", 0, "raw"), 31),
        (("policy", 1, "level", 0, "number"), 32),
        (("policy", 1, "inner", "deep"), 33),
        (("policy", 1, "inner", "deep", "x"), 34),
        (("a", "b.c"), 35),
    ],
)
def test_the_line_of(path: Path, line: int) -> None:
    assert lines_of(TEXT)[path] == line


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), ""], ids=["unix", "windows", "empty"])
def test_exactly_what_was_read_has_a_line(text: str) -> None:
    assert set(lines_of(text)) == set(walk(tomllib.loads(text)))


@pytest.mark.parametrize("name", ["pyproject.toml", "config/policies.toml"])
def test_real_files(name: str) -> None:
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    lines = lines_of(text)
    assert set(lines) == set(walk(tomllib.loads(text)))
    written = text.splitlines()
    for path, line in lines.items():
        if isinstance(path[-1], str) and isinstance(path[0], str):
            assert path[-1] in written[line - 1]


KEYS = st.sampled_from(["a", "b-c", '"d.e"', "'f'", '"g\\u0068"'])
STRINGS = st.sampled_from(['"x]"', "'{'", '"""a\n"]\n"""', "'''\n[\n'''", '"\\""', '""', "''", '"#"', '""""q""""'])
BLANKS = st.sampled_from(["", " ", "\n", " # ] } \n", "\n\n\t"])


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.integers(0, 3 if depth else 1))
    if kind == 0:
        return draw(STRINGS)
    if kind == 1:
        return draw(st.sampled_from(["1", "true", "2026-09-02", "-1.5", "07:32:00"]))
    if kind == 2:
        parts = [draw(BLANKS) + draw(values(depth - 1)) + draw(BLANKS) for _ in range(draw(st.integers(0, 3)))]
        return f"[{','.join(parts)}{draw(BLANKS)}]"
    names = draw(st.lists(KEYS, unique=True, max_size=3))
    return "{" + ", ".join(f"{name} = {draw(values(depth - 1))}" for name in names) + "}"


@given(st.lists(st.tuples(st.sampled_from(["", "[t]\n", "[[u]]\n", "[[u]]\n[[u.v]]\n"]), values()), max_size=6))
def test_whatever_is_in_a_file_has_its_line(parts: list[tuple[str, str]]) -> None:
    text = "".join(f"{header}key{place} = {value}\n" for place, (header, value) in enumerate(parts))
    text = text.replace("[t]\n", "[t0]\n", 1).replace("[t]\n", "")
    lines = lines_of(text)
    assert set(lines) == set(walk(tomllib.loads(text)))
    for path, line in lines.items():
        if len(path) <= 3 and str(path[-1]).startswith("key"):
            assert text.splitlines()[line - 1].startswith(str(path[-1]))
