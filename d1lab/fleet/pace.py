"""The pace of a fleet's requests to Cloudflare, which all processes of this machine share."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from d1lab.config import Settings
from d1lab.d1.request_limit import Pace, RequestBucket, current_limit, use_limit
from d1lab.fleet.places import fleet_folder

BUCKET = "requests.sqlite"


def request_bucket(settings: Settings) -> RequestBucket:
    """Open the bucket that all workers of this machine share."""
    return RequestBucket(fleet_folder(settings) / BUCKET, Pace(settings.fleet.requests))


@contextmanager
def paced(settings: Settings) -> Generator[None]:
    """Let the requests of the block keep the pace, too."""
    limit = current_limit()
    use_limit(request_bucket(settings))
    try:
        yield
    finally:
        use_limit(limit)
