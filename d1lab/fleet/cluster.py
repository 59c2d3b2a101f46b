"""The connection to a Dask cluster."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import logging
import re
from typing import Any

from d1lab.config import Settings
from d1lab.errors import D1labError, InputError
from d1lab.extras import require

CONNECT_SECONDS = 30.0
_ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx)://)?(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}")


def connect_cluster(scheduler: str) -> Any:
    """Return a client of a Dask scheduler.

    Args:
        scheduler: The scheduler's address, such as `tcp://10.0.0.5:8786`.

    Raises:
        InputError: Dask is not installed, or the address is invalid.
        D1labError: The scheduler does not answer.
    """
    require("fleet", "--scheduler")
    if not _ADDRESS.fullmatch(scheduler):  # with an invalid one, Dask hangs for a minute
        raise InputError(
            f"invalid --scheduler {scheduler!r}. Use its address, such as tcp://10.0.0.5:8786."
        )
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


def share_of_machine(settings: Settings, worker: Any, *, by_thread: bool) -> Settings:
    """Return a worker's settings with its share of the memory that its machine's workers share.

    Args:
        settings: Of the machine.
        worker: The Dask worker.
        by_thread: Whether each thread of a worker runs a report, or each worker runs one.
    """
    if settings.memory is None:
        return settings
    from distributed.comm.addressing import get_address_host
    from distributed.utils import sync

    workers = sync(worker.loop, worker.scheduler.identity)["workers"]
    machine = get_address_host(worker.address)
    here = [each for address, each in workers.items() if get_address_host(address) == machine]
    reports = sum(each["nthreads"] if by_thread else 1 for each in here)
    return settings.share_memory(max(reports, 1))
