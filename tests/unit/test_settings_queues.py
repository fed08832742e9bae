"""Settings of the queue: which one, what it needs, and that nothing of it is shown that must not be."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from config import QueueSettings, Secret, Settings, SettingsError, SqsSettings, load

NOWHERE = Path("/nonexistent")
SQS = "https://sqs.eu-central-1.amazonaws.com/123456789012/roundsman"
KEY = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "abc/def+secret"}


def settings(**environ: str) -> Settings:
    return load(environ, NOWHERE)


def faults(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(environ, NOWHERE)
    return list(error.value.faults)


def redis(url: str) -> QueueSettings:
    return settings(QUEUE_TYPE="redis", REDIS_URL=url).queue


def sqs(url: str = SQS, **environ: str) -> SqsSettings:
    found = settings(QUEUE_TYPE="sqs", SQS_QUEUE_URL=url, **environ).queue.sqs
    assert found is not None
    return found


def shown(found: Settings) -> Mapping[str, tuple[str | None, str]]:
    return {item.name: (item.shown, item.source) for item in found.in_force}


# --- which queue ---


@pytest.mark.parametrize("env", ["development", "test", "staging"])
def test_the_queue_is_local_unless_said_otherwise(env: str) -> None:
    found = settings(APP_ENV=env)
    assert found.queue == QueueSettings("local", "roundsman", None, None)
    assert shown(found)["QUEUE_TYPE"] == ("local", "default")


def test_production_means_sqs() -> None:
    found = settings(APP_ENV="production", SQS_QUEUE_URL=SQS)
    assert found.app_env == "production"
    assert (found.queue.type, found.queue.sqs) == ("sqs", SqsSettings(SQS, region="eu-central-1"))
    assert shown(found)["QUEUE_TYPE"] == ("sqs", "APP_ENV=production")


@pytest.mark.parametrize("name", ["APP_ENV", "NODE_ENV"])
def test_production_says_what_is_missing_and_how_to_say_otherwise(name: str) -> None:
    assert faults(**{name: "production"}) == [
        f"{name}: production means QUEUE_TYPE=sqs unless said otherwise, and SQS_QUEUE_URL is not set; "
        "set SQS_QUEUE_URL, or choose QUEUE_TYPE=local or QUEUE_TYPE=redis."
    ]


def test_the_sentence_about_production_names_the_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=info\nAPP_ENV=production\n")
    with pytest.raises(SettingsError) as error:
        load({}, tmp_path)
    assert error.value.faults[0].startswith("APP_ENV (.env line 2): production means QUEUE_TYPE=sqs")


def test_production_with_another_queue_needs_no_sqs() -> None:
    assert settings(APP_ENV="production", QUEUE_TYPE="local").queue.type == "local"
    assert settings(APP_ENV="production", QUEUE_TYPE="Redis", REDIS_URL="redis://h").queue.type == "redis"


def test_a_wrong_type_is_not_also_called_incomplete() -> None:
    assert faults(APP_ENV="production", QUEUE_TYPE="rabbit") == [
        "QUEUE_TYPE: 'rabbit' is not one of local, redis, sqs."
    ]


@pytest.mark.parametrize(("kind", "needed"), [("redis", "REDIS_URL"), ("sqs", "SQS_QUEUE_URL")])
def test_a_queue_without_its_address_is_a_fault(kind: str, needed: str) -> None:
    assert faults(QUEUE_TYPE=kind) == [
        f"QUEUE_TYPE: is {kind}, without {needed}; set {needed}, or choose QUEUE_TYPE=local."
    ]


def test_an_address_that_cannot_be_read_is_not_also_called_missing() -> None:
    (found,) = faults(QUEUE_TYPE="redis", REDIS_URL_FILE="missing")
    assert found.startswith("REDIS_URL_FILE: the file")


def test_what_only_another_queue_needs_is_noted_and_not_judged() -> None:
    found = settings(REDIS_URL="sentinel://[", SQS_DEAD_LETTER_URL="x")
    assert found.notes == (
        "REDIS_URL has no effect: the queue is local (QUEUE_TYPE).",
        "SQS_DEAD_LETTER_URL has no effect: the queue is local (QUEUE_TYPE).",
    )
    assert (found.queue.redis_url, found.queue.sqs) == (None, None)
    assert shown(found)["REDIS_URL"] == ("***", "environment")
    assert "sentinel://[" in found.secrets()


def test_the_names_of_aws_in_the_environment_may_be_meant_for_other_tools(tmp_path: Path) -> None:
    assert settings(AWS_REGION="?", AWS_SESSION_TOKEN="a\nb", AWS_PROFILE="x").notes == ()
    (tmp_path / ".env").write_text("AWS_REGION=eu-west-1\nAWS_PROFILE=x\n")
    assert load({}, tmp_path).notes == (
        "AWS_PROFILE (.env line 2) is set but nothing uses it yet.",
        "AWS_REGION (.env line 1) has no effect: the queue is local (QUEUE_TYPE).",
    )


def test_a_queue_has_a_name_of_its_own() -> None:
    assert settings(ROUNDSMAN_QUEUE_NAME="shop-2").queue.name == "shop-2"


@pytest.mark.parametrize("name", ["Shop", "a_b", "-a", "a:b", "é", "a" * 64])
def test_a_queue_s_name_is_a_plain_word(name: str) -> None:
    (found,) = faults(ROUNDSMAN_QUEUE_NAME=name)
    assert "is no name of a queue; write up to 63 lower-case letters" in found


# --- Redis ---


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost/",
        "redis://:secret@10.0.0.1:6379/15",
        "redis://user:p%40ss@[::1]:6379",
        "rediss://:secret@redis.example.com:6380/0?ssl_cert_reqs=none&ssl_ca_certs=/etc/ca.pem",
        "redis://localhost?db=3",
        "unix:///run/redis/redis.sock",
        "unix://:secret@/run/redis/redis.sock?db=1",
    ],
)
def test_a_redis_url_is_taken_as_it_is(url: str) -> None:
    assert redis(url) == QueueSettings("redis", "roundsman", Secret(url), None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:6379", "is no Redis URL; write redis://:PASSWORD@HOST:6379/0"),
        ("redis:localhost", "is no Redis URL"),
        ("https://h/0", "is no Redis URL"),
        ("redis://hé/0", "is no Redis URL"),
        ("redis://", "names no host"),
        ("redis:///0", "names no host"),
        ("redis://h:99999/0", "must be %-encoded"),
        ("redis://[secret/0", "must be %-encoded"),
        ("redis://:secret/word@h/0", "must be %-encoded"),
        ("redis://:12/secret@h/0", "must be %-encoded"),
        ("redis://:12?secret@h/0", "must be %-encoded"),
        ("redis://:12#secret@h/0", "must be %-encoded"),
        ("redis://secret@h/0", "a password alone is written with its colon, ://:PASSWORD@"),
        ("redis://h/cache", "ends in no database's number"),
        ("redis://h/0/1", "ends in no database's number"),
        ("redis://h/0?password=secret", "that is none of db; remove it"),
        ("redis://h/0?ssl_cert_reqs=none", "that is none of db; remove it"),
        ("rediss://h/0?secret", "that is none of db, ssl_cert_reqs"),
        ("redis://h?db=one", "holds a db that is no number"),
        ("unix://run/redis.sock", "write three slashes"),
        ("unix:///", "names no socket"),
    ],
)
def test_a_bad_redis_url_is_one_sentence_without_the_secret(url: str, words: str) -> None:
    (found,) = faults(QUEUE_TYPE="redis", REDIS_URL=url)
    assert found.startswith("REDIS_URL: the value ")
    assert words in found
    assert "secret" not in found


@pytest.mark.parametrize(
    ("url", "visible"),
    [
        ("redis://:a%2Fsecret@h:6379/0", "redis://:***@h:6379/0"),
        ("rediss://me:a%2Fsecret@h/1", "rediss://me:***@h/1"),
        ("unix://:a%2Fsecret@/run/redis.sock", "unix://:***@/run/redis.sock"),
    ],
)
def test_a_redis_url_is_shown_without_its_password(url: str, visible: str) -> None:
    found = settings(QUEUE_TYPE="redis", REDIS_URL=url)
    assert shown(found)["REDIS_URL"] == (visible, "environment")
    assert {url, "a%2Fsecret", "a/secret"} <= set(found.secrets())
    assert "secret" not in repr(found)


# --- SQS ---


@pytest.mark.parametrize(
    ("url", "region", "endpoint"),
    [
        (SQS, "eu-central-1", None),
        (f"{SQS}.fifo", "eu-central-1", None),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1", None),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1", None),
        ("https://sqs.us-west-2.api.aws/1/q", "us-west-2", None),
        ("https://us-west-2.queue.amazonaws.com/1/q", "us-west-2", None),
        ("https://queue.amazonaws.com/1/q", "us-east-1", None),
        (
            "https://vpce-0a-0b.sqs.us-east-2.vpce.amazonaws.com/1/q",
            "us-east-2",
            "https://vpce-0a-0b.sqs.us-east-2.vpce.amazonaws.com",
        ),
        ("http://127.0.0.1:5000/1/q", "us-west-1", "http://127.0.0.1:5000"),
        (
            "http://sqs.us-east-1.localhost.localstack.cloud:4566/0/q",
            "us-east-1",
            "http://sqs.us-east-1.localhost.localstack.cloud:4566",
        ),
        ("https://amazonaws.com.example.org/1/q", "us-west-1", "https://amazonaws.com.example.org"),
    ],
)
def test_a_queue_s_url_tells_where_the_queue_is(url: str, region: str, endpoint: str | None) -> None:
    found = sqs(url, AWS_DEFAULT_REGION="us-west-1")
    assert (found.queue_url, found.region, found.endpoint_url) == (url, region, endpoint)
    assert found.fifo == url.endswith(".fifo")


@pytest.mark.parametrize(
    ("environ", "region", "endpoint"),
    [
        ({"AWS_REGION": "a-1", "AWS_DEFAULT_REGION": "b-1"}, "a-1", "http://h"),
        ({"AWS_ENDPOINT_URL": "http://x:1"}, None, "http://x:1"),
        ({"AWS_ENDPOINT_URL": "http://x:1", "AWS_ENDPOINT_URL_SQS": "https://y"}, None, "https://y"),
    ],
)
def test_what_is_more_precise_wins(environ: dict[str, str], region: str | None, endpoint: str) -> None:
    found = sqs("http://h/1/q", **environ)
    assert (found.region, found.endpoint_url) == (region, endpoint)


def test_the_machine_s_region_need_not_be_the_queue_s() -> None:
    found = settings(QUEUE_TYPE="sqs", SQS_QUEUE_URL=SQS, AWS_REGION="us-east-1")
    assert found.notes == ("SQS_QUEUE_URL is in eu-central-1: AWS_REGION says otherwise and has no effect.",)
    assert shown(found)["AWS_REGION"] == ("eu-central-1", "SQS_QUEUE_URL")


def test_a_region_that_nobody_tells_is_noted() -> None:
    (note,) = settings(QUEUE_TYPE="sqs", SQS_QUEUE_URL="http://h/1/q").notes
    assert note.startswith("AWS_REGION is not set and SQS_QUEUE_URL tells no region")


def test_a_key_of_one_s_own_is_kept_secret() -> None:
    found = settings(QUEUE_TYPE="sqs", SQS_QUEUE_URL=SQS, AWS_SESSION_TOKEN="token-secret", **KEY)
    assert found.queue.sqs is not None
    assert found.queue.sqs.access_key_id == Secret(KEY["AWS_ACCESS_KEY_ID"])
    assert found.queue.sqs.secret_access_key == Secret(KEY["AWS_SECRET_ACCESS_KEY"])
    assert found.queue.sqs.session_token == Secret("token-secret")
    assert {*KEY.values(), "token-secret"} <= set(found.secrets())
    assert "secret" not in repr(found).replace("secret_access_key", "")


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        ("AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_half_a_key_is_a_fault(name: str, missing: str) -> None:
    assert faults(QUEUE_TYPE="sqs", SQS_QUEUE_URL=SQS, **{name: "x"}) == [
        f"{name}: is set without {missing}; set {missing} as well, or remove it."
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SQS_QUEUE_URL", "roundsman", "'roundsman' is no queue's URL; copy the whole one, such as https://sqs."),
        ("SQS_QUEUE_URL", "arn:aws:sqs:eu-central-1:1:q", "is no queue's URL"),
        ("SQS_QUEUE_URL", "https://[x/1/q", "is no queue's URL"),
        ("SQS_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/", "names no queue"),
        ("SQS_QUEUE_URL", f"{SQS}?Action=SendMessage", "names no queue"),
        ("SQS_QUEUE_URL", "https://u:secret@h/1/q", "leave them out of the address"),
        ("SQS_DEAD_LETTER_URL", SQS, "is the queue itself"),
        ("SQS_DEAD_LETTER_URL", f"{SQS}-dead.fifo", "both end in .fifo, or neither"),
        ("AWS_REGION", "eu central", "'eu central' is no region; write one such as eu-central-1"),
        ("AWS_ENDPOINT_URL", "127.0.0.1:4566", "is no address; write one such as http://127.0.0.1:4566"),
        ("AWS_ENDPOINT_URL_SQS", "http://h?x=1", "holds more than an address"),
    ],
)
def test_a_bad_value_of_sqs_is_one_sentence(name: str, value: str, words: str) -> None:
    (found,) = faults(**{"QUEUE_TYPE": "sqs", "SQS_QUEUE_URL": SQS, name: value})
    assert found.startswith(f"{name}: ")
    assert words in found
    assert "secret" not in found
