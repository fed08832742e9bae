"""The contract of queues runs over every place that has the features which a test needs."""

from collections.abc import Iterator

import pytest
from queue_places import Offer, QueuePlace, offers


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*features): what a place must be able to do (see tests/queue_places.py)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" not in metafunc.fixturenames:
        return
    needed = {feature for mark in metafunc.definition.iter_markers("needs") for feature in mark.args}
    missing = pytest.mark.skip(reason="the adapter is not there yet")
    params = [
        pytest.param(offer, id=name, marks=offer.marks if offer else missing)
        for name, offer in offers().items()
        if offer is None or needed <= offer.features
    ]
    metafunc.parametrize("place", params, indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[QueuePlace]:
    """An empty place for messages; the test runs once over each that can do what it needs."""
    offer: Offer = request.param
    with offer.make(request) as made:
        yield made
