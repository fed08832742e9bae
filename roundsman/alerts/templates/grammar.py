"""The language of texts of one's own: the part of Jinja in which every template ends, soon, and says little.

A template is read into a tree, and the tree is held against what is allowed, so nobody has to watch one that runs:

- no loop but over facts: it takes 20 turns at most, and no more than two loops lie within each other;
- no recursion: no macros and no blocks within blocks, and what is included includes nothing;
- nothing that grows: no `set`, so nothing can be doubled again and again, and no value is larger than a message
  (`values` sees to that);
- a limit on the steps of a file, with the turns of its loops counted, before any of it runs.

What is refused is a TemplateSyntaxError with file and line, as any slip in a template.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from jinja2 import BaseLoader, Environment, Template, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from roundsman.alerts.templates.values import JOINED, LARGEST_NUMBER, LONGEST_TEXT, MOST_TURNS, SLICED, TURNS

MOST_STEPS = 5_000
"""Of a file, loops multiplied. A long text has some hundreds."""
MOST_LOOPS = 2
"""Within each other."""
_DEEPEST = 40
"""Of tags and brackets within each other. Python itself gives up at a hundred."""

_FORMAT = re.compile(r"(?:[^%]|%[-]?[A-Za-z%]){1,100}")
"""Of a time: without widths, as `%999999d`."""

_PLAIN: tuple[type[nodes.Node], ...] = (
    nodes.Output, nodes.TemplateData, nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or,
    nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod,
    nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Keyword,
)  # fmt: skip
"""Allowed wherever they stand: nothing has to be known of them but their parts."""

_OTHERWISE: Mapping[type[nodes.Node], str] = {
    nodes.Assign: "there is no `set`; write the value where it is needed",
    nodes.AssignBlock: "there is no `set`; write the value where it is needed",
    nodes.With: "there is no `with`; write the value where it is needed",
    nodes.Macro: "there are no macros; put what is shared into a file _NAME.j2 and include it",
    nodes.CallBlock: "there are no macros; put what is shared into a file _NAME.j2 and include it",
    nodes.Import: "there is no `import`; put what is shared into a file _NAME.j2 and include it",
    nodes.FromImport: "there is no `import`; put what is shared into a file _NAME.j2 and include it",
    nodes.Extends: "there is no `extends`; put what is shared into a file _NAME.j2 and include it",
    nodes.FilterBlock: "there is no `filter` tag; write {{ value | filter }}",
    nodes.Pow: "there is no `**`",
    nodes.Dict: "there are no dictionaries; ask with `if` and `elif`",
    nodes.Block: "a block stands by itself, not within another tag and not in a part",
}


class Folder(BaseLoader):
    """The files of a folder for an environment: each is read, held against the language, and compiled."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._parts: dict[str, tuple[int, int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def load(self, environment: Environment, name: str, globals: Any = None) -> Template:  # noqa: A002 - Jinja's name
        """Raises TemplateSyntaxError."""
        tree, _, _ = self._read(environment, name)
        code = environment.compile(tree, name)
        return environment.template_class.from_code(environment, code, environment.make_globals(globals))

    def part(self, environment: Environment, name: str) -> tuple[int, int]:
        """The steps of a part, and how many loops in it lie within each other."""
        if name not in self._parts:
            _, *cost = self._read(environment, name)
            self._parts[name] = (cost[0], cost[1])
        return self._parts[name]

    def _read(self, environment: Environment, name: str) -> tuple[nodes.Template, int, int]:
        if name not in self._sources:
            raise TemplateNotFound(name)
        parser = Parser(environment, self._sources[name], name)
        try:
            tree = parser.parse()
        except RecursionError:
            raise TemplateSyntaxError(_TOO_DEEP, parser.stream.current.lineno, name) from None
        except ValueError:  # of Python's own limit on the digits of a number
            raise TemplateSyntaxError(_TOO_LARGE, parser.stream.current.lineno, name) from None
        reader = _Reader(self, environment, name)
        steps = reader.steps(tree)
        if steps > MOST_STEPS:
            raise TemplateSyntaxError(
                f"has {steps} steps, turns of loops counted, and {MOST_STEPS} are allowed; say less", 1, name
            )
        return tree, steps, reader.loops


_TOO_DEEP = f"tags and brackets are nested more than {_DEEPEST} deep"
_TOO_LARGE = f"a number is {LARGEST_NUMBER:.0e} at most"


