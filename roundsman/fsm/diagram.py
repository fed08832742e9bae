"""A machine as a drawing: text for Mermaid (README files, wikis) and for Graphviz.

Equal machines give equal texts, in the order of their declaration, so that a drawing can be kept under version
control. No name stands there bare, since `note`, `end` and `node` are key words of these languages.
"""

from collections.abc import Iterator

from roundsman.fsm.machine import Machine, Transition


def mermaid(machine: Machine) -> str:
    """A `stateDiagram-v2`. Final states lead to the end mark, with how the run has ended."""
    lines = [f'state "{state}" as s_{state}' for state in machine.states]
    lines.append(f"[*] --> s_{machine.initial}")
    lines += [f"s_{each.source} --> s_{each.target} : {label}" for each, label in _labelled(machine)]
    lines += [f"s_{state} --> [*] : {final}" for state, final in machine.finals.items()]
    return "\n    ".join(["stateDiagram-v2", *lines]) + "\n"


def dot(machine: Machine, name: str) -> str:
    """A digraph of that name. Final states have a double border and tell how the run has ended."""
    lines = ["rankdir=LR;", "node [shape=box, style=rounded];", '"[*]" [shape=point, width=0.15];']
    for state in machine.states:
        ends = f' [peripheries=2, label="{state}\\n({machine.finals[state]})"]' if machine.is_final(state) else ""
        lines.append(f"{_quoted(state)}{ends};")
    lines.append(f'"[*]" -> {_quoted(machine.initial)};')
    for each, label in _labelled(machine):
        lines.append(f"{_quoted(each.source)} -> {_quoted(each.target)} [label={_quoted(label)}];")
    return "\n    ".join([f"digraph {_quoted(name)} {{", *lines]) + "\n}\n"


def _labelled(machine: Machine) -> Iterator[tuple[Transition, str]]:
    guarded = {(each.source, each.event) for each in machine.transitions if each.guard is not None}
    for each in machine.transitions:
        if each.guard is not None:
            yield each, f"{each.event} [{each.guard.name}]"
        else:
            yield each, f"{each.event} [else]" if (each.source, each.event) in guarded else each.event


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
