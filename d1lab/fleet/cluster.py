"""The connection to a Dask cluster."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import logging
from typing import Any

from d1lab.errors import D1labError
from d1lab.extras import require

CONNECT_SECONDS = 30.0


def connect_cluster(scheduler: str) -> Any:
    """Return a client of a Dask scheduler.

    Args:
        scheduler: The scheduler's address, such as `tcp://10.0.0.5:8786`.

    Raises:
        InputError: Dask is not installed.
        D1labError: The scheduler does not answer.
    """
    require("fleet", "--scheduler")
    from distributed import Client

    for name in ("distributed", "distributed.client"):  # each has a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL)  # our messages say it
    try:
        return Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise D1labError(
            f"no Dask scheduler answers at {scheduler}: {error}. Start one: dask scheduler"
        ) from None


def problem_of(client: Any, scheduler: str) -> str:
    """Return why the cluster takes no work; '' while it does."""
    if client.status in ("running", "connecting", "newly-created"):
        return ""
    return f"the Dask scheduler at {scheduler} does not answer any more"
