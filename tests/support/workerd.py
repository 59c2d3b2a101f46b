"""The real D1 engine on this machine: workerd, started by wrangler, with many empty databases."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

HOME = Path(__file__).parents[1] / "engine"
WRANGLER = HOME / "node_modules" / "wrangler" / "bin" / "wrangler.js"
DATABASES = 400
START_SECONDS = 180
RELOADED = "Reloading local server"  # a Worker that starts again forgets what it has in memory
STATE = ".wrangler/state"  # where the `wrangler d1` commands look, too


class Engine:
    """A running engine; `fresh()` gives the URL of a database that nobody used yet."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.client = httpx2.Client(trust_env=False)
        self._unused = iter(database_names())

    @property
    def address(self) -> str:
        """Where its API listens."""
        return f"http://127.0.0.1:{self.port}/cdn-cgi/local/explorer/api/d1/database"

    def fresh(self) -> str:
        """The URL of an empty database."""
        return f"wrangler+http://127.0.0.1:{self.port}/{next(self._unused)}"

    def file(self, url: str) -> Path:
        """The SQLite file behind a URL of this engine, once it was written to."""
        kind = "miniflare-D1DatabaseObject"
        secret = hashlib.sha256(kind.encode()).digest()
        name = hmac.digest(secret, url.rpartition("/")[2].encode(), "sha256")[:16]
        check = hmac.digest(secret, name, "sha256")[:16]
        return self.folder / STATE / "v3" / "d1" / kind / f"{(name + check).hex()}.sqlite"

    def log(self) -> str:
        """The last lines that the engine printed, for the message of a failing test.

        Requests that went well are left out: a test that waits makes hundreds of them.
        """
        lines = (self.folder / "engine.log").read_text().splitlines()
        return "\n".join([line for line in lines if not line.endswith("ms)")][-40:])

    def wrangler(self, *arguments: str) -> str:
        """What the `wrangler` command prints, run on this engine's configuration."""
        done = subprocess.run(
            [*_command(), *arguments, "--config", str(self.folder / "wrangler.json")],
            cwd=self.folder, env=_environment(self.folder),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def database_names() -> list[str]:
    """The names, which are the ids too, of the databases that an engine serves."""
    return [f"test-{number:03}" for number in range(DATABASES)]


@contextmanager
def running(folder: Path, app: Path = HOME, *others: Path) -> Iterator[Engine]:
    """An engine that keeps its state in `folder` and runs an app; it is stopped at the end.

    Args:
        folder: Where the engine's state and log go.
        app: The folder of a Worker and its wrangler.json, to which the databases are added.
        others: Configurations of Workers that run beside it, for its service bindings.
    """
    _configure(folder, app)
    ports = _free_ports()
    port, inspector = next(ports), next(ports)
    beside = [part for path in others for part in ("--config", str(_built_once(path, folder)))]
    with (folder / "engine.log").open("wb") as log:
        process = subprocess.Popen(
            [*_command(), "dev", "--config", "wrangler.json", *beside, "--ip", "127.0.0.1",
             "--port", str(port), "--inspector-port", str(inspector), "--persist-to", STATE],
            cwd=folder, env=_environment(folder), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            engine = Engine(folder, port)
            _wait(engine, process)
            with engine.client:
                yield engine
            assert RELOADED not in (folder / "engine.log").read_text()
        finally:
            _stop(process)


def _configure(folder: Path, app: Path) -> None:
    """Give the app all databases; a database of its own is the one that `fresh` gives first."""
    (path,) = app.glob("wrangler.json*")
    config = _configuration(path, folder)
    config["main"] = str(app / config["main"])
    for consumer in config.get("queues", {}).get("consumers", ()):
        consumer["max_retries"] = 100  # after two, messages are dropped: too few for a busy machine
    names = database_names()
    bound = [
        *enumerate(names),
        *((each["binding"], names[0]) for each in config.get("d1_databases", ())),
    ]
    config["d1_databases"] = [
        {
            "binding": f"D{binding}" if isinstance(binding, int) else binding,
            "database_name": name,
            "database_id": name,
        }
        for binding, name in bound
    ]
    (folder / "wrangler.json").write_text(json.dumps(config))


def _built_once(path: Path, folder: Path) -> Path:
    """The configuration of a Worker beside the app, whose own stays as it is."""
    copy = path.with_name("engine.json")
    copy.write_text(json.dumps(_configuration(path, folder)))
    return copy


def _configuration(path: Path, folder: Path) -> dict[str, Any]:
    """A Worker's configuration, by which it is built once, by a command that does nothing.

    Wrangler would build and start it again, and lose the queue's messages, whenever a file of it
    is touched.
    """
    lines = path.read_text().splitlines()
    config = json.loads("".join(line for line in lines if not line.strip().startswith("//")))
    return config | {"build": {"command": "exit 0", "watch_dir": str(folder / "unwatched")}}


def _command() -> list[str]:
    return [str(Path(sys.executable).parent / "node"), str(WRANGLER)]


def _environment(folder: Path) -> dict[str, str]:
    quiet = {
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_CI_DISABLE_CONFIG_WATCHING": "true",
        "CI": "1",
        "HOME": str(folder),
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **quiet, "PATH": path}


def _free_ports() -> Iterator[int]:
    """Ports that stay free until an engine listens: no other process is given one by chance.

    They lie below those that the system hands out, and each process begins at its own.
    """
    return filter(_is_free, count(20_000 + os.getpid() % 2_500 * 4))


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _wait(engine: Engine, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx2.get(engine.address, timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the engine did not start: " + (engine.folder / "engine.log").read_text())


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group that `running` started, and nothing else."""
    with suppress(ProcessLookupError):  # it ended by itself: its log says why
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
