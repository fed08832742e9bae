"""The language of texts of one's own: whatever is written in it ends soon and says little; all else is refused."""

from dataclasses import replace
from time import thread_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundsman.alerts.templates import TEXTS, Language, told_built_in
from roundsman.alerts.templates.grammar import MOST_STEPS, Folder
from roundsman.alerts.templates.own import FolderTexts
from roundsman.alerts.templates.samples import sample_scenes
from roundsman.alerts.templates.values import LONGEST_TEXT, MOST_LINES, Values
from roundsman.alerts.templates.variables import variables_of
from roundsman.errors import ConfigurationError

NAME = "conversation_unreplied.vi.j2"
CALLED = 'nothing is called but `notes.get("name")` and `since.strftime("%H:%M")`'
DEEP = "tags and brackets are nested more than 40 deep"
LONG = f"a text would be longer than {LONGEST_TEXT} characters"
WHOLE = "a number is 1e+15 at most"
OVER_FACTS = "a loop goes over facts, as in {% for name, minutes in charged %}"
TRIED = " (tried on a warning alert with every fact)"


def faults(text: str, **parts: str) -> list[str]:
    """With the text on the second line of the file; found within a second of work."""
    began = thread_time()
    with pytest.raises(ConfigurationError) as wrong:
        FolderTexts({NAME: f"{{% block title %}}\n{text}{{% endblock %}}", **parts})
    assert thread_time() - began < 1
    return list(wrong.value.faults)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        # running on
        ("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}", CALLED),
        ("{% for a in 'abc' %}x{% endfor %}", OVER_FACTS),
        ("{% for a in [1, 2] %}x{% endfor %}", OVER_FACTS),
        ("{% for a in title %}x{% endfor %}",
         f"a loop goes over lists of facts, and 'Nguyễn Thị Lan đã chờ 23 phút trên Shop ' is none{TRIED}"),
        ("{% for a in lines %}{% for b in lines %}{% for c in lines %}x{% endfor %}{% endfor %}{% endfor %}",
         "more than 2 loops lie within each other"),
        ("{% for a in lines recursive %}{{ loop(lines) }}{% endfor %}", "a loop cannot be recursive"),
        ("{% for a in lines %}{{ loop(lines) }}{% endfor %}", CALLED),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
         "there are no macros; put what is shared into a file _NAME.j2 and include it"),
        ("{{ self.title() }}", CALLED),
        ("{{ self }}", "`self` is not part of the language of texts"),
        ("{% include 'conversation_unreplied.vi.j2' %}", f"{NAME} is no part; the names of those begin with _"),
        ("{% include customer %}", 'what is included is named plainly, as in {% include "_sign.j2" %}'),
        ("{% extends '_a.j2' %}", "there is no `extends`; put what is shared into a file _NAME.j2 and include it"),
        ("{% import '_a.j2' as a %}", "there is no `import`; put what is shared into a file _NAME.j2 and include it"),
        ("{% block lines %}x{% endblock %}", "a block stands by itself, not within another tag and not in a part"),
        # growing
        ("{{ 'x' * 1000000000 }}", "`*` is for numbers, and not for texts"),
        ("{{ [1] * 1000000000 }}", "`*` is for numbers, and not for texts"),
        ("{{ customer * 1000000000 }}", f"`*` is for numbers{TRIED}"),
        ("{{ lines + lines }}", f"`+` is for numbers; join texts with `~`{TRIED}"),
        ("{{ 9 ** 9 ** 9 }}", "there is no `**`"),
        ("{{ 999999999999999 * 999999999999999 }}", f"a number would be larger than 1e+15{TRIED}"),
        ("{{ '%1000000000d' % 1 }}", "`%` is for numbers, and not for texts"),
        ("{{ customer % 1 }}", f"`%` is for numbers{TRIED}"),
        ("{{ '%1000000000d' | format(1) }}", "there is no filter format; docs/texts.md lists those there are"),
        ("{{ '{:>1000000000}'.format(1) }}", CALLED),
        ("{{ since.strftime('%999999999d') }}", CALLED),
        ("{{ since.strftime(customer) }}", CALLED),
        ("{{ lipsum(n=100000) }}", CALLED),
        ("{% set s = 'x' %}" + "{% set s = s ~ s %}" * 99, "there is no `set`; write the value where it is needed"),
        ("{% with s = [1] %}{% endwith %}", "there is no `with`; write the value where it is needed"),
        ("{{ [lines, lines] }}", 'a list holds plain texts and numbers, as in `if page in ["Shop A", "Shop B"]`'),
        ("{{ {1: 2} }}", "there are no dictionaries; ask with `if` and `elif`"),
        ("{% filter upper %}x{% endfilter %}", "there is no `filter` tag; write {{ value | filter }}"),
        ("{{ customer" + " | replace('', 'xxxxxxxxxxxxxxxxxxxx')" * 9 + " }}", LONG + TRIED),
        ("{{ customer" + " | join('xxxxxxxxxxxxxxxxxxxx')" * 9 + " }}", LONG + TRIED),
        ("{{ title" + " ~ title" * 900 + " }}", LONG + TRIED),
        ("{{ customer | center(1000000000) }}", "there is no filter center; docs/texts.md lists those there are"),
        ("{{ customer | truncate(1000000000) }}", f"a filter takes no number above 1000{TRIED}"),
        ("{{ 1.5 | round(1000000000, 'floor') }}", f"a filter takes no number above 1000{TRIED}"),
        ("{{ '1e308' | float }}", f"a number would be larger than 1e+15{TRIED}"),
        ("{{ 'x' | round(9, 'floor') }}", f"round is for numbers, and 'x' is none{TRIED}"),
        ("{{ '%1000000000d' is even }}", f"even is for numbers, and '%1000000000d' is none{TRIED}"),
        ("{{ '%1000000000d' is divisibleby(1) }}", f"divisibleby is for numbers, and '%1000000000d' is none{TRIED}"),
        ("{{ 1[0:1] }}", f"'1' has no parts{TRIED}"),
        ("{{ customer | sort }}", f"sort is for lists, and 'Nguyễn Thị Lan' is a text{TRIED}"),
        ("{{ customer | joinn }}", "there is no filter joinn; did you mean join?"),
        ("{{ customer | _turns }}", "there is no filter _turns; docs/texts.md lists those there are"),
        ("{{ customer is callable }}", "there is no test callable; docs/texts.md lists those there are"),
        ("{{ customer | default(*lines) }}", "the filter default takes no `*`"),
        # large and deep
        ("{{ " + "9" * 60_000 + " }}", WHOLE),
        ("{{ " + "9" * 4_000 + " }}", WHOLE),
        ("{{ 1e308 }}", WHOLE),
        ("{{ '" + "x" * 60_000 + "' }}", f"a text in quotes has {LONGEST_TEXT} characters at most"),
        ("{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}", DEEP),
        ("{{ " + "not " * 10_000 + "1 }}", DEEP),
        ("{{ customer" + ".a" * 30_000 + " }}", DEEP),
        ("{{ customer" + " | upper" * 7_000 + " }}", DEEP),
        ("{{ 1" + "+1" * 30_000 + " }}", DEEP),
        ("{% if 1 %}" * 3_000 + "{% endif %}" * 3_000, DEEP),
        ("{% autoescape true %}x{% endautoescape %}", "this is not part of the language of texts"),
    ],
    ids=lambda each: each[:40],
)  # fmt: skip
def test_what_could_run_on_or_grow_is_refused_at_once(text: str, sentence: str) -> None:
    line = 1 if "autoescape" in text else 2  # a tag of which Jinja keeps no line
    assert faults(text) == [f"ALERT_TEMPLATES: {NAME} line {line}: {sentence}" + "." * (not sentence.endswith("?"))]


