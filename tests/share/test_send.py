"""Notices are sent once per change of state, to the right address, and without secrets."""

from __future__ import annotations

import json
import logging
import re
import threading
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from pathlib import Path

import duckdb
import pytest
from pydantic import SecretStr

from d1lab.config import Settings, load_settings
from d1lab.config_sections import NotifySettings
from d1lab.display.actions import Action, save_actions
from d1lab.errors import InputError, LockedError, UnknownName
from d1lab.runs.run import kernel_environment
from d1lab.secrets import VARIABLES
from d1lab.share import send as sending
from d1lab.share.delivery_log import DeliveryLog, Topic
from d1lab.share.notices import harmless
from d1lab.share.send import Delivery, send
from tests.share.conftest import SECRET, Mailbox, Project, Receiver
from tests.support.sample_run import HOSTILE, PULLED, markdown

# Apprise imports all its services at the first use; one of them looks for the old imghdr.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def told(project: Project, receiver: Receiver) -> Project:
    """A project with the receiver as both addresses."""
    project.settings.notify_url = SecretStr(receiver.url())
    project.settings.notify_errors_url = SecretStr(receiver.url("errors"))
    return project


def _send(project: Project, **options) -> list[Delivery]:
    return send(project.settings, project.ledger, **options)


def test_a_good_run_seen_for_the_first_time_is_no_news(told: Project, receiver: Receiver):
    """Nothing failed, and nothing changed."""
    told.add()
    assert _send(told) == []
    assert receiver.messages == []


def test_failure_and_recovery_are_sent_once_each(told: Project, receiver: Receiver):
    """done, failed, failed, done gives two messages, both to the address of errors."""
    told.add()
    assert _send(told) == []
    told.add("failed")
    [delivery] = _send(told)
    assert (delivery.status, delivery.notice.address, delivery.notice.tone) == (
        "sent",
        "errors",
        "failure",
    )
    [message] = receiver.messages
    assert message["path"] == "/errors"
    assert message["title"] == "Stock: turnover and cover · harbor · May 31, 2026: failed"
    assert "Cell 3 failed. No column 'sku'" in message["message"]
    assert "d1lab run inventory --shop harbor" in message["message"]
    receiver.messages.clear()
    told.add("failed")
    assert _send(told) == []
    told.add()
    _send(told)
    assert [t.rpartition(": ")[2] for t in receiver.titles()] == ["recovered"]
    assert _send(told) == []


def test_a_first_run_that_failed_is_sent(told: Project, receiver: Receiver):
    """There is no earlier state, but the run failed."""
    told.add("timeout")
    _send(told)
    assert [t.rpartition(": ")[2] for t in receiver.titles()] == ["timed out"]


def test_a_verdict_of_another_status_is_sent_with_key_figures(told: Project, receiver: Receiver):
    """New words for the same status are not sent."""
    told.add(verdict="good", short=3)
    _send(told)
    first = told.add(verdict="good", short=4)
    assert _send(told) == []
    told.add(verdict="bad", short=47, previous_run_id=first)
    _send(told)
    [message] = receiver.messages
    assert message["path"] == f"/{SECRET}"
    assert message["title"].endswith(": status changed from good to bad")
    lines = message["message"].splitlines()
    assert lines[0] == "47 products run out."
    assert lines[1].startswith("Products that run out 47 [+43 (")
    assert lines[-2:] == [
        "Data pulled Jun 1, 2026, 05:58 UTC.",
        "Page: reports/demo/harbor/inventory/2026-05-31.html",
    ]
    assert _send(told) == []


def test_an_alert_is_sent_when_it_starts_and_stops(told: Project, receiver: Receiver):
    """It is not repeated in between, and a figure that is not available keeps its state."""
    told.settings.notify = NotifySettings(alert=("products_short > 20",))
    endings = []
    for short in (3, 21, 30, None, 25, 20, 19):
        told.add(short=short, verdict="neutral")
        _send(told)
        endings.append([t.split(": ", 2)[2] for t in receiver.titles()])
    begins = "products_short > 20: Products that run out 21"
    ends = "resolved: products_short > 20 (Products that run out 20)"
    assert endings == [[], [begins], [], [], [], [ends], []]