class _Reader:
    """Goes through the tree of one file."""

    def __init__(self, folder: Folder, environment: Environment, name: str) -> None:
        self._folder = folder
        self._environment = environment
        self._name = name
        self._line = 1
        self.is_part = is_part(name)
        self.loops = 0
        """The most that lie within each other."""

    def steps(self, tree: nodes.Template) -> int:
        steps = 0
        for node in tree.body:
            if isinstance(node, nodes.Block) and not self.is_part:
                steps += sum(self._steps(each, 1, 0) for each in node.body)
            else:
                steps += self._steps(node, 1, 0)
        return steps

    def _steps(self, node: nodes.Node, depth: int, loops: int) -> int:
        """How often something is done for this node at most."""
        self._line = node.lineno or self._line  # some tags keep none
        if depth > _DEEPEST:
            raise self._fault(node, _TOO_DEEP)
        if isinstance(node, nodes.For):
            return self._loop(node, depth, loops + 1)
        if isinstance(node, nodes.Include):
            return self._included(node, loops)
        if type(node) not in _PLAIN:
            check = _CHECKS.get(type(node))
            if check is None:
                raise self._fault(node, _OTHERWISE.get(type(node), "this is not part of the language of texts"))
            check(self, node)
        elif isinstance(node, nodes.Mul | nodes.Mod) and any(map(_is_text, (node.left, node.right))):
            raise self._fault(node, f"`{node.operator}` is for numbers, and not for texts")
        steps = 1 + sum(self._steps(each, depth + 1, loops) for each in node.iter_child_nodes())
        if isinstance(node, nodes.Concat):
            node.nodes = [self._filter(nodes.List(node.nodes, lineno=node.lineno), JOINED)]
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            node.node = self._filter(node.node, SLICED)
        return steps

    def _loop(self, node: nodes.For, depth: int, loops: int) -> int:
        if node.recursive:
            raise self._fault(node, "a loop cannot be recursive")
        if loops > MOST_LOOPS:
            raise self._fault(node, f"more than {MOST_LOOPS} loops lie within each other")
        root: nodes.Node = node.iter
        while isinstance(root, nodes.Getattr | nodes.Getitem | nodes.Filter | nodes.Call) and root.node is not None:
            root = root.node
        if not isinstance(root, nodes.Name):
            raise self._fault(node, "a loop goes over facts, as in {% for name, minutes in charged %}")
        self.loops = max(self.loops, loops)
        head = self._steps(node.iter, depth + 1, loops - 1)
        node.iter = self._filter(node.iter, TURNS)
        within = [*node.body, *([node.test] if node.test is not None else [])]
        body = 1 + sum(self._steps(each, depth + 1, loops) for each in within)
        return head + MOST_TURNS * body + sum(self._steps(each, depth + 1, loops - 1) for each in node.else_)

    def _included(self, node: nodes.Include, loops: int) -> int:
        name = node.template.value if isinstance(node.template, nodes.Const) else None
        if not isinstance(name, str) or node.ignore_missing or not node.with_context:
            raise self._fault(node, 'what is included is named plainly, as in {% include "_sign.j2" %}')
        if self.is_part:
            raise self._fault(node, "a part includes no other part; include both where they are needed")
        if name not in self._folder:
            raise self._fault(node, f"there is no file {name} in the folder")
        if not is_part(name):
            raise self._fault(node, f"{name} is no part; the names of those begin with _")
        steps, inner = self._folder.part(self._environment, name)
        if loops + inner > MOST_LOOPS:
            raise self._fault(node, f"more than {MOST_LOOPS} loops lie within each other")
        self.loops = max(self.loops, loops + inner)
        return 1 + steps

    def _name_of_fact(self, node: nodes.Name) -> None:
        if node.name in ("self", "super", "caller", "varargs", "kwargs"):
            raise self._fault(node, f"`{node.name}` is not part of the language of texts")

    def _constant(self, node: nodes.Const) -> None:
        if isinstance(node.value, str) and len(node.value) > LONGEST_TEXT:
            raise self._fault(node, f"a text in quotes has {LONGEST_TEXT} characters at most")
        if isinstance(node.value, int | float) and abs(node.value) > LARGEST_NUMBER:
            raise self._fault(node, _TOO_LARGE)

    def _list(self, node: nodes.List | nodes.Tuple) -> None:
        if not all(isinstance(each, nodes.Const) for each in node.items):
            raise self._fault(node, 'a list holds plain texts and numbers, as in `if page in ["Shop A", "Shop B"]`')

    def _call(self, node: nodes.Call) -> None:
        what = node.node.attr if isinstance(node.node, nodes.Getattr) else None
        texts = [each.value for each in node.args if isinstance(each, nodes.Const) and isinstance(each.value, str)]
        is_plain = not (node.kwargs or node.dyn_args or node.dyn_kwargs)
        if what == "get" and is_plain and node.args and len(node.args) <= 2 and isinstance(node.args[0], nodes.Const):
            return
        if what == "strftime" and is_plain and len(node.args) == len(texts) == 1 and _FORMAT.fullmatch(texts[0]):
            return
        raise self._fault(node, 'nothing is called but `notes.get("name")` and `since.strftime("%H:%M")`')

    def _applied(self, node: nodes.Filter | nodes.Test) -> None:
        noun, known = ("filter", self._environment.filters) if isinstance(node, nodes.Filter) else (
            "test", self._environment.tests)  # fmt: skip
        if node.name not in known or node.name[0] == "_":
            near = get_close_matches(node.name, [each for each in known if each[0] != "_"], n=1, cutoff=0.8)
            hint = f"did you mean {near[0]}?" if near else "docs/texts.md lists those there are"
            raise self._fault(node, f"there is no {noun} {node.name}; {hint}")
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise self._fault(node, f"the {noun} {node.name} takes no `*`")

    def _filter(self, node: nodes.Node, name: str) -> nodes.Filter:
        wrapped = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
        wrapped.set_environment(self._environment)
        return wrapped

    def _fault(self, node: nodes.Node, sentence: str) -> TemplateSyntaxError:
        return TemplateSyntaxError(sentence, node.lineno or self._line, self._name)


_CHECKS: Mapping[type[nodes.Node], Callable[[_Reader, Any], None]] = {
    nodes.Name: _Reader._name_of_fact,
    nodes.Const: _Reader._constant,
    nodes.Concat: lambda reader, node: None,
    nodes.List: _Reader._list,
    nodes.Tuple: _Reader._list,
    nodes.Call: _Reader._call,
    nodes.Filter: _Reader._applied,
    nodes.Test: _Reader._applied,
}


def is_part(name: str) -> bool:
    """Whether it is there for other files only."""
    return name.rpartition("/")[2].startswith("_")


def _is_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Concat | nodes.List | nodes.Tuple | nodes.TemplateData) or (
        isinstance(node, nodes.Const) and isinstance(node.value, str)
    )
