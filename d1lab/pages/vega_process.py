"""Render charts in a separate process because Vega holds the GIL.

    python -P artist.py

Run as a script it reads one Vega-Lite specification a line, as JSON, and answers each with one
line of JSON: `{"svg": ...}`, or `{"error": ...}` in Vega's words. Imported, it is the caller's side
of that. A specification that crashes Vega, or never ends, takes no run along.
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
    """One drawing process, started by the first drawing and again after a crash.

    Drawings are queued, so that whoever asks early has theirs when it is wanted.

    Args:
        environment: All environment variables that the process sees.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._queue = ThreadPoolExecutor(1, thread_name_prefix="artist")
        self._process: subprocess.Popen[str] | None = None
        atexit.register(self.close)

    def draw(self, spec: str) -> Future[str]:
        """The SVG of a Vega-Lite specification, JSON in one line, as a promise.

        Its result raises ValueError, with Vega's own message, where Vega cannot draw it.
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
                start_new_session=True,  # Ctrl-C is for the caller, who then closes it
            )
        return self._process

    def close(self) -> None:
        """End the process; the next drawing starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()  # it holds nothing that wants tidying
        process.communicate()


def main() -> None:
    """Draw what the lines of standard input ask for, until it ends."""
    import vl_convert

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        try:
            answer = {"svg": vl_convert.vegalite_to_svg(line, allowed_base_urls=[])}
        except ValueError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
