"""Which `.env` counts: only one that this user, or the administrator, can have written."""

import os
from pathlib import Path

import pytest

from worker.settings.files import MOST_BYTES, foreign, read_secret
from worker.settings.settings import Settings, SettingsError, load_settings

OURS = os.geteuid()


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ:
        if name.startswith("CAMPAIGNS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".env"
    path.write_text('CAMPAIGNS_NOTIFY_COMMAND=sh -c "id > pwned"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_what_others_can_read_at_most_counts(env: Path, mode: int) -> None:
    env.chmod(mode)
    assert load_settings().notify_command == ("sh", "-c", "id > pwned")


@pytest.mark.parametrize("mode", [0o660, 0o606, 0o666, 0o622])
def test_m9_a_file_that_others_can_write_is_refused(env: Path, mode: int) -> None:
    env.chmod(mode)
    with pytest.raises(SettingsError, match=r"^\.env of this folder can be written by others; go to another folder"):
        load_settings()


@pytest.mark.parametrize(
    ("owner", "user", "problem"),
    [
        (OURS, OURS, ""),
        (OURS + 1, OURS, "belongs to somebody else"),
        (0, OURS + 1, ""),  # the administrator's
        (OURS + 1, 0, "belongs to somebody else"),
    ],
)
def test_m9_a_file_of_somebody_else_is_refused(env: Path, owner: int, user: int, problem: str) -> None:
    status = env.stat()
    values = (*status[:4], owner, *status[5:])
    assert foreign(os.stat_result(values), user) == problem


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_where_there_is_no_file_the_environment_alone_counts(env: Path, kind: str) -> None:
    env.unlink()
    if kind == "folder":
        env.mkdir()
    elif kind == "pipe":
        os.mkfifo(env)
    assert load_settings().notify_command == ()


@pytest.mark.parametrize(
    ("content", "problem"), [(b"#" * (MOST_BYTES + 1), "has more than"), (b"CAMPAIGNS_REGION=\xff\n", "is not UTF-8")]
)
def test_what_cannot_be_settings_is_refused_in_a_sentence(env: Path, content: bytes, problem: str) -> None:
    env.write_bytes(content)
    with pytest.raises(SettingsError, match=problem):
        load_settings()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\0\0\0\0", "it contains NUL bytes"),  # after a power cut
        (b"key\0\0", "it contains NUL bytes"),
        ("\u200b".encode(), "it contains no visible character"),
        ("\u3164\u2800\n".encode(), "it contains no visible character"),
        (b"\xef\xbb\xbf\r\n", "it is empty"),
        (b"\n", "it is empty"),
        ("key".encode("utf-16"), "not UTF-8"),
    ],
)
def test_s1_a_secret_that_everybody_knows_is_none(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "key").write_bytes(content)
    for name in ("api_key", "webhook_secret", "database_url"):
        with pytest.raises(SettingsError, match=rf"^CAMPAIGNS_{name.upper()}_FILE names .* \({problem}\)"):
            read_secret(tmp_path / "key", name)


def test_s1_the_mark_that_notepad_puts_before_a_key_is_no_part_of_it(env: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfkey \xc3\xa9\r\n")
    assert read_secret(tmp_path / "key", "api_key") == "key \xe9"
    env.write_text("CAMPAIGNS_API_KEY=\ufeffkey\n", encoding="utf-8")
    assert load_settings().key().get_secret_value() == "key"


@pytest.mark.parametrize("name", ["API_KEY", "WEBHOOK_KEYS", "WEBHOOK_SECRET"])
def test_s1_a_setting_that_shows_nothing_is_refused(env: Path, name: str) -> None:
    env.write_text(f"CAMPAIGNS_{name}=\u200b\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"^CAMPAIGNS_{name}: cannot be used \(it contains no visible character\)"):
        load_settings()


@pytest.mark.parametrize(("region", "hint"), [("ZZ", "write two letters"), ("uk", "write GB"), ("Italy", "write two")])
def test_s11_a_country_that_there_is_not_is_refused(env: Path, region: str, hint: str) -> None:
    env.write_text(f"CAMPAIGNS_REGION={region}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"^CAMPAIGNS_REGION: is not a country code of ISO 3166: .*; {hint}"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("THREADS", "0", "must be a whole number from 1 to 64"),
        ("NOTICE_DAYS", "1.5", "must be a whole number from 7 to 3,650"),
        ("SEND_BY_SECONDS", "nan", "must be a number above 0 and at most 3,600"),
        ("SETTLE_SECONDS", "soon", "must be a number from 0 to 86,400"),
        ("LOG_FORMAT", "xml", "must be auto, json or text"),
        ("ALLOW_PRIVATE_WEBHOOKS", "maybe", "must be true or false"),
        ("KINDS", ",", "must be kinds of campaigns, separated by commas (marketing, reminder, transactional)"),
    ],
)
def test_what_a_setting_takes_is_told_in_words(env: Path, name: str, value: str, problem: str) -> None:
    env.write_text(f"CAMPAIGNS_{name}={value}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as told:
        load_settings()
    assert str(told.value) == f"CAMPAIGNS_{name}: {problem}"


@pytest.mark.parametrize(
    "name",
    ["api_key_file", "database_url_file", "daily", "device_rate", "error_texts", "frequency_cap", "help_answer",
     "hours", "http", "kinds", "log_format", "notify_email", "rate", "region", "require_approval", "threads",
     "timezone"],
)  # fmt: skip
def test_no_setting_is_quoted_whole(env: Path, name: str) -> None:
    env.write_text(f"CAMPAIGNS_{name.upper()}={'secret.' * 500}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as told:
        load_settings().key()
    assert "secret." * 7 not in str(told.value)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_an_empty_variable_is_as_one_that_is_not_set(env: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env.write_text("CAMPAIGNS_REGION=\n", encoding="utf-8")
    unset = load_settings()
    monkeypatch.setenv(f"CAMPAIGNS_{name.upper()}", "")
    assert load_settings() == unset