@pytest.mark.parametrize(
    "text",
    [
        "{{ customer }}" * 5_500,
        "{% if 1 %}" + "{% elif 0 %}x" * 4_000 + "{% endif %}",
        "{% for a in lines %}{% for b in lines %}" + "{{ title }}" * 20 + "{% endfor %}{% endfor %}",
        "{% for a in lines %}" + "{% include '_sign.j2' %}" * 20 + "{% endfor %}",
    ],
    ids=["outputs", "elif", "loops", "parts"],
)
def test_a_file_has_so_many_steps(text: str) -> None:
    (fault,) = faults(text, **{"_sign.j2": "{{ severity }}" * 20})
    assert fault.startswith(f"ALERT_TEMPLATES: {NAME} line 1: has ")
    assert fault.endswith(f"steps, turns of loops counted, and {MOST_STEPS} are allowed; say less.")


def test_parts_include_no_parts_so_there_is_no_circle() -> None:
    found = faults("{% include '_a.j2' %}", **{"_a.j2": "\n{% include '_b.j2' %}", "_b.j2": "{% include '_a.j2' %}"})
    sentence = "a part includes no other part; include both where they are needed."
    assert found == [f"ALERT_TEMPLATES: _a.j2 line 2: {sentence}", f"ALERT_TEMPLATES: _b.j2 line 1: {sentence}"]


