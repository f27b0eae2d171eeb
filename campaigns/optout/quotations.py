"""The part of a reply that the person wrote: without quotations, a phone's signature or a phone's reactions.

Our own texts say "Reply STOP to opt out", so a reply that only quotes one means nothing. A reaction to a text comes as
a text if a phone cannot show it: `Liked “Hi Anna, ... Reply STOP to opt out.”`
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

FEWEST_QUOTED_WORDS: Final = 3
"""Fewer words in quotation marks are the person's own emphasis: «STOP»."""

FEWEST_BEGUN_WORDS: Final = 5
"""One of our texts copied without quotation marks is recognised by at least this many of its first words."""

_OPEN, _CLOSE = '“"«„‟「『‹', '”"»“」』›'
_QUOTED: Final = re.compile(rf"[{_OPEN}]([^{_OPEN}{_CLOSE}]*)[{_CLOSE}]")

_REACTED: Final = (
    # Tapbacks and the like, as phones word them in each language; then their removal.
    r"liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted\b.{0,20}\bto|"
    r"ha messo .{1,30} a|ha adorato|ha riso (?:per|di)|ha enfatizzato|ha evidenziato|ha apprezzato|"
    r"ha reagito .{0,20}\ba|mi piace|"
    r"a aimé|a adoré|n[’']a pas aimé|a ri (?:de|à)|a souligné|a mis en évidence|a réagi .{0,20}\bà|j[’']aime|"
    r"(?:no )?le gust[óa]|le encant[óa]|se ri[oó] de|enfatizó|destacó|exclamó por|preguntó por|"
    r"reaccionó .{0,20}\ba|me gusta|"
    r"(?:não )?curtiu|(?:não )?gostou de|amou|adorou|riu de|enfatizou|questionou|reagiu .{0,20}\ba|"
    r"gefällt|gefiel|liebte?|lachte? über|hob hervor|betonte|reagierte .{0,20}\bauf|hat .{0,20}reagiert auf|"
    r"vond|vindt|lachte om|moest lachen om|benadrukte|reageerde .{0,20}\bop|"
    r"gillade|älskade|ogillade|skrattade åt|betonade|ifrågasatte|reagerade .{0,20}\bpå|"
    r"likte|elsket|lo av|understreket|reagerte .{0,20}\bpå|synes godt om|elskede|grinede ad|"
    r"tykkäsi|rakasti|nauroi|polubił[ao]?|uwielbia|zaśmiał[ao]? się z|zareagował[ao]? .{0,20}\bna|"
    r"понравилось|отреагировал[а]? .{0,20}\bна|beğendi|sevdi|"
    r"(?:removed|ha rimosso|a (?:supprimé|retiré|enlevé)|quitó|eliminó|removeu|entfernte|hat entfernt|"
    r"verwijderde|tog bort|fjernet|fjernede|poisti|usunął|usunęła|удалил[а]?|kaldırdı)\b.{0,40}?"
)
_REACTION: Final = re.compile(
    rf"^[ \t]*(?:{_REACTED})[ \t]*[{_OPEN}].{{12,}}?[{_CLOSE}][^\w\n]*(?:leuk|geliked|hervorgehoben|beğendi|\Z|$)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_EMOJI_REACTION: Final = re.compile(
    rf"\A([ \t]*[^\w\s]{{1,8}}(?:[ \t]+\w{{1,3}})?)[ \t]*[{_OPEN}].{{12,}}[{_CLOSE}]\s*\Z", re.DOTALL
)

_DISLIKED: Final = re.compile(
    r"[ \t]*(?:disliked|ha messo .?non mi piace|n[’']a pas aimé|no le gust|não|ogillade)", re.IGNORECASE
)
_THUMB, _THUMB_DOWN = "\N{THUMBS UP SIGN}", "\N{THUMBS DOWN SIGN}"
"""Replaces a removed reaction: it is not a word, but still something that the person did."""

