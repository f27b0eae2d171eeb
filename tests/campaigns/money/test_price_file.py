"""The file of prices: what is read, and each mistake with its line."""

from datetime import date

import pytest

from campaigns.money.price_file import MOST_BYTES, PriceFileError, read_prices
from campaigns.money.prices import ANY, PriceRow

HEADING = "prefix,device,price,currency,from\n"


def test_a_whole_file() -> None:
    found = read_prices(
        "prices.csv",
        (HEADING + "+39,,0.045,EUR,\n0039 347,1,0.05,eur,2027-01-01\n\n49,2|0,1,EUR,\n").encode("utf-8-sig"),
    )

    assert found.currency == "EUR"
    assert found.rows == (
        PriceRow("39", ANY, 45_000),
        PriceRow("39347", "1", 50_000, date(2027, 1, 1)),
        PriceRow("49", "2|0", 1_000_000),
    )


@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_columns_come_in_any_order_and_only_three_are_needed(delimiter: str) -> None:
    lines = [("Currency", "Price", "Prefix"), ("EUR", "0.1", "39")]
    text = "\n".join(delimiter.join(line) for line in lines)

    assert read_prices("p", text.encode()).rows == (PriceRow("39", ANY, 100_000),)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "prices.csv: has no price"),
        (HEADING, "prices.csv: has no price"),
        (HEADING + "39,,0.045,EUR,\n39,,0.05,EUR,\n", "prices.csv:3: is for the same prefix, device and day as line 2"),
        (HEADING + "39,,0.045,EUR,\n49,,0.05,USD,\n", "prices.csv:3: currency: is USD, but the lines before have EUR"),
        (HEADING + "39,,0,045,EUR,\n", "prices.csv:2: has 6 cells, but the heading has 5"),
        (HEADING + "IT,,0.045,EUR,\n", "prices.csv:2: prefix: must be the first digits"),
        (HEADING + ",,0.045,EUR,\n", "prices.csv:2: prefix: is empty"),
        (HEADING + "39,,-1,EUR,\n", "prices.csv:2: price: must be a price per segment"),
        (HEADING + "39,,0.0000001,EUR,\n", "prices.csv:2: price: must be"),
        (HEADING + "39,,,EUR,\n", "prices.csv:2: price: is empty"),
        (HEADING + "39,,0.1,Euro,\n", "prices.csv:2: currency: must be three letters"),
        (HEADING + "39,SIM,0.1,EUR,\n", "prices.csv:2: device: must be a device id"),
        (HEADING + "39,,0.1,EUR,1.1.2027\n", "prices.csv:2: from: must be a date"),
        ("prefix,prize,currency\n", "prices.csv:1: has an unknown column 'prize'; did you mean price?"),
        ("prefix,price\n39,1\n", "prices.csv:1: has no column currency"),
        ("prefix,price,price,currency\n", "prices.csv:1: has the column price twice"),
        (HEADING + '39,"0.1,EUR,\n', "is not CSV"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(content: str, says: str) -> None:
    with pytest.raises(PriceFileError) as caught:
        read_prices("prices.csv", content.encode())

    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_no_list_of_prices() -> None:
    with pytest.raises(PriceFileError, match="is not UTF-8"):
        read_prices("prices.csv", b"prefix\xff")
    with pytest.raises(PriceFileError, match="more than"):
        read_prices("prices.csv", b" " * (MOST_BYTES + 1))
