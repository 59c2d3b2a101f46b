"""The bucket never lets more requests through than the limit, in any 5 minutes and any process."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from d1lab.d1 import request_limit
from d1lab.d1.request_limit import Pace, RequestBucket, use_limit
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.d1.transport import Transport
from d1lab.errors import D1labError
from tests.support.d1_api import D1Api, over_http

SECONDS_5_MINUTES = 300.0


class Clock:
    """A time that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bucket(tmp_path: Path, clock: Clock) -> RequestBucket:
    return RequestBucket(tmp_path / "bucket.sqlite", Pace(60, 10), clock=clock, sleep=clock.sleep)


@given(
    requests=st.integers(20, 1200),
    burst=st.integers(1, 19),
    gaps=st.lists(st.floats(0, 400), min_size=1, max_size=40),
    many=st.integers(1, 30),
)
def test_no_5_minutes_have_more_than_the_limit(requests, burst, gaps, many):
    """Whatever comes when: slots in any window of 300 seconds are at most `requests`."""
    pace, used, now, slots = Pace(requests, burst), 0.0, 1_000.0, []
    for gap in gaps:
        now += gap
        for _ in range(many):
            used, wait = pace.reserve(used, now)
            slots.append(now + wait)
    for first in slots:
        inside = sum(first <= slot < first + SECONDS_5_MINUTES - 1e-6 for slot in slots)
        assert inside <= requests


def test_a_burst_comes_at_once_and_the_rest_at_the_pace(bucket, clock):
    """Ten of sixty are free at first; then one every six seconds."""
    began = clock.now
    for _ in range(10):
        bucket.take()
    assert clock.now == began
    bucket.take()
    assert clock.now == pytest.approx(began + 6)


def test_a_rejection_empties_the_bucket_for_all(bucket, clock):
    """After a 429, all wait as long as Cloudflare asks, at most 5 minutes."""
    other = RequestBucket(bucket.path, Pace(60, 10), clock=clock, sleep=clock.sleep)
    began = clock.now
    bucket.rejected(40)
    other.take()
    other.take()
    assert clock.now == pytest.approx(began + 40 + 6)
    bucket.rejected(1e9)
    other.take()
    assert clock.now == pytest.approx(began + 46 + 300)


def test_a_clock_that_was_set_back_does_not_stop_everything(bucket, clock):
    """A time used up far in the future is from another clock."""
    bucket.take()
    clock.now -= 86_400
    began = clock.now
    bucket.take()
    assert clock.now == began


def test_processes_share_one_bucket(tmp_path):
    """Two processes and this one reserve a hundred slots each: all three hundred are counted."""
    path = tmp_path / "bucket.sqlite"
    bucket = RequestBucket(path, Pace(1200, 20), clock=lambda: 1000.0, sleep=lambda _: None)
    code = (
        "from pathlib import Path; from d1lab.d1.request_limit import Pace, RequestBucket\n"
        f"b = RequestBucket(Path({str(path)!r}), Pace(1200, 20), clock=lambda: 1000.0,"
        " sleep=lambda _: None)\n"
        "for _ in range(100): b.take()"
    )
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    for _ in range(100):
        bucket.take()
    assert [other.wait(60) for other in others] == [0, 0]
    waits: list[float] = []
    RequestBucket(path, bucket.pace, clock=lambda: 1000.0, sleep=waits.append).take()
    assert waits == [pytest.approx((301 - 20) * bucket.pace.interval_seconds)]


def test_a_damaged_file_is_one_sentence(tmp_path):
    """The error names the file."""
    bucket = RequestBucket(tmp_path / "bucket.sqlite")
    bucket.path.write_bytes(b"no database at all, but long enough to be read as one" * 40)
    with pytest.raises(D1labError, match=r"bucket\.sqlite"):
        bucket.take()


class Recorder:
    """A limit that notes what it is asked."""

    def __init__(self) -> None:
        self.taken, self.rejections = 0, []
        self._lock = threading.Lock()

    def take(self) -> None:
        with self._lock:
            self.taken += 1

    def rejected(self, retry_after_seconds: float | None) -> None:
        self.rejections.append(retry_after_seconds)


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr(request_limit, "_limit", None)
    recorder = Recorder()
    use_limit(recorder)
    return recorder


def test_every_request_to_cloudflare_asks_first(limit, tmp_path):
    """Also each attempt after a 429, which empties the bucket with what Cloudflare asked for."""
    slow = {"success": False, "errors": [{"code": 971, "message": "slow down"}]}
    storm = httpx2.Response(429, headers={"retry-after": "0"}, json=slow)
    api = D1Api(
        SqliteDatabase.create(tmp_path / "d1.sqlite"),
        lambda number, _request, _answer: storm if number < 3 else None,
    )
    assert over_http(api).query("SELECT 1").rows == [(1,)]
    assert (api.requests, limit.taken, limit.rejections) == (4, 4, [0.0] * 3)


def test_other_hosts_have_no_such_limit(limit):
    """The local engine and the gateway are not Cloudflare's API."""
    handler = httpx2.MockTransport(
        lambda _: httpx2.Response(200, json={"success": True, "result": {}, "errors": []})
    )
    Transport("http://127.0.0.1:8787/x", handler=handler, is_local=True).get(
        "", SecretStr("t"), lambda found: found
    )
    assert limit.taken == 0
