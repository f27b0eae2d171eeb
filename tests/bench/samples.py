"""The campaign that is measured: a file of numbers with two more columns, and one text that uses both."""

from pathlib import Path
from typing import Final

FIRST_NUMBER: Final = 3_330_000_000  # Italian mobile numbers, every one of the next million valid
PLACES: Final = ("Bari", "Como", "Genova", "Lecce", "Milano", "Napoli", "Roma", "Torino")


def write_campaign(folder: Path, *, recipients: int, batch_size: int | None = None) -> Path:
    """Write `bench.yaml` and its CSV into `folder`; the path of the former. `batch_size` None: as the product likes."""
    rows = (f"+39{FIRST_NUMBER + n},{_name(n)},{_place(n)}\n" for n in range(recipients))
    with (folder / "people.csv").open("w", encoding="utf-8") as file:
        file.write("phone,first_name,shop\n")
        file.writelines(rows)
    throughput = "" if batch_size is None else f"throughput:\n  batch_size: {batch_size}\n"
    path = folder / "bench.yaml"
    path.write_text(
        "campaign: bench\n"
        "message: Hi {{ first_name }}, our spring sale in {{ shop }} starts today. Reply STOP to opt out.\n"
        f"audience:\n  - file: people.csv\n    number: phone\n{throughput}",
        encoding="utf-8",
    )
    return path


def texts(recipients: int) -> list[tuple[str, str]]:
    """Number and text of everybody in such a campaign, as its plan has them."""
    return [
        (
            f"+39{FIRST_NUMBER + n}",
            f"Hi {_name(n)}, our spring sale in {_place(n)} starts today. Reply STOP to opt out.",
        )
        for n in range(recipients)
    ]


def _name(n: int) -> str:
    return f"Anna{n % 10_000}"


def _place(n: int) -> str:
    return PLACES[n % len(PLACES)]
