"""The words with which people opt out, opt back in and ask for help, by language. The table can be extended.

Sources, used for facts only:

- CTIA, Messaging Principles and Best Practices (2023), 5.1.3: STOP, END, CANCEL, UNSUBSCRIBE, QUIT, whatever the case
  and the punctuation; HELP. Carriers in the USA and Canada act on these themselves, before one of our phones sees them.
- FCC, 47 CFR 64.1200(a)(10) (2025): stop, quit, end, revoke, opt out, cancel and unsubscribe are enough by themselves;
  other words count if a reasonable person understands them. Hence the list for review.
- docs.aws.amazon.com, "Required opt-out keywords": ARRET, CANCEL, END, OPT-OUT, OPTOUT, QUIT, REMOVE, STOP, TD,
  UNSUBSCRIBE. help.twilio.com 223134027: also STOPALL, REVOKE; START, UNSTOP and YES to come back; HELP and INFO.
- Habits of countries: STOP in France (CNIL), BAJA in Spain, SAIR in Brazil, RET in Turkey, TC in Vietnam (decree
  91/2020), TD in China, 수신거부 in Korea (network act, article 50), הסר in Israel (communications law, 30A).
- The rest are the plain words of each language for "stop" and "unsubscribe me", as its speakers write them.

Where the lists disagree: YES ends an opt-out at carriers in the USA, but here it answers "reply YES to confirm", so it
is a reply. ARRET and ARRÊT are the same, because marks are folded. Words that mean something else in another language
are left out (FIN is "end" in Spanish and "nice" in Swedish; RED is "refuse" in Turkish, and a colour; the Vietnamese
for "stop" without marks is the word for "right"). So are single letters (R, T, N). `CAMPAIGNS_STOP_WORDS` adds the
words that a text promises.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a language. `stop`: also a sign within a sentence. `alone`: an everyday word, a stop only by itself.

    `start` ends an opt-out; `help` asks for help.
    """

    stop: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    help: tuple[str, ...] = ()