_WROTE: Final = re.compile(
    r"^(?=[^\n]*\d)[^\n]{0,200}\b(?:wrote|ha scritto|a écrit|schrieb|geschrieben|escribió|escreveu|schreef|skrev|"
    r"kirjoitti|napisał[ao]?|pisze|napsal[ao]?|írta|a scris|έγραψε|yazdı|написал[ао]?|пишет|написав|napisao)\b"
    r"[^\n]{0,80}:[ \t]*$|^[ \t]*-{2,}[^\n-]{3,40}-{2,}[ \t]*$|^--[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTING_LINE: Final = re.compile(r"^[ \t]*[>›|][^\n]*$", re.MULTILINE)
_SIGNATURE: Final = re.compile(
    r"(?:^|\s)(?:sent (?:from|via|with)|get|inviato (?:da|dal)|scarica|envoyé (?:de|depuis|avec)|télécharge[rz]|"
    r"enviado (?:desde|do|de|a)|obtener|von meinem|gesendet (?:von|mit)|verstuurd vanaf|verzonden (?:vanaf|met)|"
    r"skickat från|sendt fra|lähetetty|wysłan[eo] z|odesláno z|odoslané z|trimis de pe|küldve|отправлено (?:с|из)|"
    r"надіслано з|στάλθηκε από|gönderildi)\b[^\n]{0,40}?\b(?:i?phone|ipad|android|galaxy|samsung|huawei|xiaomi|"
    r"mobil\w*|telefon\w*|téléphone|móvil|celular\w*|cellulare|smartphone|outlook|gmail|yahoo|mail)[^\n]{0,30}$",
    re.IGNORECASE | re.MULTILINE,
)


def own_words(text: str, sent: Collection[str], fold: Callable[[str], str]) -> str:
    """Return what the person wrote. `sent` are our texts that may be quoted; `fold` makes words comparable."""
    text = _SIGNATURE.sub("", _without_quoted_lines(text))
    text = _EMOJI_REACTION.sub(r"\1", _REACTION.sub(_thumb, text))
    for ours in sent:
        text = _without(text, [key for word in ours.split() if (key := fold(word))], fold)
    return text


def _thumb(reaction: re.Match[str]) -> str:
    return _THUMB_DOWN if _DISLIKED.match(reaction[0]) else _THUMB


def _without_quoted_lines(text: str) -> str:
    """Remove lines that begin with `>`; if there are none, remove everything after "On 3 May Ann wrote:"."""
    bare = _QUOTING_LINE.sub("", text)
    if (header := _WROTE.search(bare)) is None:
        return bare
    return _WROTE.sub("", bare) if bare != text else bare[: header.start()]


def _without(text: str, ours: Sequence[str], fold: Callable[[str], str]) -> str:
    """Remove one of our texts, given as its words: any part of it in quotation marks, otherwise from its beginning."""
    if len(ours) < FEWEST_QUOTED_WORDS:
        return text

    def is_ours(quoted: re.Match[str]) -> bool:
        words = [key for word in quoted[1].split() if (key := fold(word.rstrip("….")))]
        size = len(words)
        return size >= FEWEST_QUOTED_WORDS and any(
            ours[at : at + size] == words for at in range(len(ours)) if ours[at] == words[0]
        )

    text = _QUOTED.sub(lambda quoted: " " if is_ours(quoted) else quoted[0], text)
    kept: list[str] = []
    tokens = re.findall(r"\S+|\s+", text)
    keys = [fold(token) if not token.isspace() else "" for token in tokens]
    at = 0
    while at < len(tokens):
        end = _run(keys, at, ours) if keys[at] == ours[0] else at
        kept += [" "] if end > at else [tokens[at]]
        at = max(end, at + 1)
    return "".join(kept)


def _run(keys: Sequence[str], start: int, ours: Sequence[str]) -> int:
    """Return up to where `keys` from `start` match the beginning of ours, ignoring empty ones; `start` if too few."""
    at, found, end = start, 0, start
    while at < len(keys) and found < len(ours):
        if keys[at]:
            is_cut = found >= FEWEST_BEGUN_WORDS - 1 and ours[found].startswith(keys[at])  # "opt ou…"
            if keys[at] != ours[found] and not is_cut:
                break
            found, end = found + 1, at + 1
        at += 1
    return end if found >= min(FEWEST_BEGUN_WORDS, len(ours)) else start
