"""Jobs and workflows are built with the parts they name: each constructor argument is found by its type.

So a new one needs no change here: it names what it wants. What is not on offer is a fault at start, in words.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from roundsman.errors import ConfigurationError

_T = TypeVar("_T")


class Parts:
    """The shared parts of one daemon, each under the type that is asked for, which may be a Protocol, as `Clock` is.

    They are made when somebody asks: a daemon that drives no runs has no engine.
    """

    def __init__(self, parts: Mapping[Any, Callable[[], object]]) -> None:
        self._parts = dict(parts)
        self.used: set[Any] = set()
        """The types that were asked for so far."""

    def build(self, job: type[_T]) -> _T:
        """An instance of the class. Raises ConfigurationError for an argument that no part fits."""
        arguments: dict[str, Any] = {}
        faults = []
        hints = _hints(job)
        for name, parameter in inspect.signature(job).parameters.items():
            wanted = hints.get(name)
            fitting = [kind for kind in self._parts if _fits(kind, wanted)]
            if fitting:
                arguments[name] = self._parts[fitting[0]]()
                self.used.add(fitting[0])
            elif parameter.default is inspect.Parameter.empty:
                offered = ", ".join(sorted(kind.__name__ for kind in self._parts))
                faults.append(
                    f"{job.__module__}.{job.__qualname__}: its argument {name!r} asks for"
                    f" {getattr(wanted, '__name__', wanted)!r}; on offer are {offered}."
                )
        if faults:
            raise ConfigurationError(faults)
        return job(**arguments)


def asks_for(job: type, kind: type) -> bool:
    """Whether its constructor names this type; nothing is built."""
    return any(wanted is kind for wanted in _hints(job).values())


def _hints(job: type) -> dict[str, Any]:
    constructor = typing.cast("Any", job).__init__
    return typing.get_type_hints(constructor) if inspect.isfunction(constructor) else {}


def _fits(kind: type, wanted: object) -> bool:
    if kind is wanted:
        return True
    return isinstance(wanted, type) and not getattr(wanted, "_is_protocol", False) and issubclass(kind, wanted)