LANGUAGES: Final[Mapping[str, Words]] = {
    "en": Words(
        (
            "stop",
            "stop all",
            "stopall",
            "unsubscribe",
            "unsub",
            "opt out",
            "optout",
            "opt me out",
            "revoke",
            "remove me",
        ),
        ("end", "quit", "cancel", "remove"),
        ("start", "unstop", "resubscribe", "opt in", "optin"),
        ("help", "info"),
    ),
    "it": Words(
        (
            "stop",
            "disiscrivi",
            "disiscrivimi",
            "disdici",
            "disdetta",
            "cancellami",
            "cancellatemi",
            "rimuovimi",
            "disiscrizione",
            "disiscrivetemi",
        ),
        ("basta", "basta cosi", "annulla", "annullare", "cancella", "cancellare", "rimuovi"),
        ("riattiva", "riprendi"),
        ("aiuto",),
    ),
    "fr": Words(
        (
            "stop",
            "arret",
            "arrete",
            "arreter",
            "arretez",
            "desabonner",
            "desabonnement",
            "desinscription",
            "desinscrire",
        ),
        ("supprimer", "annuler", "retirer", "ca suffit"),
        ("reprendre", "reabonner"),
        ("aide",),
    ),
    "es": Words(
        ("stop", "baja", "cancelar suscripcion", "darme de baja", "desuscribir", "desuscribirme", "desuscripcion"),
        ("alto", "cancelar", "detener", "parar", "salir", "basta ya", "ya basta"),
        ("alta", "reanudar"),
        ("ayuda",),
    ),
    "pt": Words(
        ("stop", "sair", "descadastrar", "cancelar inscricao", "desinscrever", "desinscricao"),
        ("pare", "parar", "cancelar", "remover"),
        ("voltar", "reativar"),
        ("ajuda",),
    ),
    "de": Words(
        ("stop", "stopp", "stoppen", "abmelden", "abmeldung", "abbestellen", "austragen"),
        ("ende", "kundigen", "kuendigen", "beenden", "halt"),
        ("anmelden", "fortsetzen"),
        ("hilfe",),
    ),
    "nl": Words(
        ("stop", "stoppen", "afmelden", "uitschrijven"), ("annuleren", "einde"), ("aanmelden", "hervatten"), ("hulp",)
    ),
    "sv": Words(
        ("stop", "stopp", "avregistrera", "avprenumerera", "avanmal", "avsluta"),
        ("avbryt",),
        ("ateruppta",),
        ("hjalp",),
    ),
    "nb": Words(("stop", "stopp", "avmeld", "meld av", "avslutt"), ("avbryt",), ("gjenoppta",), ("hjelp",)),
    "da": Words(("stop", "afmeld", "frameld", "stop sms"), ("annuller",), ("genoptag",), ("hjaelp",)),
    "fi": Words(
        ("stop", "seis", "lopeta", "peruuta tilaus", "poista minut"),
        ("peruuta", "poista"),
        ("jatka",),
        ("apua", "ohje"),
    ),
    "is": Words(("stopp", "afskra", "haetta")),
    "pl": Words(
        ("stop", "wypisz", "wypisz mnie", "rezygnuje", "rezygnacja"),
        ("koniec", "anuluj", "usun"),
        ("wznow",),
        ("pomoc",),
    ),
    "cs": Words(
        ("stop", "odhlasit", "odhlasit se", "odhlaste me"), ("zrusit", "konec"), ("obnovit",), ("pomoc", "napoveda")
    ),
    "sk": Words(("stop", "odhlasit", "odhlasit sa", "odhlaste ma"), ("zrusit", "koniec"), ("obnovit",), ("pomoc",)),
    "hu": Words(
        ("stop", "leiratkozas", "leiratkozom", "leiratkozni", "leallitas"),
        ("elegem van", "megallj"),
        ("ujraindit",),
        ("segitseg",),
    ),
    "ro": Words(
        ("stop", "dezabonare", "dezabonez", "dezabonati"), ("opreste", "anulare", "renunt"), ("reluare",), ("ajutor",)
    ),
    "bg": Words(
        ("стоп", "отписване", "отпиши", "отпишете", "отпиши ме"), ("край", "отказ", "спри"), ("старт",), ("помощ",)
    ),
    "hr": Words(
        ("stop", "odjava", "odjavi", "odjavi me", "odjavite me"),
        ("prekini", "kraj", "otkazi"),
        ("nastavi",),
        ("pomoc",),
    ),
    "sr": Words(("стоп", "одјава", "одјави", "одјавите ме"), ("прекини", "крај"), ("старт", "настави"), ("помоћ",)),
    "sl": Words(("stop", "odjava", "odjavi", "odjavite me"), ("prekini",)),
    "el": Words(
        ("στοπ", "διακοπη", "διαγραφη", "απεγγραφη", "ακυρωση συνδρομης"),
        ("τελος", "ακυρωση"),
        ("εναρξη",),
        ("βοηθεια",),
    ),
    "tr": Words(
        ("stop", "ret", "iptal", "cik", "abonelikten cik", "durdur"), ("dur", "cikis"), ("basla",), ("yardim",)
    ),
    "ru": Words(
        ("стоп", "отписаться", "отписка", "отпишите", "отпишите меня", "отписать"),
        ("отмена", "хватит", "удалить"),
        ("старт", "возобновить"),
        ("помощь",),
    ),
    "uk": Words(
        ("стоп", "відписатися", "відписатись", "відписка", "відпишіть", "відпишіть мене"),
        ("скасувати", "досить", "видалити"),
        ("старт", "відновити"),
        ("допомога",),
    ),
    "lt": Words(("stop", "atsisakau", "atsisakyti", "atsijungti"), (), help=("pagalba",)),
    "lv": Words(("stop", "atteikties", "atrakstities", "atteikt"), (), help=("palidziba",)),
    "et": Words(("stop", "stopp", "loobu", "loobun", "lopeta"), (), help=("abi",)),
    "ca": Words(("stop", "baixa", "donar de baixa"), ("atura",)),
    "eu": Words(("stop", "baja eman", "gelditu"), ()),
    "sq": Words(("stop", "cregjistrohu", "ndalo"), ()),
    "mk": Words(("стоп", "одјава", "отпиши"), ()),
    "ar": Words(
        ("توقف", "ايقاف", "وقف", "قف", "الغاء الاشتراك", "الغاء", "ستوب"),
        ("كفى",),
        ("اشتراك", "استئناف"),
        ("مساعده", "مساعدة"),
    ),
    "he": Words(
        ("הסר", "הסרה", "להסרה", "הסירו אותי", "תסירו אותי", "סטופ"),
        ("עצור", "הפסק", "ביטול", "די"),
        ("הצטרף",),
        ("עזרה",),
    ),
    "fa": Words(("لغو", "لغو اشتراک", "لغو عضویت", "توقف", "لغو11", "استاپ"), ("قطع",), ("شروع",), ("راهنما", "کمک")),
    "ur": Words(("بند کریں", "روکیں", "سٹاپ"), ("بند",), help=("مدد",)),
    "hi": Words(
        ("रोकें", "रोको", "बंद करो", "बंद करें", "स्टॉप", "सदस्यता समाप्त"), ("बंद", "बस"), ("शुरू", "चालू करें"), ("मदद", "सहायता")
    ),
    "bn": Words(("বন্ধ", "বন্ধ করুন", "স্টপ"), ("থামুন",), help=("সাহায্য",)),
    "ta": Words(("நிறுத்து", "நிறுத்தவும்", "ஸ்டாப்"), (), help=("உதவி",)),
    "th": Words(("หยุด", "ยกเลิก", "เลิกรับ", "ยกเลิกการรับข้อความ", "สต็อป"), ("พอ",), ("เริ่ม",), ("ช่วยเหลือ",)),
    "vi": Words(("stop", "tc", "tu choi", "huy", "huy dang ky", "ngung"), ("thoi",), ("dang ky lai",), ("tro giup",)),
    "id": Words(
        ("stop", "berhenti", "unreg", "berhenti langganan", "henti"),
        ("batal", "keluar"),
        ("mulai", "mula"),
        ("bantuan",),
    ),
    "tl": Words(("stop", "itigil", "tigil", "hinto"), (), help=("tulong",)),
    "sw": Words(("stop", "sitisha", "simamisha", "ondoa"), (), help=("msaada",)),
    "af": Words(("stop", "staak", "teken uit"), (), help=("hulp",)),
    "zh": Words(
        ("退订", "退訂", "取消订阅", "取消訂閱", "停止", "拒收", "td", "停止发送", "停止發送"),
        ("取消", "停"),
        ("订阅", "訂閱", "恢复", "恢復"),
        ("帮助", "幫助"),
    ),
    "ja": Words(
        ("停止", "配信停止", "配信停止希望", "ストップ", "登録解除", "受信拒否"),
        ("解除", "中止", "やめて", "止めて"),
        ("再開", "配信再開"),
        ("ヘルプ",),
    ),
    "ko": Words(
        ("수신거부", "수신 거부", "거부", "중지", "수신중지", "스톱", "해지"),
        ("그만", "취소", "정지"),
        ("수신동의", "수신 동의", "재개"),
        ("도움말", "도움"),
    ),
}
"""By ISO 639-1 code, as people write them: case, marks, width and punctuation are folded before comparing."""