def test_loops_of_parts_count_where_they_are_included() -> None:
    loops = "{% for a in lines %}{% for b in lines %}x{% endfor %}{% endfor %}"
    assert faults("{% for c in lines %}{% include '_a.j2' %}{% endfor %}", **{"_a.j2": loops}) == [
        f"ALERT_TEMPLATES: {NAME} line 2: more than 2 loops lie within each other."
    ]


def test_a_part_that_nobody_includes_is_read_too() -> None:
    assert faults("x", **{"_a.j2": "{{ 1 ** 2 }}"}) == ["ALERT_TEMPLATES: _a.j2 line 1: there is no `**`."]


def test_the_deepest_template_that_is_allowed_compiles() -> None:
    for text in ("{{ " + "(not " * 37 + "1" + ")" * 37 + " }}", "{% if 1 %}" * 36 + "x" + "{% endif %}" * 36,
                 "{{ customer" + " | default('x') | upper" * 18 + " }}"):  # fmt: skip
        FolderTexts({NAME: f"{{% block title %}}{text}{{% endblock %}}"})


def rendered(text: str, language: Language = Language.VIETNAMESE, **more: Any) -> list[str]:
    """The pieces of a block as Jinja yields them, without the cut of the message; none when the text is refused."""
    texts = TEXTS[language]
    environment = Values(Folder({NAME: f"{{% block title %}}{text}{{% endblock %}}"}), texts.moment, texts.duration)
    template = environment.get_template(NAME)
    scene = next(iter(sample_scenes("conversation_unreplied")))[1]
    variables = variables_of(scene, told_built_in(scene, language)) | more
    return list(template.blocks["title"](template.new_context(variables)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% for name, value in labels | dictsort %}{{ loop.index }} {{ name }}={{ value }}{% endfor %}",
         "1 page_id=shop-a"),
        ("{% for name, value in notes | items if name == 'target' %}{{ value }}{% else %}none{% endfor %}", "first"),
        ("{{ 'late' if level > 0 and not due else 'soon' }}", "soon"),
        ("{{ (waited | minutes - 3) // 5 * 2 }} {{ (since + waited) | moment }}", "8 04:00 ngày 03/03"),
        ("{{ customer[:6] ~ '…' }} {{ customer | replace('Lan', 'Hoa') | upper }}", "Nguyễn… NGUYỄN THỊ HOA"),
        ("{{ notes.get('nothing', page) }} {{ labels.page_id }} {{ since.strftime('%H:%M') }}", "Shop A shop-a 03:37"),
        ("{% if page in ['Shop A', 'Shop B'] and platform is defined %}x{% endif %}", "x"),
        ("{{ [3, 1, 2] | sort | join(', ') }} {{ lines | reverse | first | length > 3 }}", "1, 2, 3 True"),
    ],
)  # fmt: skip
def test_what_a_text_needs_is_there(text: str, said: str) -> None:
    assert "".join(rendered(text)) == said


def test_a_loop_takes_as_many_turns_as_a_message_has_lines() -> None:
    notes = {f"n{number}": number for number in range(60)}
    assert len(rendered("{% for name in notes %}{{ name }}{% endfor %}", notes=notes)) == MOST_LINES


