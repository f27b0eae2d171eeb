"""`--output`: an ordinary file is replaced completely; anything else is written to as it is, or refused."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.scheduler.cli.upkeep.test_cli_process import COMMAND
from worker.store.engine import Store

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

ADVICE = "check the name, the permissions and the free space"
EXPORTS = [("export", "spring-sale"), ("export", "spring-sale", "--format", "html"), ("suppress", "export")]


@pytest.mark.parametrize("command", EXPORTS)
@pytest.mark.parametrize("is_linked", [False, True])
def test_a_pipe_stays_one_and_gets_the_export(
    command: tuple[str, ...], is_linked: bool, run: Cli, planned: Planned, folder: Path
) -> None:
    planned("spring-sale")
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("pipe")
    name = "link" if is_linked else "pipe"

    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE) as reader:
        result = run(*command, "-o", name)
        assert reader.stdout is not None
        read = reader.stdout.read().decode()

    assert (result.exit_code, (folder / "pipe").is_fifo(), (folder / "link").is_symlink()) == (0, True, True)
    assert read == run(*command).stdout
    assert result.stderr.endswith(f" to {name}\n")


@pytest.mark.parametrize("command", [*EXPORTS, ("schema",)])
def test_a_full_device_is_told_in_one_sentence_and_stays(
    command: tuple[str, ...], run: Cli, planned: Planned, folder: Path
) -> None:
    # given a link, so that nothing that goes wrong replaces a device of this machine
    planned("spring-sale")
    (folder / "full").symlink_to("/dev/full")

    result = run(*command, "-o", "full")

    assert (result.exit_code, result.stdout, (folder / "full").is_symlink()) == (2, "", True)
    assert result.stderr == f"full cannot be written (No space left on device); {ADVICE}\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_on_a_full_device_is_told_in_one_sentence(
    planned: Planned, folder: Path, unbuffered: str
) -> None:
    planned("spring-sale")
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}

    with Path("/dev/full").open("wb") as full:
        command = [*COMMAND, "export", "spring-sale"]
        ended = subprocess.run(command, check=False, cwd=folder, env=environment, stdout=full, stderr=subprocess.PIPE)

    told = b"the output cannot be written (No space left on device); check the free space\n"
    assert (ended.returncode, ended.stderr) == (2, told)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (".", ". is a folder; name a file to write to, or leave --output out for standard output\n"),
        ("none/a.csv", f"none/a.csv cannot be written (No such file or directory); {ADVICE}\n"),
    ],
)
@pytest.mark.parametrize("command", EXPORTS[1:])
def test_what_cannot_be_written_to_is_refused(
    command: tuple[str, ...], output: str, told: str, run: Cli, planned: Planned, folder: Path
) -> None:
    planned("spring-sale")
    before = set(folder.iterdir())

    result = run(*command, "-o", output)

    assert (result.exit_code, result.stdout, result.stderr, set(folder.iterdir())) == (2, "", told, before)


def test_standard_output_by_its_name_is_added_to_and_its_link_stays(planned: Planned, folder: Path) -> None:
    # given what /dev/stdout is, and standard output redirected to a file that already has content
    planned("spring-sale")
    (folder / "stdout").symlink_to("/proc/self/fd/1")
    (folder / "all.csv").write_text("first\n")

    with (folder / "all.csv").open("a") as stream:
        subprocess.run([*COMMAND, "suppress", "export", "-o", "stdout"], check=True, stdout=stream, cwd=folder)

    assert (folder / "stdout").is_symlink()
    assert (folder / "all.csv").read_text().startswith('first\n"number",')


@pytest.mark.parametrize("is_there", [True, False])
def test_a_file_takes_the_place_of_a_link_to_one(is_there: bool, run: Cli, planned: Planned, folder: Path) -> None:
    planned("spring-sale")
    if is_there:
        (folder / "other").write_text("kept")
    (folder / "link").symlink_to("other")

    assert run("suppress", "export", "-o", "link").exit_code == 0

    assert not (folder / "link").is_symlink()
    assert not is_there or (folder / "other").read_text() == "kept"


def test_a_device_that_is_standard_input_too_is_written_to(planned: Planned, folder: Path) -> None:
    # given what a cron job has as its input; the link keeps this machine's device safe
    planned("spring-sale")
    (folder / "null").symlink_to("/dev/null")

    command = [*COMMAND, "suppress", "export", "-o", "null"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, cwd=folder)

    assert (folder / "null").is_symlink()
