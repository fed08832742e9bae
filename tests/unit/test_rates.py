"""How fast messages leave: buckets of tokens, alone and shared, under a clock of the test's own."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.rate import BURST, Buckets, Rate
from roundsman.clock import ManualClock

SECOND = timedelta(seconds=1)
PAUSES = st.lists(st.floats(0, 20), min_size=1, max_size=200)


def telegram(clock: ManualClock, target: str, token: str = "1:abcdefghijk") -> TelegramChannel:
    return TelegramChannel("telegram", clock, bot_token=token, target=target)


def most_within(moments: list[float], span: float) -> int:
    """The most that lie within any time of that length, its ends included."""
    return max(sum(start <= each <= start + span - 1e-6 for each in moments) for start in moments)


def test_a_full_bucket_lets_a_burst_through_and_then_one_at_a_time() -> None:
    buckets, rates = Buckets(), (Rate("x", SECOND, burst=3),)
    assert [buckets.take(rates, 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    assert buckets.take(rates, 100.5) == 0.5
    assert buckets.take(rates, 101.0) == 0.0
    assert buckets.take(rates, 101.0) == 1.0


def test_what_was_not_used_comes_back() -> None:
    buckets, rates = Buckets(), (Rate("x", SECOND, burst=1),)
    assert buckets.take(rates, 5.0) == 0.0
    assert buckets.wait(rates, 5.0) == 1.0
    buckets.give_back(rates)
    assert buckets.wait(rates, 5.0) == 0.0


def test_what_was_sent_beyond_one_message_is_waited_for() -> None:
    buckets, rates = Buckets(), (Rate("x", SECOND, burst=3), Rate("y", SECOND, burst=10))
    assert buckets.take(rates, 5.0) == 0.0
    buckets.owe(rates, 4)
    assert buckets.wait(rates, 5.0) == 3.0
    assert buckets.take(rates, 8.0) == 0.0


def test_without_rates_nothing_waits() -> None:
    assert [Buckets().take((), 0.0) for _ in range(100)] == [0.0] * 100


def test_one_empty_bucket_holds_the_message_and_costs_nothing_of_the_others() -> None:
    buckets, narrow, wide = Buckets(), Rate("narrow", SECOND, burst=1), Rate("wide", SECOND, burst=2)
    assert buckets.take((narrow, wide), 0.0) == 0.0
    assert buckets.take((narrow, wide), 0.0) == 1.0
    assert buckets.take((wide,), 0.0) == 0.0


@given(PAUSES, st.integers(1, 12), st.integers(1, 5))
def test_no_time_sees_more_than_a_burst_and_what_came_back(pauses: list[float], burst: int, every: int) -> None:
    buckets, rates = Buckets(), (Rate("x", timedelta(seconds=every), burst),)
    now, sent = 0.0, []
    for pause in pauses:
        now += pause
        if buckets.take(rates, now) == 0.0:
            sent.append(now)
    for intervals in (1, 3, 10):
        assert most_within(sent, every * intervals) <= burst + intervals


def flood(channels: list[TelegramChannel], seconds: int) -> list[float]:
    """When they would send if all had more than enough to tell."""
    buckets = Buckets()
    return [
        step / 100
        for step in range(seconds * 100)
        for channel in channels
        if buckets.take(channel.rates, step / 100) == 0.0
    ]


def test_a_group_gets_twenty_messages_a_minute_and_its_topics_share_them(clock: ManualClock) -> None:
    channels = [telegram(clock, "-100200:7"), telegram(clock, "-100200:8"), telegram(clock, "-100200")]
    assert len({channel.rates for channel in channels}) == 1
    sent = flood(channels, 180)
    assert 19 <= most_within(sent, 60) <= 20
    assert 45 <= len(sent) <= 60


def test_one_person_gets_about_one_a_second(clock: ManualClock) -> None:
    sent = flood([telegram(clock, "4711")], 60)
    assert most_within(sent, 30) <= BURST + 30


def test_a_bot_sends_thirty_messages_a_second_to_all_its_chats_together(clock: ManualClock) -> None:
    sent = flood([telegram(clock, str(1000 + number)) for number in range(60)], 5)
    assert 20 <= most_within(sent, 1.0) <= 30


def test_bots_and_channels_of_slack_are_counted_each_by_itself(clock: ManualClock) -> None:
    one, other = telegram(clock, "-1"), telegram(clock, "-1", token="2:abcdefghijk")
    assert not {rate.key for rate in one.rates} & {rate.key for rate in other.rates}
    slack = [SlackChannel("slack", clock, bot_token="xoxb-1-abcdefghijk", channel=name) for name in ("C1", "C2")]
    assert slack[0].rates != slack[1].rates
    assert [rate.every for rate in slack[0].rates] == [SECOND]


def test_no_rate_gives_a_token_away(clock: ManualClock) -> None:
    slack = SlackChannel("slack", clock, webhook_url="https://hooks.slack.com/services/T0/B0/abcdefghijk")
    assert "abcdefghijk" not in repr((telegram(clock, "-1").rates, slack.rates))
