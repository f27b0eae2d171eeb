"""The campaigns that are measured: a file of numbers with two more columns, and one text that uses both."""

from pathlib import Path
from typing import Final

FIRST_NUMBER: Final = 3_330_000_000  # Italian mobile numbers, of which the next million are all valid
PLACES: Final = ("Bari", "Como", "Genova", "Lecce", "Milano", "Napoli", "Roma", "Torino")


def write_campaign(
    folder: Path, *, recipients: int, campaign: str = "bench", first: int = 0, more: str = "", **throughput: int | str
) -> Path:
    """Write the campaign's YAML and its CSV into `folder`; return the path of the YAML.

    `first` is where its numbers begin; `more` is further lines of YAML; `throughput` the keys of that block.
    """
    rows = (f"+39{FIRST_NUMBER + first + n},{_name(n)},{_place(n)}\n" for n in range(recipients))
    with (folder / f"{campaign}.csv").open("w", encoding="utf-8") as file:
        file.write("phone,first_name,shop\n")
        file.writelines(rows)
    keys = "".join(f"  {key}: {value}\n" for key, value in throughput.items())
    path = folder / f"{campaign}.yaml"
    path.write_text(
        f"campaign: {campaign}\n"
        "message: Hi {{ first_name }}, our spring sale in {{ shop }} starts today. Reply STOP to opt out.\n"
        f"audience:\n  - file: {campaign}.csv\n    number: phone\n{more}" + (f"throughput:\n{keys}" if keys else ""),
        encoding="utf-8",
    )
    return path


def texts(recipients: int, *, first: int = 0) -> list[tuple[str, str]]:
    """Number and text of everybody in such a campaign, as its plan has them, starting at number `first`."""
    return [
        (
            f"+39{FIRST_NUMBER + n}",
            f"Hi {_name(n)}, our spring sale in {_place(n)} starts today. Reply STOP to opt out.",
        )
        for n in range(first, first + recipients)
    ]


def _name(n: int) -> str:
    return f"Anna{n % 10_000}"


def _place(n: int) -> str:
    return PLACES[n % len(PLACES)]
