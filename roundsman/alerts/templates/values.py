"""What a template of one's own may do with values: filters, tests and sums whose results are small by construction.

No value becomes larger than a whole message, whatever is done to it in which order: each filter and each sum looks at
its result, and those that could make a very large one look before they make it. That is why so few are here.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import wraps
from itertools import islice
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

from roundsman.alerts.message import LONGEST_LINE

MOST_LINES = 20
"""Of a message: what is longer nobody reads on a telephone."""
MOST_TURNS = MOST_LINES
"""Of a loop: there is no line for more."""
LONGEST_TEXT = MOST_LINES * LONGEST_LINE
"""Characters of a value: as many as a message has."""
LARGEST_NUMBER = 10**15
JOINED, SLICED, TURNS = "_joined", "_sliced", "_turns"
"""Filters that `~`, `[:]` and loops have; nobody can name them."""
_LARGEST_ARGUMENT = 1_000
"""Of a filter, as in `truncate(40)`."""

_FILTERS = (
    "capitalize", "count", "first", "float", "int", "last", "length", "lower", "reverse", "string", "trim", "truncate",
    "upper",
)  # fmt: skip
"""Of Jinja's own, those whose results are about as large as their values."""
_LIST_FILTERS = ("dictsort", "items", "max", "min", "sort", "unique")
"""Not for texts: the letters of long ones, sorted a thousand times, would keep a reload for seconds."""
_NUMBER_FILTERS = ("abs", "round")
"""Not for texts: Jinja's `round` multiplies."""
_TESTS = ("defined", "undefined", "none", "string", "number", "true", "false", "in")
_NUMBER_TESTS = ("even", "odd", "divisibleby")
"""Not for texts, of which `%` makes others."""


class Values(ImmutableSandboxedEnvironment):
    """Where the templates of one language live."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def __init__(
        self, loader: BaseLoader, moment: Callable[[datetime], str], duration: Callable[[timedelta], str]
    ) -> None:
        super().__init__(
            loader=loader,
            undefined=StrictUndefined,
            autoescape=False,  # plain text: each channel escapes what is special to it
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.globals.clear()
        self.filters = {name: _held(FILTERS[name], name) for name in (*_FILTERS, *_LIST_FILTERS)} | {
            **{name: _of_numbers(_held(FILTERS[name], name), name) for name in _NUMBER_FILTERS},
            "d": FILTERS["default"],
            "default": FILTERS["default"],
            "duration": _known(timedelta, duration),
            "join": _join,
            "minutes": _known(timedelta, lambda span: int(span.total_seconds() // 60)),
            "moment": _known(datetime, moment),
            "replace": _replace,
            JOINED: _join,
            SLICED: _sliced,
            TURNS: _turns,
        }
        known: Any = TESTS
        self.tests = {name: known[name] for name in _TESTS}
        self.tests |= {name: _of_numbers(known[name], name) for name in _NUMBER_TESTS}

    def is_safe_callable(self, obj: Any) -> bool:
        """Two methods of facts, and nothing else."""
        is_known = getattr(obj, "__name__", "") in ("get", "strftime")
        return is_known and isinstance(getattr(obj, "__self__", None), dict | datetime)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Sums of numbers, and of moments and spans."""
        for each in (left, right):
            if isinstance(each, StrictUndefined):
                str(each)  # raises, with its name
        times = operator in "+-" and isinstance(left, datetime | timedelta) and isinstance(right, datetime | timedelta)
        if not times and not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TypeError(f"`{operator}` is for numbers" + ("; join texts with `~`" if operator == "+" else ""))
        return _small(super().call_binop(context, operator, left, right))


def _turns(value: object) -> list[Any]:
    """What a loop goes through."""
    if isinstance(value, StrictUndefined):
        str(value)
    if not isinstance(value, list | tuple | dict):
        raise TypeError(f"a loop goes over lists of facts, and {str(value)[:40]!r} is none")
    return list(islice(value, MOST_TURNS))


def _sliced(value: object) -> object:
    """What parts are taken from: of a number, Python would warn of it when it compiles."""
    if isinstance(value, StrictUndefined):
        str(value)
    if not isinstance(value, str | list | tuple):
        raise TypeError(f"{str(value)[:40]!r} has no parts")
    return value


def _join(value: Iterable[object], d: str = "") -> str:
    texts, length = [], 0
    for each in value:
        if isinstance(each, StrictUndefined):
            str(each)
        texts.append(str(each))
        length += len(texts[-1]) + len(d)
        if length > LONGEST_TEXT + len(d):
            raise ValueError(_TOO_LONG)
    return d.join(texts)


def _replace(s: object, old: str, new: str) -> str:
    text = _text(s)
    if len(text) + text.count(old) * max(len(new) - len(old), 0) > LONGEST_TEXT:
        raise ValueError(_TOO_LONG)
    return text.replace(old, new)


_TOO_LONG = f"a text would be longer than {LONGEST_TEXT} characters"


def _text(value: object) -> str:
    text = str(value)
    if len(text) > LONGEST_TEXT:
        raise ValueError(_TOO_LONG)
    return text


def _small(value: Any) -> Any:
    """The value, if it is as small as values are."""
    if isinstance(value, Iterator):
        value = list(islice(value, LONGEST_TEXT))
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
        raise ValueError(f"a number would be larger than {LARGEST_NUMBER:.0e}")
    return value


def _held(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A filter of Jinja's with small arguments and a small result."""

    @wraps(call)  # and with it, whether the environment is wanted as first argument
    def apply(*values: Any, **named: Any) -> Any:
        value = values[1] if isinstance(values[0], Environment) else values[0]
        if name in _LIST_FILTERS and isinstance(value, str):
            raise TypeError(f"{name} is for lists, and {value[:40]!r} is a text")
        for each in (*values[1:], *named.values()):
            if isinstance(each, int | float) and abs(each) > _LARGEST_ARGUMENT:
                raise ValueError(f"a filter takes no number above {_LARGEST_ARGUMENT}")
        return _small(call(*values, **named))

    return apply


def _of_numbers(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A filter or test that takes a number, and otherwise none of what its operators mean for texts."""

    def apply(value: Any, *arguments: Any) -> Any:
        if isinstance(value, StrictUndefined):
            str(value)
        if not isinstance(value, int | float):
            raise TypeError(f"{name} is for numbers, and {str(value)[:40]!r} is none")
        return call(value, *arguments)

    return apply


def _known(kind: type[Any], call: Callable[[Any], object]) -> Callable[[object], object]:
    """A filter that says what is wrong with its value."""
    noun = "span of time" if kind is timedelta else "moment"

    def apply(value: object) -> object:
        if isinstance(value, StrictUndefined):
            str(value)  # raises, with its name
        if not isinstance(value, kind):
            raise TypeError(f"{value!r} is no {noun}" + ("; ask `{% if ... %}` first" if value is None else ""))
        return call(value)

    return apply
