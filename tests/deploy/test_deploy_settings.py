"""Secrets as files: the addresses with their passwords, like the key."""

from pathlib import Path

import pytest

from worker.settings import SettingsError, load_settings

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