_COMPANIONS: Final = (
    # what is sent
    "sms mms text texts txt txts msg msgs message messages messaging texting all now pub promo ads spam messaggi "
    "marketing advertising adverts promotions promos pubblicita promozioni publicite publicidad publicidade werbung "
    "reclame reklam reklama "
    "nachrichten mensajes mensagens berichten meddelanden viestit wiadomosci zpravy "
    # please and thanks
    "please pls plz plse thanks thx thank you ty cheers kindly me grazie gentilmente favore per merci svp plait te "
    "vous s il danke bitte gracias porfavor favor por obrigado obrigada bedankt dank je u alstublieft alsjeblieft "
    "aub graag tack snalla takk vaer vennlig venligst tak kiitos prosze dziekuje dzieki dekuji prosim dakujem "
    "koszonom kerem multumesc rog va hvala molim ευχαριστω παρακαλω tesekkurler lutfen спасибо пожалуйста дякую "
    "прошу благодаря моля شكرا رجاء תודה בבקשה "
    # what people begin with, and greetings
    "ok okay okey just "
    "hi hello hey dear sir madam regards best hallo hei hej moin guten tag morgen abend ciao salve buongiorno "
    "buonasera bonjour bonsoir salut cordialement madame monsieur hola buenos dias buenas tardes saludos ola oi bom "
    "dia boa tarde goedendag groeten gruss grusse mfg dzien dobry ahoj dobry den szia buna merhaba привет "
    "здравствуйте привіт здравейте здраво من فضلك لو سمحت مرحبا السلام عليكم שלום خواهش لطفا سلام कृपया धन्यवाद "
    # where spaces do not separate words, these are removed anywhere
    "谢谢 謝謝 请 請 麻烦 麻煩 您好 你好 お願いします お願い致します ください よろしく ありがとう 부탁드립니다 "
    "부탁합니다 해주세요 감사합니다 안녕하세요 กรุณา ขอบคุณ ครับ ค่ะ สวัสดี "
)

COMPANIONS: Final = frozenset(_COMPANIONS.split())
"""Words that do not change the meaning of a keyword: "STOP SMS", "Hallo, bitte STOP", "Stop texting me. Thank you"."""
