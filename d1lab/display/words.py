"""Text of a report: the verdict (its main result in one sentence) and notes."""

from __future__ import annotations

import re
from html import escape
from typing import Any, Literal, NamedTuple, get_args

from d1lab.display.notebook_style import framed
from d1lab.display.values import as_text
from d1lab.errors import UnknownName

VerdictStatus = Literal["good", "bad", "neutral", "unknown"]
Tone = Literal["note", "warning"]


class Verdict(NamedTuple):
    """Main result of a report in one sentence, as plain text.

    `status` is good, bad, neutral, or unknown (the result is not available). `detail` is a second
    sentence, such as the reason or the confidence.
    """

    text: str
    status: VerdictStatus = "neutral"
    detail: str = ""

    MIME = "application/vnd.d1lab.verdict.v1+json"

    @classmethod
    def of(cls, text: object, status: str = "neutral", detail: object = "") -> Verdict:
        """Build and validate a verdict.

        Raises:
            UnknownName: `status` is not good, bad, neutral, or unknown.
        """
        if status not in get_args(VerdictStatus):
            raise UnknownName("verdict status", status, get_args(VerdictStatus))
        return cls(str(text), status, str(detail))  # pyright: ignore[reportArgumentType]

    _repr_pretty_ = as_text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {
            self.MIME: self._asdict(),
            "text/plain": f"{self.text}\n{self.detail}".strip(),
            "text/html": framed(
                f'<div class="verdict {self.status}"><strong>{escape(self.text)}</strong>'
                f"{f'<br>{escape(self.detail)}' if self.detail else ''}</div>"
            ),
        }


class Note(NamedTuple):
    """A remark as plain text; a `warning` is highlighted."""

    text: str
    tone: Tone = "note"

    MIME = "application/vnd.d1lab.note.v1+json"

    @classmethod
    def of(cls, text: object, tone: str = "note") -> Note:
        """Build and validate a note.

        Raises:
            UnknownName: `tone` is not note or warning.
        """
        if tone not in get_args(Tone):
            raise UnknownName("note tone", tone, get_args(Tone))
        return cls(str(text), tone)  # pyright: ignore[reportArgumentType]

    _repr_pretty_ = as_text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {
            self.MIME: self._asdict(),
            "text/plain": self.text,
            "text/html": framed(f'<p class="{self.tone}">{escape(self.text)}</p>'),
        }


def prose(text: str) -> str:
    """Replace hyphens by minus signs and put percent signs next to their number.

    >>> prose("-8% on the 30 days to 2018-01-01 (95 % interval)")
    '−8% on the 30 days to 2018-01-01 (95% interval)'
    """
    closed = re.sub(r"(?<=\d)[ \N{NO-BREAK SPACE}]%(?!\w)", "%", text)
    return re.sub(r"(?<![\w.,)-])-(?=\.?\d)", "\N{MINUS SIGN}", closed)