def test_facts_of_any_size_are_small_in_a_template() -> None:
    scene = next(iter(sample_scenes("disk_full")))[1]
    annotations = {f"n{number}": "x" * 9_999 for number in range(5_000)} | {"y" * 300: 1}
    scene = replace(scene, alert=replace(scene.alert, annotations=annotations))
    found = variables_of(scene, ("z" * 9_999, "z" * 9_999))
    assert len(repr(found)) < 50_000


# --- whatever is written ---

ARGUMENTS = st.sampled_from(["0", "1", "7", "-3", "999", "'x'", "''", "none", "true", "customer", "level", "lines"])
TEXT_FACTS = st.sampled_from(["customer", "page", "title", "kind", "notes.target", "'x'", "''",
                              "'abcdefghijklmnopqrst'", "'%99999d'"])  # fmt: skip
NUMBER_FACTS = st.sampled_from(["level", "waited | minutes", "0", "1", "7", "-3", "2.5", "999999", "notes.days"])
LIST_FACTS = st.sampled_from(["lines", "charged", "notes", "labels", "labels | dictsort", "notes | items",
                              "lines | reverse", "['x', 'yyyyyyyyyyyyyy']", "lines | sort"])  # fmt: skip


def _texts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    filters = st.sampled_from(["upper", "capitalize", "reverse", "trim", "truncate(900)", "string", "first"])
    return st.one_of(
        st.builds("({} ~ {})".format, inner, inner),
        st.builds("({} ~ {})".format, inner, NUMBERS),
        st.builds("({} | {})".format, inner, filters),
        st.builds("({} | replace({}, {}))".format, inner, inner, inner),
        st.builds("({} | replace('', {}))".format, inner, inner),
        st.builds("({} | join({}))".format, inner, inner),
        st.builds("({} | join({}))".format, LIST_FACTS, inner),
        st.builds("({} | default({}, true))".format, inner, inner),
        st.builds("({} if {} == {} else {})".format, inner, inner, inner, inner),
        st.builds("({})[{}:{}]".format, inner, st.integers(-9, 9), st.integers(-9, 9)),
        st.builds("notes.get('customer_name', {})".format, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or", "in", "<", "+", "*", "%"]), inner),
        st.builds("({} | {}({}))".format, inner,
                  st.sampled_from(["round", "abs", "int", "float", "truncate", "trim", "max"]), ARGUMENTS),
        st.builds("({} is {})".format, inner, st.sampled_from(["defined", "even", "string", "in lines"])),
    )  # fmt: skip


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "*", "//", "%", "/"]), inner),
        st.builds("({} | round({}, 'floor'))".format, inner, st.integers(-9, 1_001)),
        st.builds("(-{})".format, inner),
        st.builds("({} | abs)".format, inner),
    )


NUMBERS = st.recursive(NUMBER_FACTS, _numbers, max_leaves=6)
TEXTS_OF_FACTS = st.recursive(TEXT_FACTS, _texts, max_leaves=8)
EXPRESSIONS = st.one_of(TEXTS_OF_FACTS, TEXTS_OF_FACTS, NUMBERS, LIST_FACTS)


def _within(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("{{% if {} %}}{}{{% elif {} %}}{}{{% else %}}{}{{% endif %}}".format,
                  EXPRESSIONS, inner, EXPRESSIONS, inner, inner),
        st.builds("{{% for a in {} %}}{}{{{{ loop.index }}}}{{% endfor %}}".format, LIST_FACTS, inner),
        st.builds("{{% for a in {} if {} %}}{{{{ a }}}}{}{{% endfor %}}".format, LIST_FACTS, EXPRESSIONS, inner),
    )  # fmt: skip


PROGRAMS = st.recursive(
    st.one_of(st.builds("{{{{ {} }}}}".format, EXPRESSIONS), st.just("text ")), _within, max_leaves=10
)


@settings(deadline=1_000)
@given(PROGRAMS)
def test_whatever_is_written_in_the_language_says_little(program: str) -> None:
    try:
        pieces = rendered(program)
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - a slip of this program, such as a word in a sum: what counts is that it ended
        return
    assert len(pieces) <= MOST_STEPS
    assert max(map(len, pieces), default=0) <= LONGEST_TEXT
