"""E-mail and the command: delivered, refused, unavailable, and nothing secret passed on."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from scheduler.doctor.findings import Standing
from scheduler.doctor.notices import check_targets
from scheduler.notifications.command import run_command
from scheduler.notifications.delivery import send, where
from scheduler.notifications.mail import send_mail, server_problem
from scheduler.notifications.outcome import TAKEN, DeliveryResult
from scheduler.notifications.targets import COMMAND, Channel
from tests.support.mailbox import Mailbox
from tests.support.receiver import Receiver
from tests.support.tcp_server import TcpServer, unused_port
from tests.support.tls import Authority, TlsFront
from worker.settings.settings import Settings, SettingsError, load_settings

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
BODY = {
    "id": "0b4e0bf35ac14a6e",
    "event": "run.paused",
    "at": "2026-12-01T09:00:00Z",
    "rehearsal": True,
    "campaign": "spring-sale",
    "reason": "lunch – così",
    "recipients": {"audience": 1200, "pending": 1200},
}


def mail_settings(place: str, user: str = "") -> Settings:
    return Settings(
        smtp_url=SecretStr(f"smtp://{user}{place}"),
        notify_email=("anna@example.com",),
        _env_file=None,
    )


def test_a_letter_says_it_in_words() -> None:
    with Mailbox() as mailbox:
        outcome = send(mail_settings(mailbox.place), (Channel.EMAIL, "anna@example.com"), "run.paused", BODY, NOW)
    assert outcome == TAKEN
    [letter] = mailbox.letters
    assert (letter["To"], letter["From"]) == ("anna@example.com", "anna@example.com")
    assert letter["Subject"] == "[campaigns] spring-sale is paused (rehearsal)"
    assert letter["Message-ID"] == "<0b4e0bf35ac14a6e@campaigns.invalid>"
    text = letter.get_content().replace("\r\n", "\n")
    assert "Campaign spring-sale is paused.\nWhy: lunch – così\n" in text
    assert "pending            1,200" in text


def test_a_password_never_goes_over_a_plain_connection() -> None:
    with Mailbox() as mailbox:
        server = SecretStr(f"smtp://robot%40example.com:s3cret@{mailbox.place}")
        outcome = send_mail(server, "anna@example.com", "s", "t", id_="1")
    assert outcome.is_away
    assert mailbox.letters == []
    assert not any(line.upper().startswith("AUTH") for line in mailbox.said)


def test_who_is_refused_keeps_no_other_waiting() -> None:
    with Mailbox(refuses="550 nobody of that name") as mailbox:
        outcome = send_mail(SecretStr(f"smtp://{mailbox.place}"), "anna@example.com", "s", "t", id_="1")
    assert outcome == DeliveryResult("the mail server refused it", is_away=False)


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_mail_server_of_ones_own_authority(tmp_path: Path, is_trusted: bool) -> None:
    authority = Authority(tmp_path)
    with Mailbox() as mailbox, TlsFront(f"smtp://{mailbox.place}", authority.server()) as front:
        server = SecretStr(front.url.replace("https", "smtps"))
        ca_file = authority.ca_file if is_trusted else None
        outcome = send_mail(server, "anna@example.com", "s", "t", id_="1", ca_file=ca_file)
    refused = (
        "the mail server could not be used (its certificate is not trusted: unable to get local issuer certificate)"
    )
    assert outcome == (TAKEN if is_trusted else DeliveryResult(refused, is_away=True))
    assert len(mailbox.letters) == is_trusted


def test_a_mail_server_that_is_away() -> None:
    outcome = send_mail(SecretStr(f"smtp://127.0.0.1:{unused_port()}"), "anna@example.com", "s", "t", id_="1")
    assert outcome == DeliveryResult("the mail server could not be used (ConnectionRefusedError)", is_away=True)


@pytest.mark.parametrize(
    ("address", "usable"),
    [
        ("smtps://user:password@mail.example.com", True),
        ("smtp://mail.example.com:25", True),
        ("mail.example.com", False),
        ("https://mail.example.com", False),
        ("smtp://", False),
        ("smtp://a:99999", False),
    ],
)
def test_the_form_of_a_mail_server(address: str, usable: bool) -> None:
    assert (server_problem(SecretStr(address)) == "") is usable


SHOWS = "import json, os, sys; open(sys.argv[1], 'w').write(json.dumps([sys.stdin.read(), dict(os.environ)]))"


def test_a_command_gets_the_json_and_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "s3cret")
    monkeypatch.setenv("DATABASE_PASSWORD", "s3cret")
    shown = tmp_path / "shown $(touch no) ; here"
    settings = Settings(notify_command=(sys.executable, "-c", SHOWS, str(shown)), _env_file=None)
    # when
    assert send(settings, COMMAND, "run.paused", BODY, NOW) == TAKEN
    # then
    given, environment = json.loads(shown.read_text(encoding="utf-8"))
    assert json.loads(given) == BODY
    assert given.endswith("\n")
    assert "s3cret" not in str(environment)
    assert "PATH" in environment


AS_PROCESS_1: Final = """
import ctypes, json, os
from datetime import timedelta
from scheduler.notifications.command import run_command
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans become its children
orphans = ["sh", "-c", "sleep 60 & sleep 60 & (sleep 60 &) ; true"]
told = [str(run_command(orphans, {}, timeout=timedelta(seconds=20))) for _ in range(3)]
try:
    told.append(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print(json.dumps(told))
"""


def test_what_a_command_leaves_behind_is_buried_where_we_are_process_1() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", AS_PROCESS_1],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert json.loads(ended.stdout) == [str(TAKEN)] * 3


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["false"], "the command ended with 1"),
        (["/no/such/program"], "CAMPAIGNS_NOTIFY_COMMAND cannot be started (No such file or directory)"),
        (["sh", "-c", "sleep 30 & sleep 30"], "the command had not ended after 0.2 s"),
    ],
)
def test_a_command_that_does_not_take_it(command: list[str], problem: str) -> None:
    began = time.monotonic()
    assert run_command(command, {}, timeout=timedelta(seconds=0.2)) == DeliveryResult(problem, is_away=True)
    assert time.monotonic() - began < 5


def test_a_command_that_reads_nothing_and_talks_without_end() -> None:
    assert run_command(["sh", "-c", "head -c 5000000 /dev/zero"], {"a": "b" * 500_000}) == TAKEN


def test_a_row_of_the_database_runs_no_program(tmp_path: Path) -> None:
    outcome = send(Settings(_env_file=None), (Channel.COMMAND, f"touch {tmp_path}/no"), "e", BODY, NOW)
    assert outcome.problem == "nothing is set for the channel command"
    assert list(tmp_path.iterdir()) == []


def test_logs_show_the_domain_of_a_mailbox_alone() -> None:
    assert where((Channel.EMAIL, "anna@example.com")) == "example.com"
    assert where(COMMAND) == "command"


@pytest.mark.parametrize(
    "replies",
    [b"220-still\r\n" * 10_000, b"220 hi\r\n" + b"250-still\r\n" * 10_000, b"2" * 100_000],
    ids=["greeting without end", "reply without end", "line without end"],
)
def test_a_mail_server_that_never_comes_to_an_end_is_left(replies: bytes) -> None:
    with TcpServer(lambda connection: connection.drip(replies, 0.01)) as server:
        began = time.monotonic()
        address = SecretStr(f"smtp://127.0.0.1:{server.port}")
        outcome = send_mail(address, "anna@example.com", "s", "t", id_="1", seconds=1)
    assert outcome.is_away
    assert time.monotonic() - began < 5


def test_m11_addresses_of_the_settings_are_the_operators_own_and_those_of_campaign_files_are_not() -> None:
    with Receiver() as receiver:
        url = receiver.url
        settings = Settings(report_webhook=SecretStr(url), reply_webhook=SecretStr(f"{url}/reply"), _env_file=None)
        told = {
            (channel, address): send(settings, (channel, address), "e", BODY, NOW).problem
            for channel in ("webhook", "reply_webhook")
            for address in (url, f"{url}/reply", f"{url}/admin", url.replace("http:", "https:"))
        }
        assert {target for target, problem in told.items() if not problem} == {
            ("webhook", url),
            ("reply_webhook", f"{url}/reply"),
        }
        assert [call.path for call in receiver.calls] == ["/hook", "/hook/reply"]


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({}, []),
        ({"report_webhook": "https://example.com/x"}, []),
        ({"report_webhook": "http://example.com/x"}, []),  # a warning: it is the operator's own
        ({"report_webhook": "http://127.0.0.1/x"}, []),
        ({"reply_webhook": "nonsense"}, ["CAMPAIGNS_REPLY_WEBHOOK"]),
        ({"notify_email": "anna@example.com"}, ["CAMPAIGNS_NOTIFY_EMAIL"]),
        ({"smtp_url": "smtps://mail.example.com"}, ["CAMPAIGNS_SMTP_URL"]),
        ({"smtp_url": "mail", "notify_email": "anna@example.com"}, ["CAMPAIGNS_SMTP_URL"]),
        ({"smtp_url": "smtps://mail.example.com", "notify_email": "anna@example.com, b@example.com"}, []),
        ({"notify_command": "/no/such/program --now"}, ["the program in CAMPAIGNS_NOTIFY_COMMAND"]),
        ({"notify_command": "true 'a b'"}, []),
    ],
)
def test_the_doctor_looks_at_the_form_of_what_is_set(given: dict[str, str], problems: list[str]) -> None:
    findings = list(check_targets(Settings(**given, _env_file=None)))  # type: ignore[arg-type]  # settings as texts
    found = [finding.says for finding in findings if finding.standing is Standing.PROBLEM]
    assert len(found) == len(problems)
    assert all(says.startswith(problem) for says, problem in zip(found, problems, strict=True))
    assert bool(findings) is bool(given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFY_EMAIL", "Anna <anna@example.com>"),
        ("NOTIFY_EMAIL", "anna"),
        ("NOTIFY_COMMAND", "say 'hello"),
        ("HTTP", "8080"),
        ("HTTP", "127.0.0.1:99999"),
        ("HTTP", "http://127.0.0.1:8080"),
    ],
)
def test_settings_that_cannot_be_used_say_which(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CAMPAIGNS_{name}", value)
    with pytest.raises(SettingsError, match=f"CAMPAIGNS_{name}: "):
        load_settings()


def test_secrets_are_read_from_files_when_they_are_needed(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    settings = Settings(
        webhook_secret_file=file,
        webhook_keys_file=file,
        smtp_url_file=file,
        _env_file=None,
    )
    for content, keys in (("one\n", ["one"]), ("one\ntwo, three\n", ["one", "two", "three"])):
        file.write_text(content)
        assert settings.signing_secret().get_secret_value() == content.strip()
        assert [key.get_secret_value() for key in settings.further_webhook_keys()] == keys
    file.unlink()
    with pytest.raises(SettingsError, match="CAMPAIGNS_SMTP_URL_FILE names"):
        settings.mail_server()


@pytest.mark.parametrize("name", ["webhook_secret_file", "ca_file"])
def test_a_file_that_is_gone_is_told_as_the_reason_and_waited_for(tmp_path: Path, name: str) -> None:
    settings = Settings(allow_private_webhooks=True, _env_file=None, **{name: tmp_path / "gone"})  # type: ignore[arg-type]  # one of several settings
    address = f"https://127.0.0.1:{unused_port()}/hook"

    outcome = send(settings, (Channel.WEBHOOK, address), "run.paused", BODY, NOW)

    assert outcome.is_away
    assert outcome.problem.startswith(f"CAMPAIGNS_{name.upper()} names {tmp_path / 'gone'}, which cannot be read")
