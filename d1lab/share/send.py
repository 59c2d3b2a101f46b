"""Send notices through Apprise: to Slack, Teams, a webhook, or by email.

An address is the name of an environment variable, whose value is never shown, because Apprise's
URLs contain tokens. A notice that could not be delivered is sent again with the next call.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from d1lab.config import Settings
from d1lab.errors import InputError
from d1lab.extras import require
from d1lab.jobs.ledger import RunLedger
from d1lab.pages.page import render_page
from d1lab.runs.run import run_folder
from d1lab.share.alerts import check_names, parse_alert
from d1lab.share.delivery_log import State, Topic, open_delivery_log
from d1lab.share.notices import (
    ADDRESSES,
    DATA,
    Address,
    Notice,
    data_notice,
    latest_reports,
    pulled_at,
    report_notice,
)

if TYPE_CHECKING:
    import apprise

VARIABLES: dict[Address, str] = {
    "news": "D1LAB_NOTIFY_URL",
    "errors": "D1LAB_NOTIFY_ERRORS_URL",
}
PAGE_BYTES = 150_000  # of an attached page

Judge = Callable[[State | None], tuple[Notice | None, State]]


class Delivery(NamedTuple):
    """A notice, and whether it was delivered."""

    notice: Notice
    status: Literal["sent", "failed", "due"]
    problem: str = ""  # why it could not be delivered


def send(
    settings: Settings,
    ledger: RunLedger,
    database: str | None = None,
    *,
    alerts: Sequence[str] = (),
    attach_page: bool | None = None,
    dry_run: bool = False,
    now: datetime | None = None,
) -> list[Delivery]:
    """Send what has changed since the last message to each address.

    Args:
        settings: The project's settings; `settings.notify` has the conditions.
        ledger: The run ledger.
        database: A name in d1lab.toml; None for the default.
        alerts: Conditions in addition to those in the settings.
        attach_page: Whether to attach the page without scripts; None for the setting.
        dry_run: Whether to only return what would be sent, and record nothing.
        now: The reference time for ages; None for the current time.

    Returns:
        One delivery per notice; a failed one is sent again with the next call.

    Raises:
        InputError: No address is set, one is not valid, or an alert is not a condition.
        UnknownName: An alert names a key figure that no report has.
        LockedError: Another process has been sending for a minute.
    """
    name, _ = settings.resolve(database)
    watched = [parse_alert(text) for text in (*settings.notify.alert, *alerts)]
    reports = latest_reports(settings, ledger, name)
    check_names(watched, (figure.metric for report in reports for figure in report.figures))
    attach = settings.notify.attach_page if attach_page is None else attach_page
    sender = _Sender(settings, name, attach=attach, dry_run=dry_run)
    pulled = pulled_at(settings, name)
    if pulled is not None:
        moment = now or datetime.now(UTC)
        sender.send(DATA, "errors", lambda known: data_notice(name, pulled, known, moment))
    for report in reports:
        for address in ADDRESSES:
            sender.send(
                report.series,
                address,
                lambda known, r=report, a=address: report_notice(r, a, known, watched, settings),
            )
    return sender.deliveries


class _Sender:
    """The deliveries of one call."""

    def __init__(self, settings: Settings, database: str, *, attach: bool, dry_run: bool) -> None:
        self.settings, self.database, self.attach = settings, database, attach
        self.dry_run = dry_run
        self.deliveries: list[Delivery] = []
        self._sent = open_delivery_log(settings)
        self._services = {} if dry_run else {a: services(settings, a) for a in ADDRESSES}

    def send(self, subject: str, address: Address, judge: Judge) -> None:
        """Send what is new about a subject to an address, if anything is."""
        topic = Topic(self.database, subject, address)
        if self.dry_run:
            notice, _ = judge(self._sent.state(topic))
            if notice:
                self.deliveries.append(Delivery(notice, "due"))
            return
        with self._sent.turn(topic) as turn:
            notice, state = judge(turn.state)
            problem = self._deliver(notice) if notice else ""
            if not problem and state != turn.state:
                turn.keep(state)
        if notice:
            self.deliveries.append(Delivery(notice, "failed" if problem else "sent", problem))

    def _deliver(self, notice: Notice) -> str:
        """Deliver a notice; return the reason if it failed."""
        if not self.attach or notice.run_id is None:
            return deliver(self._services[notice.address], notice)
        run_dir = run_folder(self.settings, self.database, notice.run_id)
        page = render_page(run_dir, static=True).encode()
        if len(page) > PAGE_BYTES:
            remark = f"\nThe page is not attached: it has {len(page):,} bytes, over {PAGE_BYTES:,}."
            return deliver(
                self._services[notice.address], notice._replace(body=notice.body + remark)
            )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{notice.run_id}.html"
            path.write_bytes(page)
            return deliver(self._services[notice.address], notice, path)


def services(settings: Settings, address: Address) -> apprise.Apprise:
    """Return the services of an address; errors go to the address of news if they have none.

    Raises:
        InputError: No address is set, or one is not valid. The message does not show it.
    """
    require("share", "Sending notices")
    import apprise

    own, variable = settings.notify_url, VARIABLES["news"]
    if address == "errors" and settings.notify_errors_url:
        own, variable = settings.notify_errors_url, VARIABLES["errors"]
    if own is None:
        raise InputError(
            f"no address configured for {address}. Set {VARIABLES['news']} (and "
            f"{VARIABLES['errors']} for errors) to an Apprise URL, such as "
            "slack://... or mailto://..."
        )
    made = apprise.Apprise(asset=apprise.AppriseAsset(**_ASSET))
    with _captured_log():
        understood = made.add(own.get_secret_value())  # pyright: ignore[reportUnknownMemberType]
    if not understood or not len(made):
        raise InputError(f"{variable} has no URL that Apprise supports (it is not shown)")
    return made


_ASSET: dict[str, Any] = {
    "app_id": "d1lab",
    "app_desc": "d1lab",
    "app_url": "",
    "image_url_mask": "",  # no picture from elsewhere
    "image_url_logo": "",
    "interpret_emojis": False,
    "plugin_paths": [],
}


def deliver(to: apprise.Apprise, notice: Notice, attachment: Path | None = None) -> str:
    """Deliver a notice to its services.

    Returns:
        '' if all of them accepted it; otherwise the reason, without any part of an address.
    """
    import apprise

    with _captured_log() as heard:
        done = to.notify(  # pyright: ignore[reportUnknownMemberType]
            title=notice.title,
            body=notice.body or notice.title,
            notify_type=apprise.NotifyType(notice.tone),
            body_format=apprise.NotifyFormat.TEXT,
            attach=str(attachment) if attachment else None,
        )
    if done:
        return ""
    names = sorted({str(service.service_name) for service in to})
    codes = sorted({code for line in heard for code in re.findall(r"\berror=(\d{3})\b", line)})
    status = f" (status {', '.join(codes)})" if codes else ""
    return f"{', '.join(names)} did not take it{status}; it is sent again at the next call"


class _LogCapture(logging.Handler):
    """Stores log lines without showing them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Store one line."""
        self.lines.append(record.getMessage())


@contextmanager
def _captured_log() -> Generator[list[str]]:
    """Capture the logs of Apprise and its HTTP client, because they contain addresses."""
    ear = _LogCapture()
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3", "requests")]
    before = [(log, log.propagate, log.level, list(log.handlers)) for log in loggers]
    for log in loggers:
        log.propagate, log.handlers = False, [ear]
        log.setLevel(logging.WARNING)
    try:
        yield ear.lines
    finally:
        for log, propagate, level, handlers in before:
            log.propagate, log.handlers = propagate, handlers
            log.setLevel(level)
