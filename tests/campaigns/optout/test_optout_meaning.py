"""The meaning of replies, in the languages and spellings of the people who write them."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.optout import MOST_JUDGED, Meaning
from campaigns.optout.meaning import Meanings, fold
from campaigns.optout.refusals import REFUSALS
from campaigns.optout.words import COMPANIONS, LANGUAGES

MEANINGS = Meanings()

OURS = "Hi Anna, spring sale. Reply STOP to opt out."

PHRASES = [
    tuple(line.split("\t")) for line in Path(__file__).with_name("phrases.tsv").read_text(encoding="utf-8").splitlines()
]
"""Language, meaning, text: written only for this test."""

WORDS = [(language, word) for language, words in LANGUAGES.items() for word in (*words.stop, *words.alone)]


def test_the_table_knows_many_languages() -> None:
    assert len(LANGUAGES) >= 25
    assert all(words.stop for words in LANGUAGES.values())
    assert REFUSALS.keys() == LANGUAGES.keys()


@pytest.mark.parametrize(("language", "meaning", "text"), PHRASES, ids=[f"{p[0]}-{p[2]}" for p in PHRASES])
def test_what_people_write_is_understood(language: str, meaning: str, text: str) -> None:
    assert MEANINGS.of(text) is Meaning(meaning)


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
    companions = set(map(fold, COMPANIONS))
    assert groups["stop"].isdisjoint(groups["start"] | groups["help"] | companions)
    assert groups["start"].isdisjoint(groups["help"] | companions)


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
        "Stop. Thank you", "STOP 36179", "Unsubscribe me", "Stop texting me", "pls stop texting", "S T O P", "s.t.o.p.",
        "Arrête", "Hallo, bitte STOP", "Basta messaggi per favore!", "Стоп, пожалуйста", "STOP\nAnna Rossi",
        "STOP\n\nSent from my iPhone", "Stop Sent from my Galaxy", "STOP\r\nInviato da iPhone",
        "stop\nVon meinem iPhone gesendet", "stop\nEnviado desde mi móvil", "STOP\n> Hi Anna\n> Reply STOP to opt out.",
        "STOP\n\nOn Mon, 3 May 2027 at 09:10, Shop wrote:\nHi Anna, spring sale.", "> STOP", f"{OURS}\nSTOP",
        "Ok stop", "OK, STOP please", "okay stop", "basta così", "Basta così, grazie", "ya basta", "STOP MARKETING",
        "stop ads", "STOP SMS MARKETING", "disiscrizione", "Disiscrizione!", "Stop pubblicità",
        f"STOP “{OURS}”", f"stop! \"{OURS}\"", "Stop\nIl 3 maggio 2027 Shop ha scritto:\n> Hi Anna",
    ],
)  # fmt: skip
def test_a_keyword_that_is_the_whole_message_stops(text: str) -> None:
    assert MEANINGS.of(text, [OURS]) is Meaning.STOP


@pytest.mark.parametrize(
    "text",
    [
        "non voglio più messaggi", "sotp", "stpo", "STOPP IT", "I want you to stop by Friday", "please stop by Friday",
        "do not send me texts", "no longer interested", "Rimuovetemi", "cancella il mio numero", "je me désabonne",
        "No más", "no envíen más", "bitte löschen", "me remova", "wypisuję się",
        OURS, f"“{OURS}”", "Reply STOP to opt out", f"please take me off “{OURS}”", f"🛑 to “{OURS}”",
        "I said “STOP”", "He wrote: please stop", "On 3 May I wrote: stop it now",
        "Stop sending me these", "take me off your list", "ne plus recevoir vos SMS",
        "no me envíen más mensajes",
        "Bitte keine SMS mehr schicken", "请退订我", "もう送らないでください", "그만 보내세요 제발",
        "Не пишите мне больше", "לא רוצה יותר הודעות",
        "cancel it", "wrong number", "unsubcribe", "STOP SPRINGSALE", "START STOP",
        "stopped", "Stopping!", "STOPstop", "stop1", "Unsubscribed", "σταμάτα", "go away", "Fuck off!",
        "5TOP", "5T0P!!", "$top", "５ＴＯＰ", "5TÓP", "C4NCEL", "un5ubscribe", "5top sending me these",
        "st op", "sto p", "S TOP", "5 T 0 P", "5.t.0.p", "un subscribe", "st op please", "can cel",
        "SТОР", "ЅТОР", "ΣTOP", "ЅТ0Р", "SΤΟΡ", "ꜱᴛᴏᴘ", "ᏚᎢᎾᏢ", "🆂🆃🅾🅿", "🅢🅣🅞🅟", "🇸🇹🇴🇵", "please ЅТОР",
        "\u202ePOTS", "\u202epots\u202c please", "hi \u202eebircsbusnu", "step", "shop", "what does STOP do?",
        "👎", "👎🏽", "✋", "✋🏿", "🚫", "❌", "⛔️", "🙅‍♀️", "🚫 no", "No, thanks 👎", "👍👎",
        f"👎 to “{OURS}”", f"Disliked “{OURS}”", f"N’a pas aimé « {OURS} »", f"Não curtiu “{OURS}”",
    ],
)  # fmt: skip
def test_what_looks_like_a_stop_is_for_a_person_to_read(text: str) -> None:
    assert MEANINGS.of(text, [OURS]) is Meaning.REVIEW


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "👍", "ok", "Yes", "YES", "no", "No.", "si", "nonstop",
        "stopped by", "I stopped by yesterday", "top!",
        "Fin", "đúng", "see you at the end of the week then",
        "I will be late, please cancel the second appointment",
        "Grazie mille, ci vediamo domani alle 15", "1", "R",
        "Ok", "ok just now", "marketing", "così", "\u202eolleh",
        "😀😀", "estación", "weekend", "Backend", "安いですね", "좋아요",
        f"Liked “{OURS}”", f"👍 to “ {OURS} ”", "I'll stop by at 5", "can we stop by?", "the bus stop",
        f"Emphasized “{OURS}”", f"Removed a like from “{OURS}”", f"A supprimé un cœur de « {OURS} »",
        f"Ha messo “Mi piace” a “{OURS}”", f"Verwijderde een hart van “{OURS}”", f"Le gustó “{OURS}”",
        f"Hat „{OURS}“ mit „Gefällt mir“ markiert", f"“{OURS}” beğendi", f"Понравилось «{OURS}»",
        "Laughed at “Another shop: reply STOP to leave”", f"{OURS} What is this?", f"> {OURS}\nWhat is this?",
        "Thanks\n\nOn 3 May 2027 Shop <+39333> wrote:\nReply STOP to opt out.", "Hi Anna, spring sale. Reply ST… ok",
        "Will come\n-----Original Message-----\nReply STOP to opt out.", "Liked an image",
        "see you at 5", "stopover", "Stopovers?", "stopwatch", "it's top", "top 5", "a5", "5709", "84574",
        "👌", "👋", "🙏", "Gr8, c u 2day", "nonstop ads?", "сто", "100%",
        "I am at the shop and it is ❌ cheap today", "🇮🇹", "ok 4 me",
        f"Removed a dislike from “{OURS}”",
    ],
)  # fmt: skip
def test_anything_else_is_a_reply(text: str) -> None:
    assert MEANINGS.of(text, [OURS]) is Meaning.REPLY


@given(
    word=st.sampled_from([word for word in map(fold, dict(WORDS).values()) if word.isascii()]),
    around=st.lists(st.sampled_from(sorted(word for word in COMPANIONS if word.isascii())), max_size=6),
    place=st.integers(0, 6),
    marks=st.lists(
        st.sampled_from(["!", ".", "...", ",", " - ", "\n", "\u200b", " 🙏 ", "?!"]), min_size=8, max_size=8
    ),
    upper=st.sampled_from([str.upper, str.lower, str.title]),
)
def test_politeness_case_and_punctuation_never_hide_a_keyword(
    word: str, around: list[str], place: int, marks: list[str], upper: Callable[[str], str]
) -> None:
    around.insert(place, word)
    text = "".join(upper(part) + mark + " " for part, mark in zip(around, marks, strict=False))
    assert MEANINGS.of(text) is Meaning.STOP


@pytest.mark.parametrize(
    "text", ["\ufdfa" * 300_000, "\n" * 5_000_000, "not " * 500_000, "“" * 500_000, "1 wrote " * 100_000], ids=len
)
def test_what_is_judged_of_a_reply_is_bounded(text: str) -> None:
    began = time.process_time()
    MEANINGS.of(text, [OURS, "not not not not not not"])
    assert time.process_time() - began < 1.0
    assert MEANINGS.of("a " * (MOST_JUDGED // 2) + "STOP") is Meaning.REPLY


def test_more_words_can_be_added() -> None:
    meanings = Meanings(["R", "Nein danke"])
    assert meanings.of("r.") is Meaning.STOP
    assert meanings.of("NEIN, DANKE!") is Meaning.STOP
    assert meanings.of("R2") is Meaning.REPLY


@pytest.mark.parametrize("text", ["stop " * 20_000, "\u0301" * 100_000, "退" * 100_000, "a " * 50_000])
def test_very_long_texts_are_read_like_any_other(text: str) -> None:
    assert MEANINGS.of(text) in set(Meaning)