def test_an_alert_from_the_command_line_is_checked_as_well(told: Project, receiver: Receiver):
    """Both are in one message, those of the settings first."""
    told.settings.notify = NotifySettings(alert=("products_short > 20",))
    told.add(short=30)
    [delivery] = _send(told, alerts=["products_short >= 30"])
    assert [words.partition(":")[0] for words in delivery.notice.events] == [
        "products_short > 20",
        "products_short >= 30",
    ]
    assert len(receiver.titles()) == 1


def test_an_alert_on_an_unknown_figure_sends_nothing(told: Project, receiver: Receiver):
    """It is rejected with the nearest name before anything is sent."""
    told.add("failed", shop="village")
    told.add()
    with pytest.raises(UnknownName, match="Did you mean 'products_short'"):
        _send(told, alerts=["product_short > 1"])
    assert receiver.messages == []


def test_an_older_day_run_again_is_no_news(told: Project, receiver: Receiver):
    """A backfill does not describe the current state."""
    told.add()
    _send(told)
    told.add("failed", day=-30)
    assert _send(told) == []


def test_each_shop_has_its_own_notices(told: Project, receiver: Receiver):
    """One shop's failure does not hide another's."""
    told.add("failed")
    told.add("failed", shop="village")
    _send(told)
    assert sorted(title.split(" · ")[1] for title in receiver.titles()) == ["harbor", "village"]


def test_a_skipped_run_is_no_failure(told: Project, receiver: Receiver):
    """After `lab.stop("no data")`, the verdict of the last successful run still counts."""
    told.add("failed")
    _send(told)
    receiver.messages.clear()
    told.add("skipped", cells=[markdown("# Stock")])
    _send(told)
    assert [t.rpartition(": ")[2] for t in receiver.titles()] == ["recovered"]


@pytest.fixture
def pulled(told: Project) -> datetime:
    """Pull the project's database at this time."""
    folder = told.settings.folder()
    folder.mkdir(parents=True)
    with duckdb.connect(folder / "warehouse.duckdb") as con:
        con.execute("CREATE SCHEMA d1lab")
        con.execute("CREATE TABLE d1lab.pull (finished_at TIMESTAMP)")
        con.execute("INSERT INTO d1lab.pull VALUES (?)", [PULLED.replace(tzinfo=None)])
    return PULLED


def test_stale_data_is_sent_once_for_the_database(
    told: Project, pulled: datetime, receiver: Receiver
):
    """There is a message for a missed daily pull, and one for the next pull."""
    told.add()
    told.add(shop="village")
    assert _send(told, now=pulled + timedelta(hours=35)) == []
    [delivery] = _send(told, now=pulled + timedelta(hours=37))
    assert delivery.notice.title == "Database demo: data is stale: last pull 37 hours ago"
    assert "d1lab pull" in delivery.notice.body
    assert _send(told, now=pulled + timedelta(hours=90)) == []
    [delivery] = _send(told, now=pulled + timedelta(hours=1))
    assert delivery.notice.title == "Database demo: data is up to date again"
    assert len(receiver.titles()) == 2


def test_a_failed_send_is_reported_and_repeated(told: Project, receiver: Receiver):
    """While the receiver is down, nothing counts as sent."""
    told.add("failed")
    receiver.status = 503
    [delivery] = _send(told)
    assert delivery.status == "failed"
    assert "status 503" in delivery.problem
    receiver.status = 200
    assert [d.status for d in _send(told)] == ["sent"]
    assert _send(told) == []
    assert len(receiver.titles()) == 1


def test_one_failed_send_stops_no_other(told: Project, receiver: Receiver):
    """Each address has its own messages and its own record."""
    told.settings.notify = NotifySettings(alert=("products_short > 2",))
    told.settings.notify_errors_url = SecretStr("json://127.0.0.1:9/nobody")
    told.add()
    told.add("failed")
    assert {d.notice.address: d.status for d in _send(told)} == {"news": "sent", "errors": "failed"}
    told.settings.notify_errors_url = SecretStr(receiver.url("errors"))
    receiver.messages.clear()
    assert [(d.notice.address, d.status) for d in _send(told)] == [("errors", "sent")]


def test_failures_go_to_the_only_address(told: Project, receiver: Receiver):
    """Without their own address, errors go to that of news."""
    told.settings.notify_errors_url = None
    told.add("failed")
    _send(told)
    assert [message["path"] for message in receiver.messages] == [f"/{SECRET}"]


