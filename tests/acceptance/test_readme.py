"""What the documents show is true: commands run, print what is shown, and the examples work."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from bson import json_util
from documents import CHAPTERS, CHECKOUT, CLASSES, DOCUMENTS, blocks, has_shape
from mongo_server import MongoPlace
from workshop import Workshop

from roundsman.conversations.mongo.indexes import OUR_NAME

pytestmark = pytest.mark.slow


@pytest.fixture
def workshop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    made.mongo = lambda: _with_sample(request.getfixturevalue("mongo"))
    yield made
    if made.running is not None:
        made.running.kill()


def _with_sample(place: MongoPlace) -> MongoPlace:
    sample = json_util.loads((CHECKOUT / "samples" / "folkform-export.json").read_text(encoding="utf-8"))
    place.fill(sample, prefix="fb_src_")
    for name in ("fb_src_conversations", "fb_src_message_items"):
        place.database[name].drop_index(OUR_NAME)
    return place


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter[0].name)
def test_a_document_is_true_from_top_to_bottom(chapter: list[Path], workshop: Workshop) -> None:
    found = [block for document in chapter for block in blocks(document)]
    last_beside = max((index for index, block in enumerate(found) if block.kind == "beside"), default=None)
    for index, block in enumerate(found):
        workshop.do(block)
        if index == last_beside:
            workshop.stop_running()


def test_every_block_is_of_exactly_one_class_and_every_class_is_dealt_with() -> None:
    assert Workshop.WORK.keys() == CLASSES.keys()
    counts = {document.name: len(list(blocks(document))) for document in DOCUMENTS}  # raises for one without
    assert counts["README.md"] > 10


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", text):
        if target and "://" not in target:
            assert (document.parent / target).exists(), f"{document.name}: {target}"
    for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]*)\)", text):
        headings = re.findall(r"(?m)^#+ (.*)$", (document.parent / (target or document.name)).read_text())
        anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert anchor in anchors, f"{document.name}: #{anchor}"


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("done in 1.2 s, 2026-01-01 00:00:00 UTC", ["done in 10 ms, 2026-11-22 03:45:29 UTC"], True),
        ("done in 1 min 02 s: late=3", ["done in 10 ms: late=14"], True),
        ("failed in 1.2 s", ["done in 10 ms"], False),
        ("a\nb\nc", ["a", "..."], True),
        ("a\nb\nc", ["a"], False),
        ("a\nb\nc", ["...", "c"], True),
        ("Store: /tmp/x/roundsman.db", ["Store: ..."], True),
        ("JOB      STATE", ["JOB  STATE"], True),
        ("", [], True),
        ("x", [], False),
    ],
)
def test_a_shape_is_strict_about_words_only(printed: str, shown: list[str], same: bool) -> None:
    assert has_shape(printed, shown) is same
