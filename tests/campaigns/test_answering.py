"""The text that answers HELP: what it may be, and which campaign it becomes."""

import pytest

from campaigns.answering import HELP_ANSWERS, help_answers
from campaigns.definition import Definition
from campaigns.message.plain import checked_plain
from worker.settings.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("text", "sent"),
    [("", ""), ("  \n", ""), (" Call us.\nOr write STOP. ", "Call us.\nOr write STOP."), ("à" * 1_530, "à" * 1_530)],
)
def test_a_text_is_sent_without_blanks_around_it(text: str, sent: str) -> None:
    assert checked_plain(text) == sent


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a" * 1_531, "takes 11 segments, but at most 10 are allowed; write a shorter text"),
        ("{{ x }} call us", "contains {{, {% or {#; it is sent as written, without fields, so write plain text"),
        ("Call\x00us", "contains an invisible control character; write plain text"),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused_with_the_name_of_the_setting(text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as told:
        load_settings(help_answer=text)
    assert str(told.value) == f"CAMPAIGNS_HELP_ANSWER: {problem}"


def test_it_makes_a_campaign_that_the_database_keeps_as_it_is() -> None:
    definition = help_answers("Prices {are} on our door", "Europe/Rome")

    assert definition.campaign == HELP_ANSWERS
    assert Definition.model_validate_json(definition.model_dump_json()) == definition
