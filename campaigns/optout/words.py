"""The words with which people opt out, come back and ask for help, by language: a table to be extended.

Sources, for facts alone:

- CTIA, Messaging Principles and Best Practices (2023), 5.1.3: STOP, END, CANCEL, UNSUBSCRIBE, QUIT, whatever the case
  and the punctuation; HELP. Carriers of the USA and Canada act on these themselves, before a phone of ours sees them.
- FCC, 47 CFR 64.1200(a)(10) (2025): stop, quit, end, revoke, opt out, cancel and unsubscribe are enough by themselves;
  other words count where a reasonable person understands them. Hence the list for review.
- docs.aws.amazon.com, "Required opt-out keywords": ARRET, CANCEL, END, OPT-OUT, OPTOUT, QUIT, REMOVE, STOP, TD,
  UNSUBSCRIBE. help.twilio.com 223134027: also STOPALL, REVOKE; START, UNSTOP and YES to come back; HELP and INFO.
- Habits of countries: STOP in France (CNIL), BAJA in Spain, SAIR in Brazil, RET in Turkey, TC in Vietnam (decree
  91/2020), TD in China, 수신거부 in Korea (network act, article 50), הסר in Israel (communications law, 30A).
- The rest are the plain words of each language for "stop" and "unsubscribe me", as its speakers write them.

Where lists are at odds: YES ends an opt-out at carriers of the USA, but here it answers "reply YES to confirm", so it
is a reply. ARRET and ARRÊT are one, for marks are folded. What says something else in another language is left out
(FIN is "end" in Spanish and "nice" in Swedish; RED is "refuse" in Turkish, and a colour; the Vietnamese without marks
for "stop" is that for "right"); so are single letters (R, T, N): `CAMPAIGNS_STOP_WORDS` adds what a text promises.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """Of one language. `stop`: also a sign within a sentence; `alone`: an everyday word, a stop only by itself.

    `near`: parts of a sentence that somebody should read. `start` ends an opt-out; `help` asks for help.
    """

    stop: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    help: tuple[str, ...] = ()


LANGUAGES: Final[Mapping[str, Words]] = {
    "en": Words(
        ("stop", "stop all", "stopall", "unsubscribe", "unsub", "opt out", "optout", "revoke", "remove me"),
        ("end", "quit", "cancel", "remove"),
        (
            "do not text",
            "dont text",
            "don t text",
            "do not message",
            "don t message",
            "no more",
            "take me off",
            "leave me alone",
            "go away",
            "fuck off",
            "piss off",
            "not interested",
            "wrong number",
            "do not contact",
            "don t contact",
            "stopp",
            "delete my number",
            "remove my number",
            "lose my number",
            "quit texting",
            "unsubcribe",
            "unsuscribe",
            "do not want",
            "don t want",
            "dont want",
        ),
        ("start", "unstop", "resubscribe", "opt in", "optin"),
        ("help", "info"),
    ),
    "it": Words(
        ("stop", "disiscrivi", "disiscrivimi", "disdici", "disdetta", "cancellami", "cancellatemi", "rimuovimi"),
        ("basta", "annulla", "rimuovi"),
        (
            "non voglio",
            "non scrivetemi",
            "non scrivermi",
            "non inviatemi",
            "non mandatemi",
            "basta messaggi",
            "basta sms",
            "smettetela",
            "smettila",
            "toglietemi",
            "toglimi",
            "non mi interessa",
            "numero sbagliato",
            "lasciatemi in pace",
        ),
        ("riattiva", "riprendi"),
        ("aiuto",),
    ),
    "fr": Words(
        ("stop", "arret", "arreter", "arretez", "desabonner", "desabonnement", "desinscription", "desinscrire"),
        ("supprimer", "annuler", "retirer"),
        (
            "ne plus recevoir",
            "plus de sms",
            "plus de message",
            "plus de messages",
            "ne veux plus",
            "pas interesse",
            "pas interessee",
            "laissez moi tranquille",
            "retirez moi",
            "supprimez mon numero",
            "mauvais numero",
            "n envoyez plus",
        ),
        ("reprendre", "reabonner"),
        ("aide",),
    ),
    "es": Words(
        ("stop", "baja", "cancelar suscripcion", "darme de baja", "desuscribir", "desuscribirme"),
        ("alto", "cancelar", "detener", "parar", "salir"),
        (
            "dar de baja",
            "darse de baja",
            "deme de baja",
            "denme de baja",
            "no quiero",
            "no me envien",
            "no me envies",
            "no me escriban",
            "no me manden",
            "no mas mensajes",
            "dejen de",
            "deja de enviar",
            "no me interesa",
            "numero equivocado",
            "borren mi numero",
        ),
        ("alta", "reanudar"),
        ("ayuda",),
    ),
    "pt": Words(
        ("stop", "sair", "descadastrar", "cancelar inscricao", "desinscrever"),
        ("pare", "parar", "cancelar", "remover"),
        (
            "nao quero",
            "pare de",
            "parem de",
            "nao me mande",
            "nao me mandem",
            "nao me envie",
            "nao me enviem",
            "chega de",
            "remova meu numero",
            "numero errado",
            "nao tenho interesse",
            "me tire",
        ),
        ("voltar", "reativar"),
        ("ajuda",),
    ),
    "de": Words(
        ("stop", "stopp", "stoppen", "abmelden", "abmeldung", "abbestellen", "austragen"),
        ("ende", "kundigen", "kuendigen", "beenden", "halt"),
        (
            "keine sms",
            "keine nachrichten",
            "keine werbung",
            "nicht mehr",
            "loschen sie",
            "loeschen sie",
            "kein interesse",
            "lassen sie mich in ruhe",
            "falsche nummer",
            "melden sie mich ab",
            "aufhoren",
            "aufhoeren",
        ),
        ("anmelden", "fortsetzen"),
        ("hilfe",),
    ),
    "nl": Words(
        ("stop", "stoppen", "afmelden", "uitschrijven"),
        ("annuleren", "einde"),
        (
            "geen sms",
            "geen berichten",
            "niet meer",
            "geen interesse",
            "verkeerd nummer",
            "laat me met rust",
            "schrijf me uit",
        ),
        ("aanmelden", "hervatten"),
        ("hulp",),
    ),
    "sv": Words(
        ("stop", "stopp", "avregistrera", "avprenumerera", "avanmal", "avsluta"),
        ("avbryt",),
        ("vill inte", "inga fler", "sluta skicka", "sluta", "fel nummer", "inte intresserad", "ta bort mig"),
        ("ateruppta",),
        ("hjalp",),
    ),
    "nb": Words(
        ("stop", "stopp", "avmeld", "meld av", "avslutt"),
        ("avbryt",),
        ("vil ikke", "ikke flere", "slutt a sende", "slutt", "feil nummer", "ikke interessert", "fjern meg"),
        ("gjenoppta",),
        ("hjelp",),
    ),
    "da": Words(
        ("stop", "afmeld", "frameld", "stop sms"),
        ("annuller",),
        ("vil ikke", "ikke flere", "hold op", "forkert nummer", "ikke interesseret", "fjern mig"),
        ("genoptag",),
        ("hjaelp",),
    ),
    "fi": Words(
        ("stop", "seis", "lopeta", "peruuta tilaus", "poista minut"),
        ("peruuta", "poista"),
        ("en halua", "ala laheta", "alkaa lahettako", "vaara numero", "ei enaa", "ei kiinnosta"),
        ("jatka",),
        ("apua", "ohje"),
    ),
    "is": Words(("stopp", "afskra", "haetta"), near=("vil ekki", "rangt numer")),
    "pl": Words(
        ("stop", "wypisz", "wypisz mnie", "rezygnuje", "rezygnacja"),
        ("koniec", "anuluj", "usun"),
        (
            "nie chce",
            "prosze nie",
            "przestancie",
            "nie wysylajcie",
            "nie pisac",
            "zly numer",
            "nie interesuje",
            "usuncie",
        ),
        ("wznow",),
        ("pomoc",),
    ),
    "cs": Words(
        ("stop", "odhlasit", "odhlasit se", "odhlaste me"),
        ("zrusit", "konec"),
        ("nechci", "neposilejte", "prestante", "spatne cislo", "nemam zajem", "vymazte"),
        ("obnovit",),
        ("pomoc", "napoveda"),
    ),
    "sk": Words(
        ("stop", "odhlasit", "odhlasit sa", "odhlaste ma"),
        ("zrusit", "koniec"),
        ("nechcem", "neposielajte", "prestante", "zle cislo", "nemam zaujem"),
        ("obnovit",),
        ("pomoc",),
    ),
    "hu": Words(
        ("stop", "leiratkozas", "leiratkozom", "leiratkozni", "leallitas"),
        ("elegem van", "megallj"),
        ("nem kerek", "ne kuldjenek", "ne kuldjon", "nem akarok", "rossz szam", "nem erdekel", "toroljenek"),
        ("ujraindit",),
        ("segitseg",),
    ),
    "ro": Words(
        ("stop", "dezabonare", "dezabonez", "dezabonati"),
        ("opreste", "anulare", "renunt"),
        ("nu mai vreau", "nu mai trimiteti", "nu doresc", "numar gresit", "nu ma intereseaza", "stergeti"),
        ("reluare",),
        ("ajutor",),
    ),
    "bg": Words(
        ("стоп", "отписване", "отпиши", "отпишете", "отпиши ме"),
        ("край", "отказ", "спри"),
        ("не искам", "не ми пращайте", "спрете", "грешен номер", "не ме интересува"),
        ("старт",),
        ("помощ",),
    ),
    "hr": Words(  # and Bosnian, Serbian in Latin letters
        ("stop", "odjava", "odjavi", "odjavi me", "odjavite me"),
        ("prekini", "kraj", "otkazi"),
        ("ne zelim", "prestanite", "ne saljite", "necu", "pogresan broj", "ne zanima me"),
        ("nastavi",),
        ("pomoc",),
    ),
    "sr": Words(
        ("стоп", "одјава", "одјави", "одјавите ме"),
        ("прекини", "крај"),
        ("не желим", "престаните", "не шаљите", "погрешан број"),
        ("старт", "настави"),
        ("помоћ",),
    ),
    "sl": Words(("stop", "odjava", "odjavi", "odjavite me"), ("prekini",), ("ne zelim", "nehajte", "ne posiljajte")),
    "el": Words(
        ("στοπ", "διακοπη", "διαγραφη", "απεγγραφη", "ακυρωση συνδρομης"),
        ("τελος", "ακυρωση"),
        ("δεν θελω", "μη στελνετε", "μην στελνετε", "σταματα", "σταματηστε", "λαθος αριθμος", "δεν ενδιαφερομαι"),
        ("εναρξη",),
        ("βοηθεια",),
    ),
    "tr": Words(
        ("stop", "ret", "iptal", "cik", "abonelikten cik", "durdur"),
        ("dur", "cikis"),
        ("istemiyorum", "gondermeyin", "mesaj atmayin", "yanlis numara", "ilgilenmiyorum", "rahatsiz etmeyin"),
        ("basla",),
        ("yardim",),
    ),
    "ru": Words(
        ("стоп", "отписаться", "отписка", "отпишите", "отпишите меня", "отписать"),
        ("отмена", "хватит", "удалить"),
        (
            "не хочу",
            "не пишите",
            "не присылайте",
            "не надо",
            "больше не",
            "хватит",
            "удалите",
            "прекратите",
            "ошиблись номером",
            "не интересует",
            "не беспокойте",
        ),
        ("старт", "возобновить"),
        ("помощь",),
    ),
    "uk": Words(
        ("стоп", "відписатися", "відписатись", "відписка", "відпишіть", "відпишіть мене"),
        ("скасувати", "досить", "видалити"),
        ("не хочу", "не пишіть", "не надсилайте", "більше не", "припиніть", "помилились номером", "не цікавить"),
        ("старт", "відновити"),
        ("допомога",),
    ),
    "lt": Words(
        ("stop", "atsisakau", "atsisakyti", "atsijungti"),
        (),
        ("nenoriu", "nesiuskite", "neberasykite"),
        help=("pagalba",),
    ),
    "lv": Words(
        ("stop", "atteikties", "atrakstities", "atteikt"), (), ("nevelos", "nesutiet", "beidziet"), help=("palidziba",)
    ),
    "et": Words(
        ("stop", "stopp", "loobu", "loobun", "lopeta"), (), ("ei soovi", "arge saatke", "vale number"), help=("abi",)
    ),
    "ca": Words(("stop", "baixa", "donar de baixa"), ("atura",), ("no vull", "no m envieu", "deixeu de")),
    "eu": Words(("stop", "baja eman", "gelditu"), (), ("ez dut nahi",)),
    "sq": Words(("stop", "cregjistrohu", "ndalo"), (), ("nuk dua", "mos dergoni")),
    "mk": Words(("стоп", "одјава", "отпиши"), (), ("не сакам", "не праќајте")),
    "ar": Words(
        ("توقف", "ايقاف", "وقف", "قف", "الغاء الاشتراك", "الغاء", "ستوب"),
        ("كفى",),
        ("لا اريد", "لا ترسل", "لا ترسلوا", "اوقفوا", "الرقم خطا", "رقم خطا", "لا تراسلني", "احذفوا رقمي"),
        ("اشتراك", "استئناف"),
        ("مساعده", "مساعدة"),
    ),
    "he": Words(
        ("הסר", "הסרה", "להסרה", "הסירו אותי", "תסירו אותי", "סטופ"),
        ("עצור", "הפסק", "ביטול", "די"),
        ("לא רוצה", "לא לשלוח", "תפסיקו", "תורידו אותי", "לא מעוניין", "לא מעוניינת", "טעות במספר"),
        ("הצטרף",),
        ("עזרה",),
    ),
    "fa": Words(
        ("لغو", "لغو اشتراک", "لغو عضویت", "توقف", "لغو11", "استاپ"),
        ("قطع",),
        ("نمیخواهم", "نمی خواهم", "نمیخوام", "نفرستید", "پیام ندهید", "اشتباه گرفته"),
        ("شروع",),
        ("راهنما", "کمک"),
    ),
    "ur": Words(("بند کریں", "روکیں", "سٹاپ"), ("بند",), ("نہیں چاہیے", "مت بھیجیں", "غلط نمبر"), help=("مدد",)),
    "hi": Words(
        ("रोकें", "रोको", "बंद करो", "बंद करें", "स्टॉप", "सदस्यता समाप्त"),
        ("बंद", "बस"),
        ("नहीं चाहिए", "मत भेजो", "मत भेजें", "गलत नंबर", "बंद कर दो"),
        ("शुरू", "चालू करें"),
        ("मदद", "सहायता"),
    ),
    "bn": Words(("বন্ধ", "বন্ধ করুন", "স্টপ"), ("থামুন",), ("চাই না", "পাঠাবেন না", "ভুল নম্বর"), help=("সাহায্য",)),
    "ta": Words(("நிறுத்து", "நிறுத்தவும்", "ஸ்டாப்"), (), ("வேண்டாம்", "அனுப்ப வேண்டாம்"), help=("உதவி",)),
    "th": Words(
        ("หยุด", "ยกเลิก", "เลิกรับ", "ยกเลิกการรับข้อความ", "สต็อป"),
        ("พอ",),
        ("ไม่ต้องการ", "ไม่อยากรับ", "อย่าส่ง", "เลิกส่ง", "ผิดเบอร์"),
        ("เริ่ม",),
        ("ช่วยเหลือ",),
    ),
    "vi": Words(
        ("stop", "tc", "tu choi", "huy", "huy dang ky", "ngung"),
        ("thoi",),
        ("khong muon nhan", "dung gui", "dung nhan tin", "khong nhan", "nham so", "khong quan tam"),
        ("dang ky lai",),
        ("tro giup",),
    ),
    "id": Words(  # and Malay
        ("stop", "berhenti", "unreg", "berhenti langganan", "henti"),
        ("batal", "keluar"),
        ("jangan kirim", "jangan hantar", "tidak mau", "tak nak", "salah nomor", "salah nombor", "tidak tertarik"),
        ("mulai", "mula"),
        ("bantuan",),
    ),
    "tl": Words(
        ("stop", "itigil", "tigil", "hinto"), (), ("ayaw ko", "huwag na", "tama na", "wrong number"), help=("tulong",)
    ),
    "sw": Words(("stop", "sitisha", "simamisha", "ondoa"), (), ("sitaki", "msitume", "acheni"), help=("msaada",)),
    "af": Words(("stop", "staak", "teken uit"), (), ("wil nie", "moenie"), help=("hulp",)),
    "zh": Words(
        ("退订", "退訂", "取消订阅", "取消訂閱", "停止", "拒收", "td", "停止发送", "停止發送"),
        ("取消", "停"),
        (
            "不要再发",
            "不要再發",
            "别再发",
            "別再發",
            "不想收",
            "不要发",
            "不要發",
            "别发",
            "別發",
            "打错",
            "打錯",
            "骚扰",
            "騷擾",
        ),
        ("订阅", "訂閱", "恢复", "恢復"),
        ("帮助", "幫助"),
    ),
    "ja": Words(
        ("停止", "配信停止", "配信停止希望", "ストップ", "登録解除", "受信拒否"),
        ("解除", "中止", "やめて", "止めて"),
        (
            "送らないで",
            "送るな",
            "いりません",
            "要りません",
            "やめてください",
            "止めてください",
            "番号違い",
            "不要です",
            "停止して",
        ),
        ("再開", "配信再開"),
        ("ヘルプ",),
    ),
    "ko": Words(
        ("수신거부", "수신 거부", "거부", "중지", "수신중지", "스톱", "해지"),
        ("그만", "취소", "정지"),
        ("보내지 마", "보내지마", "받고 싶지 않", "안 받", "원하지 않", "잘못 보내", "그만 보내"),
        ("수신동의", "수신 동의", "재개"),
        ("도움말", "도움"),
    ),
}
"""By ISO 639-1 code, as people write them: case, marks, width and punctuation are folded before comparing."""

COMPANIONS: Final = frozenset(
    {
        "sms",
        "mms",
        "text",
        "texts",
        "txt",
        "msg",
        "msgs",
        "message",
        "messages",
        "all",
        "now",
        "please",
        "pls",
        "pub",
        "promo",
        "thanks",
        "thx",
        "messaggi",
        "nachrichten",
        "mensajes",
        "berichten",
        "grazie",
        "merci",
        "danke",
        "bitte",
        "gracias",
        "obrigado",
        "пожалуйста",
    }
)
"""Words that change nothing beside a keyword: "STOP SMS", "stop please"."""
