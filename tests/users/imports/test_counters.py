import json

import pytest
import redis
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.users.imports.deployments import SHANGHAI, run
from users.imports.counters import Counters, Place, read_counters
from users.imports.tables import SourceUnreadable
from users.imports.values import wall_clock
from users.models import LegacyRow

CONFIGURATION = """
subscription: {plans: [{level: 1, price: 42, items: [{id: gpt-4, value: 150}]}]}
"""


@pytest.fixture
def commands(tmp_path):
    """A file of Redis commands with these lines."""

    def write(*lines):
        path = tmp_path / "redis.txt"
        path.write_text("\n".join(lines) + "\n", "utf-8", "surrogateescape")
        return Place(commands=path)

    return write


@pytest.fixture
def server():
    """An empty database of the real server, and its URL."""
    url = settings.REDIS_URL.rsplit("/", 1)[0] + "/15"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield client, url
        client.flushdb()


def kept(table):
    return {row.key: row for row in LegacyRow.objects.filter(table_name=table)}


# Reading


def test_commands_leave_what_the_server_would_hold(commands):
    place = commands(
        "# a comment",
        "SELECT 0",
        "set usage-gpt-4:6 2026-11-01:12:00:00/49",
        "SET usage-old:6 x",
        "DEL usage-old:6",
        'SETEX "usage-a b:7" 60 2026-11-01:12:00:00/1',
        "INCRBY nio:request-analysis-2026-11-01 5",
        "INCR nio:request-analysis-2026-11-01",
        "SET nio:user:ana {secret}",
    )
    found = read_counters(place)
    assert found == Counters(
        str(place.commands),
        usage={"usage-a b:7": "2026-11-01:12:00:00/1", "usage-gpt-4:6": "2026-11-01:12:00:00/49"},
        statistics={"nio:request-analysis-2026-11-01": "6"},
        left=1,
    )


@pytest.mark.parametrize(
    "line", ["FLUSHALL", "SET usage-a:1", "INCRBY usage-a:1 many", 'SET "usage', "hello", "DEL"]
)
def test_line_that_sets_no_counter_is_named(commands, line):
    with pytest.raises(SourceUnreadable, match="line 2 is no Redis command"):
        read_counters(commands("SET usage-a:1 x", line))


def test_file_that_is_not_there_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(SourceUnreadable, match="No such file"):
        read_counters(Place(commands=tmp_path / "none.txt"))


def test_server_is_scanned_and_its_caches_are_not_read(server):
    client, url = server
    client.set("usage-gpt-4:6", "2026-11-01:12:00:00/49")
    client.set("nio:billing-analysis-2026-11", "1250")
    client.set("nio:user:ana", "a hash")
    client.lpush("usage-list:1", "odd")
    found = read_counters(Place(url=url))
    assert found.usage == {"usage-gpt-4:6": "2026-11-01:12:00:00/49", "usage-list:1": ""}
    assert found.statistics == {"nio:billing-analysis-2026-11": "1250"}
    assert found.left == 1


@pytest.mark.parametrize("url", ["redis://:hidden@127.0.0.1:1/0", "nonsense://x", "redis://h:p/0"])
def test_server_that_cannot_be_read_is_refused_without_its_password(url):
    with pytest.raises(SourceUnreadable) as refused:
        read_counters(Place(url=url))
    assert "cannot be read" in str(refused.value)
    assert "hidden" not in str(refused.value)


# Keeping


