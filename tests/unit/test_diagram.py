"""A drawing says all that the machine says: it is read back, by a strict grammar of our own and by Graphviz."""

import re
import shlex
import shutil
import subprocess

import pytest
from hypothesis import example, given, settings
from machines import machines

from roundsman.fsm.diagram import dot, mermaid
from roundsman.fsm.machine import Final, Guard, Machine, Transition

SIGNED = Guard("signed", lambda data: "signature" in data)
KEY_WORDS = Machine(
    "state",
    [
        Transition("state", "written", "note"),
        Transition("note", "approve", "end", SIGNED),
        Transition("note", "approve", "state"),
        Transition("note", "wait", "node", SIGNED),
        Transition("node", "graph", "class"),
    ],
    finals={"end": Final.COMPLETED, "class": Final.CANCELLED},
)

_MERMAID = re.compile(
    r'    state "(?P<state>[a-z0-9_]+)" as s_(?P=state)'
    r"|    \[\*\] --> s_(?P<initial>[a-z0-9_]+)"
    r"|    s_(?P<final>[a-z0-9_]+) --> \[\*\] : (?P<end>completed|failed|cancelled)"
    r"|    s_(?P<source>[a-z0-9_]+) --> s_(?P<target>[a-z0-9_]+) : (?P<event>[a-z0-9_]+)(?: \[(?P<guard>[a-z0-9_]+)\])?"
)
_Arrow = tuple[str, str, str]


def _arrows(machine: Machine) -> list[_Arrow]:
    """Source, target and label of each transition, and of the marks."""
    arrows = [("[*]", machine.initial, "")]
    for each in machine.transitions:
        rivals = [other for other in machine.transitions if (other.source, other.event) == (each.source, each.event)]
        guard = each.guard.name if each.guard else "else" if len(rivals) > 1 else None
        arrows.append((each.source, each.target, f"{each.event} [{guard}]" if guard else each.event))
    return arrows


def test_it_is_drawn_for_mermaid() -> None:
    assert mermaid(KEY_WORDS).splitlines() == [
        "stateDiagram-v2",
        '    state "state" as s_state',
        '    state "note" as s_note',
        '    state "end" as s_end',
        '    state "node" as s_node',
        '    state "class" as s_class',
        "    [*] --> s_state",
        "    s_state --> s_note : written",
        "    s_note --> s_end : approve [signed]",
        "    s_note --> s_state : approve [else]",
        "    s_note --> s_node : wait [signed]",
        "    s_node --> s_class : graph",
        "    s_end --> [*] : completed",
        "    s_class --> [*] : cancelled",
    ]


def test_it_is_drawn_for_graphviz() -> None:
    assert dot(KEY_WORDS, "node").splitlines() == [
        'digraph "node" {',
        "    rankdir=LR;",
        "    node [shape=box, style=rounded];",
        '    "[*]" [shape=point, width=0.15];',
        '    "state";',
        '    "note";',
        '    "end" [peripheries=2, label="end\\n(completed)"];',
        '    "node";',
        '    "class" [peripheries=2, label="class\\n(cancelled)"];',
        '    "[*]" -> "state";',
        '    "state" -> "note" [label="written"];',
        '    "note" -> "end" [label="approve [signed]"];',
        '    "note" -> "state" [label="approve [else]"];',
        '    "note" -> "node" [label="wait [signed]"];',
        '    "node" -> "class" [label="graph"];',
        "}",
    ]


def test_a_title_is_escaped() -> None:
    assert dot(KEY_WORDS, 'a "b" \\').startswith('digraph "a \\"b\\" \\\\" {\n')


@given(machines())
@example(KEY_WORDS)
def test_every_line_for_mermaid_keeps_to_the_grammar_and_all_of_the_machine_is_there(machine: Machine) -> None:
    first, *lines = mermaid(machine).splitlines()
    assert first == "stateDiagram-v2"
    found = [_MERMAID.fullmatch(line) for line in lines]
    parts = [match.groupdict() for match in found if match]
    assert len(parts) == len(lines)
    assert [each["state"] for each in parts if each["state"]] == list(machine.states)
    assert {each["final"]: each["end"] for each in parts if each["final"]} == dict(machine.finals)
    arrows = [("[*]", each["initial"], "") for each in parts if each["initial"]]
    for each in (each for each in parts if each["source"]):
        label = f"{each['event']} [{each['guard']}]" if each["guard"] else each["event"]
        arrows.append((each["source"], each["target"], label))
    assert arrows == _arrows(machine)


@given(machines())
@settings(max_examples=10)  # a process each
@example(KEY_WORDS)
def test_graphviz_reads_all_of_the_machine(machine: Machine) -> None:
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed (apt-get install graphviz)")
    drawn = subprocess.run(
        ["dot", "-Tplain"], input=dot(machine, "any"), capture_output=True, text=True, timeout=60, check=True
    )
    assert drawn.stderr == ""
    rows = [shlex.split(line) for line in drawn.stdout.splitlines()]
    labels = {row[1]: row[6] for row in rows if row[0] == "node"}
    ends = {state: f"{state}\\n({final})" for state, final in machine.finals.items()}
    assert labels == {"[*]": "[*]", **{state: ends.get(state, state) for state in machine.states}}
    edges = [(row[1], row[2], *row[4 + 2 * int(row[3]) :]) for row in rows if row[0] == "edge"]
    arrows = [(source, target, label if len(rest) == 4 else "") for source, target, label, *rest in edges]
    assert sorted(arrows) == sorted(_arrows(machine))