def test_a_dry_run_says_what_would_be_sent_and_remembers_nothing(told: Project, receiver: Receiver):
    """It needs no address and writes no file, and the real send is not affected."""
    url, told.settings.notify_url = told.settings.notify_url, None
    told.settings.notify_errors_url = None
    told.add("failed")
    assert [(d.status, d.notice.tone) for d in _send(told, dry_run=True)] == [("due", "failure")]
    assert not (told.settings.data_dir / "sent.sqlite").exists()
    told.settings.notify_url = url
    assert [d.status for d in _send(told)] == ["sent"]
    assert _send(told, dry_run=True) == []


def test_two_senders_at_once_send_once(told: Project, receiver: Receiver):
    """If schedulers overlap, the second one waits and has nothing left to send."""
    told.add("failed")
    results: list[Delivery] = []
    threads = [threading.Thread(target=lambda: results.extend(_send(told))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [d.status for d in results] == ["sent"]
    assert len(receiver.titles()) == 1


def test_a_sender_that_never_ends_locks_others_out(tmp_path: Path, monkeypatch):
    """After waiting, the second one reports it and does not send."""
    monkeypatch.setattr("d1lab.share.delivery_log.WAIT_SECONDS", 0.05)
    topic = Topic("demo", "s", "news")
    with DeliveryLog(tmp_path / "sent.sqlite").turn(topic) as turn:
        turn.keep({"failed": True})
        with (
            pytest.raises(LockedError, match="another process"),
            DeliveryLog(tmp_path / "sent.sqlite").turn(topic),
        ):
            pass
    assert DeliveryLog(tmp_path / "sent.sqlite").state(topic) == {"failed": True}


def test_mail_has_the_page_without_scripts(project: Project, mailbox: Mailbox):
    """The text of the mail is the summary, and the static page is attached."""
    project.settings.notify_url = SecretStr(mailbox.url())
    project.settings.notify = NotifySettings(alert=("products_short > 20",), attach_page=True)
    project.add(short=47)
    [delivery] = _send(project)
    assert delivery.status == "sent"
    [mail] = mailbox.mails
    assert mail["To"] == "pm@example.org"
    assert "products_short > 20" in str(make_header(decode_header(mail["Subject"])))
    parts = {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}
    assert "47 products run out." in parts["text/plain"].get_payload(decode=True).decode()
    page = parts["text/html"].get_payload(decode=True).decode()
    assert page.startswith("<!doctype html>")
    assert "<script" not in page


def test_the_page_can_be_attached_without_scripts(told: Project, receiver: Receiver):
    """The static page is small enough for any mailbox."""
    told.settings.notify = NotifySettings(attach_page=True)
    told.add("failed")
    _send(told)
    page = receiver.attachment()
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert len(page.encode()) < 150_000
    assert "No column &#39;sku&#39;" in page


def test_a_page_too_big_for_mail_is_omitted_with_a_note(
    told: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    """The message is still delivered."""
    monkeypatch.setattr(sending, "PAGE_BYTES", 1_000)
    told.add("failed")
    _send(told, attach_page=True)
    [message] = receiver.messages
    assert message["attachments"] == []
    assert "The page is not attached" in message["message"]


def test_a_link_leads_to_the_published_page(told: Project, receiver: Receiver):
    """The message links to the page if pages are published."""
    told.settings.notify = NotifySettings(pages_url="https://reports.example/")
    told.add("failed", shop="harbor")
    _send(told)
    link = receiver.messages[0]["message"].splitlines()[-1]
    assert link == "https://reports.example/demo/harbor/inventory/2026-05-31.html"


def _advise(told: Project, run_id: str, *amounts: float | None) -> None:
    actions = [
        Action.of_fields(
            key=f"order-{place}", verb="Order", what=f"product {place}", basis="counted",
            amount=amount, currency="USD", report="inventory", report_title="Inventory",
        )
        for place, amount in enumerate(amounts)
    ]  # fmt: skip
    save_actions(told.settings.data_dir / "demo" / "runs" / run_id, actions)


def test_another_first_action_is_sent_with_the_first_three_and_their_links(
    told: Project, receiver: Receiver
):
    """The message reads like the top of the overview."""
    told.settings.notify = NotifySettings(pages_url="https://reports.example/")
    overview = {"report": "overview", "title": "Overview"}
    _advise(told, told.add(day=-2, **overview), 90, 20)
    assert _send(told) == []
    _advise(told, told.add(day=-1, **overview), 90, 10)
    assert _send(told) == []
    _advise(told, told.add(**overview), None, 70, 300)
    _send(told)
    [message] = receiver.messages
    assert "new first action: Order product 2 ($300 more a month)" in message["title"]
    lines = message["message"].splitlines()
    page = "https://reports.example/demo/harbor/overview/2026-05-31.html"
    assert lines[1:4] == [
        f"1. $300 more a month: Order product 2 (Counted) {page}#action-order-2",
        f"2. $70 more a month: Order product 1 (Counted) {page}#action-order-1",
        f"3. Order product 0 (Counted) {page}#action-order-0",  # its amount is not known
    ]


def test_text_in_the_data_mentions_nobody(told: Project, receiver: Receiver):
    """A product's title cannot mention a channel, hide a link, or add a line or a header."""
    told.add("failed", title=f"{{{{7*7}}}} <!channel> @here\nBcc: x {HOSTILE}", shop="<!everyone>")
    _send(told)
    [message] = receiver.messages
    assert "\n" not in message["title"]
    shown = message["title"] + message["message"]
    assert not re.search(r"<\S|@|\]\(", shown)
    assert "‹!channel>" in shown
    assert "{{7*7}}" in shown
    assert harmless("a\u2028b\x07") == "a b "


def test_a_missing_address_names_the_variables(project: Project):
    """The error says what to set, and where."""
    with pytest.raises(InputError, match=r"D1LAB_NOTIFY_URL.*D1LAB_NOTIFY_ERRORS_URL"):
        _send(project)


@pytest.mark.parametrize("url", [f"nonsense://{SECRET}", SECRET, f"slack://{SECRET}", ""])
def test_an_invalid_address_is_not_shown(
    told: Project, url: str, capfd, caplog: pytest.LogCaptureFixture
):
    """The error names the variable but not its value, on any stream and in any log."""
    caplog.set_level(logging.DEBUG)
    told.settings.notify_url = SecretStr(url)
    told.add("failed")
    with pytest.raises(InputError, match="D1LAB_NOTIFY_URL has no URL") as caught:
        _send(told)
    assert SECRET not in str(caught.value) + caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("status", [200, 404])
def test_no_secret_is_shown_in_any_case(
    told: Project, receiver: Receiver, status: int, capfd, caplog: pytest.LogCaptureFixture
):
    """Logs, results, reprs, and the delivery log contain no part of an address."""
    caplog.set_level(logging.DEBUG)
    receiver.status = status
    told.add("failed")
    deliveries = _send(told)
    shown = repr(deliveries) + repr(told.settings) + caplog.text + "".join(capfd.readouterr())
    stored = (told.settings.data_dir / "sent.sqlite").read_bytes().decode("latin-1")
    assert [d.status for d in deliveries] == ["sent" if status == 200 else "failed"]
    assert SECRET not in shown + stored
    assert str(receiver.server_port) not in shown + stored


def test_kernels_never_see_the_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """They are removed from a kernel's environment."""
    names = {name for name in Settings.model_fields if re.fullmatch(r"notify\w*_url", name)}
    for name in names:
        monkeypatch.setenv(f"D1LAB_{name.upper()}", f"json://{SECRET}")
    settings = load_settings(root=tmp_path)
    assert settings.notify_url is not None
    assert {f"D1LAB_{name.upper()}" for name in names} <= set(VARIABLES)
    assert SECRET not in json.dumps(kernel_environment(settings, "demo", tmp_path))


def test_settings_of_messages_are_checked(tmp_path: Path):
    """One alert can be set without brackets, and unknown settings are rejected."""
    toml = tmp_path / "d1lab.toml"
    (tmp_path / "notebooks").mkdir()
    toml.write_text('[notify]\nalert = "cover < 7"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert load_settings().notify.alert == ("cover < 7",)
        toml.write_text('[notify]\nalarm = "cover < 7"\n')
        with pytest.raises(InputError, match=r"notify\.alarm"):
            load_settings()


def test_ages_are_counted_from_the_current_time_by_default(told: Project, pulled: datetime):
    """The sample's pull was long ago."""
    [delivery] = _send(told)
    assert datetime.now(UTC) - pulled > timedelta(hours=36)
    assert "stale" in delivery.notice.title