@pytest.mark.django_db
def test_counter_of_a_plan_is_kept_with_its_person(deployment, commands, tmp_path):
    deployment.person(6, "ana", quota=1)
    configuration = tmp_path / "config.yaml"
    configuration.write_text(CONFIGURATION)
    place = commands(
        "SET usage-gpt-4:6 2026-11-01:12:00:00/49",
        "SET usage-mid:journey:6 2026-11-02:08:00:00/-1",
        "SET usage-gpt-4:99 2026-11-01:12:00:00/3",
        "SET usage-gpt-4:abc 2026-11-01:12:00:00/3",
        "SET usage-claude:6 soon",
        "SET nio:model-analysis-gpt-4-2026-11-01 1234",
    )
    report = run(deployment, counters=place, configuration=configuration)
    usage = kept("redis_usage")
    known = usage["usage-gpt-4:6"]
    assert (known.user.username, known.state) == ("ana", "kept")
    assert known.row["since"] == "2026-11-01T04:00:00+00:00"
    assert (known.row["item"], known.row["used"]) == ("gpt-4", 49)
    assert usage["usage-mid:journey:6"].row["item"] == "mid:journey"
    assert usage["usage-gpt-4:99"].state == usage["usage-gpt-4:abc"].state == "quarantined"
    assert usage["usage-claude:6"].row["text"] == "soon"
    figure = kept("redis_statistics")["nio:model-analysis-gpt-4-2026-11-01"]
    assert figure.row["figure"] == 1234
    assert report["tables"]["redis_usage"] == {
        "read": 5,
        "imported": 0,
        "kept": 3,
        "quarantined": 2,
    }
    oddities = ("orphan_redis_usage", "unreadable_usage", "unknown_usage_item")
    assert [report["anomalies"][kind] for kind in oddities] == [2, 1, 1]
    assert report["counters"] == {
        "location": str(place.commands),
        "usage": 5,
        "statistics": 1,
        "left": 0,
    }


@pytest.mark.django_db
def test_counters_again_change_nothing_and_one_that_moved_is_kept_anew(deployment, commands):
    deployment.person(6, "ana", quota=1)
    first = "SET usage-gpt-4:6 2026-11-01:12:00:00/49"
    run(deployment, counters=commands(first))
    [before] = kept("redis_usage").values()
    run(deployment, counters=commands(first))
    assert kept("redis_usage") == {before.key: before}
    run(deployment, counters=commands(first.replace("/49", "/50")))
    [after] = kept("redis_usage").values()
    assert (after.pk, after.row["used"]) == (before.pk, 50)


@pytest.mark.django_db
def test_import_without_counters_misses_none_of_those_before(deployment, commands):
    deployment.person(6, "ana", quota=1)
    run(deployment, counters=commands("SET usage-gpt-4:6 2026-11-01:12:00:00/49"))
    report = run(deployment)
    assert report["vanished"] == {}
    assert report["counters"] is None
    gone = run(deployment, counters=commands("SET usage-claude:6 2026-11-01:12:00:00/1"))
    assert gone["vanished"] == {"redis_usage": 1}


@pytest.mark.django_db
def test_sample_holds_the_counters_that_its_truth_counts(sample, truth):
    report = run(
        sample / "chatnio.db",
        as_of=wall_clock(truth["as_of"], SHANGHAI),
        configuration=sample / "config.yaml",
        counters=Place(commands=sample / "redis_usage.txt"),
    )
    assert report["tables"]["redis_usage"]["read"] == truth["redis_usage_keys"]
    assert report["tables"]["redis_usage"]["quarantined"] == 0
    assert LegacyRow.objects.filter(table_name="redis_usage", user=None).count() == 0


@pytest.mark.django_db
def test_command_takes_one_source_of_counters(deployment, commands, tmp_path, capsys):
    deployment.person(6, "ana", quota=1)
    place = commands("SET usage-gpt-4:6 2026-11-01:12:00:00/49")
    told = tmp_path / "report.json"
    call_command(
        "import_coai",
        sqlite=deployment.path,
        redis_commands=place.commands,
        report=told,
    )
    assert json.loads(told.read_text())["tables"]["redis_usage"]["kept"] == 1
    with pytest.raises(CommandError, match="not allowed with"):
        call_command(
            "import_coai", "--sqlite=x.db", "--redis=redis://h/0", "--redis-commands=y.txt"
        )
