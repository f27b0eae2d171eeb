"""What replies mean, in the languages and spellings of the people who write them."""

import pytest

from campaigns.optout import LANGUAGES, Meaning, Meanings
from campaigns.optout.meaning import fold
from campaigns.optout.words import COMPANIONS

MEANINGS = Meanings()

WORDS = [(language, word) for language, words in LANGUAGES.items() for word in (*words.stop, *words.alone)]


def test_the_table_knows_many_languages() -> None:
    assert len(LANGUAGES) >= 25
    assert all(words.stop for words in LANGUAGES.values())


@pytest.mark.parametrize(("language", "word"), WORDS, ids=[f"{language}-{word}" for language, word in WORDS])
def test_every_keyword_stops_however_it_is_written(language: str, word: str) -> None:
    for written in (word, word.upper(), f" «{word}»!! ", f"{word}.\n", f"{word} {word}", f"\u200b{word}\ufeff"):
        assert MEANINGS.of(written) is Meaning.STOP, written


@pytest.mark.parametrize("field", ["start", "help"])
def test_every_word_to_come_back_or_ask_for_help_is_known(field: str) -> None:
    for words in LANGUAGES.values():
        for word in getattr(words, field):
            assert MEANINGS.of(f"{word.upper()}!") is Meaning(field), word


def test_no_word_means_two_things() -> None:
    groups = {"stop": set[str](), "start": set[str](), "help": set[str]()}
    for words in LANGUAGES.values():
        groups["stop"].update(map(fold, (*words.stop, *words.alone)))
        groups["start"].update(map(fold, words.start))
        groups["help"].update(map(fold, words.help))
    assert groups["stop"].isdisjoint(groups["start"] | groups["help"] | COMPANIONS)
    assert groups["start"].isdisjoint(groups["help"] | COMPANIONS)


@pytest.mark.parametrize(
    "text",
    [
        "STOP", "stop", "Stop.", "stop!!", "STOP SMS", "«STOP»", '"stop"', "ＳＴＯＰ",
        "S\u200bTOP", "stóp", "STOP 🙏",
        "🛑", "please stop", "Stop, thanks", "STOP ALL", "opt-out",
        "OPT OUT", "Arrêt", "ARRET", "İPTAL", "iptal", "IPTAL",
        "İptal.", "إلغاء", "الغاء", "لغو", "لغو۱۱", "הסר", "退订",
        "退訂！", "停止。", "수신거부", "Стоп", "ΣΤΟΠ", "στόπ", "Từ chối",
        "HỦY", "रोकें", "หยุด", "PARE", "Sair", "BAJA", "afmelden", "Leiratkozás", "odhlásit", "wypisz", "TD",
    ],
)  # fmt: skip
def test_a_keyword_that_is_the_whole_message_stops(text: str) -> None:
    assert MEANINGS.of(text) is Meaning.STOP


@pytest.mark.parametrize(
    "text",
    [
        "pls stop texting", "non voglio più messaggi", "Basta messaggi per favore!",
        "s t o p", "sotp", "stpo", "STOPP IT",
        "Stop sending me these", "take me off your list", "ne plus recevoir vos SMS",
        "no me envíen más mensajes",
        "Bitte keine SMS mehr schicken", "请退订我", "もう送らないでください", "그만 보내세요 제발",
        "Не пишите мне больше", "לא רוצה יותר הודעות",
        "cancel it", "wrong number", "unsubcribe", "STOP SPRINGSALE", "START STOP",
        "stopped", "Stopping!", "STOPstop", "stop1", "Unsubscribed", "σταμάτα", "go away", "Fuck off!",
    ],
)  # fmt: skip
def test_what_looks_like_a_stop_is_for_a_person_to_read(text: str) -> None:
    assert MEANINGS.of(text) is Meaning.REVIEW


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "👍", "ok", "Yes", "YES", "no", "No.", "si", "nonstop",
        "stopped by", "I stopped by yesterday", "top!",
        "Fin", "đúng", "see you at the end of the week then",
        "I will be late, please cancel the second appointment",
        "Grazie mille, ci vediamo domani alle 15", "1", "R",
        "😀😀", "estación", "weekend", "Backend", "安いですね", "좋아요",
    ],
)  # fmt: skip
def test_anything_else_is_a_reply(text: str) -> None:
    assert MEANINGS.of(text) is Meaning.REPLY


def test_more_words_can_be_added() -> None:
    meanings = Meanings(["R", "Nein danke"])
    assert meanings.of("r.") is Meaning.STOP
    assert meanings.of("NEIN, DANKE!") is Meaning.STOP
    assert meanings.of("R2") is Meaning.REPLY


@pytest.mark.parametrize("text", ["stop " * 20_000, "\u0301" * 100_000, "退" * 100_000, "a " * 50_000])
def test_very_long_texts_are_read_like_any_other(text: str) -> None:
    assert MEANINGS.of(text) in set(Meaning)
