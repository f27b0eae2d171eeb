"""When two texts are the same to those who get them."""

import pytest

from campaigns.planning.repeats import as_seen, literal_as_seen

TEXT = "Hi Anna, our spring sale starts on Saturday: 20% off 12.50. It's on!"


@pytest.mark.parametrize(
    "text",
    [
        f"{TEXT} ",
        TEXT.upper(),
        TEXT.replace(" ", "\N{NO-BREAK SPACE}").replace("spring", "spr\N{ZERO WIDTH SPACE}ing"),
        TEXT.replace(" ", "  \n").replace("sale", "sa\N{SOFT HYPHEN}le\x07"),
        "Hi Anna - our spring sale starts on Saturday! 20% off 12.50 (It\N{RIGHT SINGLE QUOTATION MARK}s on)",
        TEXT.replace("Anna", "\N{FULLWIDTH LATIN CAPITAL LETTER A}nna"),
    ],
)
def test_ren_what_nobody_sees_makes_no_other_text(text: str) -> None:
    assert as_seen(text) == as_seen(TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [("Anna", "Anne"), ("20%", "20"), ("12.50", "1250"), ("12.50", "12,50"), ("Hi", "Hello"), ("!", " \U0001f600")],
)
def test_ren_what_people_see_does(old: str, new: str) -> None:
    assert as_seen(TEXT.replace(old, new)) != as_seen(TEXT)


def test_ren_another_fallback_keeps_the_message_one_to_look_at() -> None:
    assert literal_as_seen("Hi {{ name }}, sale!") == literal_as_seen("Hi {{name | default('you')}} - sale")
