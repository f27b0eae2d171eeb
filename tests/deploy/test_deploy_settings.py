"""Secrets as files: the addresses with their passwords, like the key."""

from pathlib import Path

import pytest

from worker.settings.settings import SettingsError, load_settings

SCHEMES = {"database_url": "postgresql+psycopg", "redis_url": "redis", "smtp_url": "smtps"}
ADDRESS = "postgresql+psycopg://campaigns:secret@db.internal/campaigns"


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine, and no `.env`."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["database_url", "redis_url"])
def test_an_address_is_read_from_the_file_that_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text(f"{ADDRESS}\n", encoding="utf-8")
    monkeypatch.setenv(f"CAMPAIGNS_{name.upper()}", "redis://in.the.environment")
    monkeypatch.setenv(f"CAMPAIGNS_{name.upper()}_FILE", str(tmp_path / "secret"))

    assert getattr(load_settings(), name) == ADDRESS
    assert getattr(load_settings(**{name: "given"}), name) == "given"


@pytest.mark.parametrize("name", ["API_KEY", "DATABASE_URL", "REDIS_URL"])
def test_a_secret_that_cannot_be_read_is_told_with_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"CAMPAIGNS_{name}_FILE", str(tmp_path / "missing"))

    with pytest.raises(SettingsError) as told:
        load_settings().key()

    assert str(told.value) == (
        f"CAMPAIGNS_{name}_FILE names {tmp_path}/missing, which cannot be read (No such file or directory); "
        f"mount the secret there or set CAMPAIGNS_{name}"
    )


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("user:se@kret@127.0.0.1/x", "write these as %40, %2F, %3F and %23"),
        ("user:se/kret@127.0.0.1:6379/x", "write these as %40, %2F, %3F and %23"),
        ("user:se#kret@127.0.0.1/x", "write these as %40, %2F, %3F and %23"),
        (":se?kret@127.0.0.1/x", "write these as %40, %2F, %3F and %23"),
        ("127.0.0.1:kret/x", "has a port that is not a number up to 65535"),
        ("user:pass@[::1]:99999/x", "has a port that is not a number up to 65535"),
        ("user:pass@[::1]:5432/x?sslmode=require", ""),
        ("user:p%40ss@127.0.0.1/x", ""),
        ("localhost", ""),
    ],
)
def test_an_address_whose_password_would_be_cut_is_refused_without_quoting_it(
    name: str, rest: str, told: str, tmp_path: Path
) -> None:
    url = f"{SCHEMES[name]}://{rest}"
    (tmp_path / "secret").write_text(url, encoding="utf-8")

    for given in ({name: url}, {f"{name}_file": tmp_path / "secret"}):
        try:
            load_settings(**given).mail_server()
            said = ""
        except SettingsError as error:
            said = str(error)
        assert said.endswith(told)
        assert bool(said) == bool(told)
        assert "kret" not in said


def test_an_error_text_that_cannot_be_read_is_not_quoted() -> None:
    with pytest.raises(SettingsError, match=r"^CAMPAIGNS_ERROR_TEXTS: has an entry \(2\) that is not ") as told:
        load_settings(error_texts="3f0c9a1b2c3d=refused, Hi Anna=account")

    assert "anna" not in str(told.value).lower()
