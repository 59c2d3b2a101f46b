"""Render charts in a separate process because Vega holds the GIL.

    python -P chart_renderer.py

As a script, this module reads one Vega-Lite specification per line, as JSON, and writes one line of
JSON for each: `{"svg": ...}`, or `{"error": ...}` with Vega's message. When imported, it is the
client. A specification that crashes Vega or never finishes therefore does not end a run.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Timer

LONGEST_SECONDS = 60.0


class ChartRenderer:
    """Client of one rendering process, started by the first chart and again after a crash.

    Charts are queued, so that they can be rendered before they are needed.

    Args:
        environment: Complete environment variables of the process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._queue = ThreadPoolExecutor(1, thread_name_prefix="charts")
        self._process: subprocess.Popen[str] | None = None
        atexit.register(self.close)

    def draw(self, spec: str) -> Future[str]:
        """Queue a Vega-Lite specification (JSON in one line) and return a future of its SVG.

        `result()` raises ValueError with Vega's message if Vega cannot render it.
        """
        return self._queue.submit(self._draw, spec)

    def _draw(self, spec: str) -> str:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        alarm = Timer(LONGEST_SECONDS, process.kill)
        alarm.start()
        try:
            process.stdin.write(spec + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            alarm.cancel()
        if not answer:
            self.close()
            raise ValueError(
                "the chart could not be rendered: the renderer stopped or took longer "
                f"than {LONGEST_SECONDS:.0f} s"
            )
        drawn = json.loads(answer)
        if "error" in drawn:
            raise ValueError(drawn["error"])
        return drawn["svg"]

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C reaches only the caller, which then closes it
            )
        return self._process

    def close(self) -> None:
        """End the process; the next chart starts a new one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()  # it has no state to clean up
        process.communicate()


def main() -> None:
    """Render the specifications on standard input until it ends."""
    import vl_convert

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not mix with the responses
    for line in sys.stdin:
        try:
            answer = {"svg": vl_convert.vegalite_to_svg(line, allowed_base_urls=[])}
        except ValueError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
