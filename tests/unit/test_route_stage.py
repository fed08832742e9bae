"""What a route makes of an alert's own audience."""

from datetime import UTC, datetime, timedelta

import pytest

from roundsman.alerts.news import News
from roundsman.alerts.rules.matcher import Matcher
from roundsman.alerts.rules.route import Route, RouteLevel, Rules
from roundsman.alerts.stages.route import directed, route
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Audience, Mention, Wording

NOW = datetime(2026, 3, 3, 4, tzinfo=UTC)
LAN, HOA = Mention("Lan", "U1"), Mention("Hoa", "U2")
CHANNELS = ["slack", "hook", "email"]


def news(audience: Audience, kind: str = "k", level: int = 1) -> News:
    return News(1, kind, Severity.MEDIUM, level, NOW, audience)


@pytest.mark.parametrize(
    ("own", "of_route", "told"),
    [
        ((), (), ("slack", "hook", "email")),
        (("hook",), (), ("hook",)),
        ((), ("email", "slack"), ("email", "slack")),
        (("hook", "slack"), ("email", "slack"), ("slack",)),
        (("hook",), ("email",), ("email",)),
        (("pager",), (), ("slack", "hook", "email")),
    ],
)
def test_where_it_goes(own: tuple[str, ...], of_route: tuple[str, ...], told: tuple[str, ...]) -> None:
    parcels = route([news(Audience(channels=own))], Rules((Route("r", channels=of_route),)), CHANNELS)
    assert tuple(each.channel for each in parcels) == told


def test_the_first_route_that_means_it_is_in_force() -> None:
    rules = Rules((Route("a", (Matcher.parse("kind=other"),), ("hook",)), Route("b", (), ("email",)), Route("c")))
    assert {each.route.name for each in route([news(Audience())], rules, CHANNELS)} == {"b"}
    assert [each.channel for each in route([news(Audience(), "other")], rules, CHANNELS)] == ["hook"]


def test_a_level_of_the_route_has_channels_of_its_own() -> None:
    chosen = Route("r", channels=("slack",), levels=(RouteLevel(2, timedelta(minutes=5), (HOA,), ("email",)),))
    assert directed(Audience(), chosen, 1).channels == ("slack",)
    assert directed(Audience(), chosen, 2).channels == ("email",)


def test_what_a_route_adds() -> None:
    own = Audience("Sales", mentions=(LAN,), digest_from=3)
    chosen = Route("r", fallback=("hook",), mentions=(HOA, LAN), digest_from=7, language=Wording.VIETNAMESE)
    found = directed(own, chosen, 1)
    assert (found.team, found.mentions, found.digest_from) == ("Sales", (LAN, HOA), 7)
    assert (found.fallback, found.language) == (("hook",), Wording.VIETNAMESE)
    assert directed(own, Route("plain"), 1) == own
