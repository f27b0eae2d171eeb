"""Signs of a refusal within a sentence, by language: stems and short patterns. A person reads what they match.

A pattern is a sequence of words. `send-` is a stem: any word that begins with it. `text/sms` are alternatives; `don_t`
in them is two words. `...` is up to `GAP` words in between: "not ... send-" matches "do not ever send". No pattern
reaches across a comma or the end of a sentence: "No, send it" refuses nothing. Marks, case and width are folded on both
sides. Thai, Chinese, Japanese and Korean are found anywhere, because spaces do not separate their words.

Written from the grammar of each language: a negation with a verb of sending, writing, wanting or being interested;
verbs of removing and deleting with their objects; "enough", "wrong number", "leave me alone".
"""

from collections.abc import Mapping
from typing import Final

GAP: Final = 3
"""How many words `...` in a pattern may match at most."""

REFUSALS: Final[Mapping[str, str]] = {
    "en": "not/dont/don_t/never/no/quit/cease ... text-/send-/sms/messag-/contact-/writ-/spam-/bother-/email-/want-, "
    "not/dont/don_t/never ... wish-/interest-/subscri-/disturb-/call-/consent-, no more, no longer ... "
    "interest-/wish-, take/get/keep me/us/this/my_number/my_name off/out, opt-/opting ... out, optout, unsub-, "
    "unsuscri-, unwanted, remov-/delet-/eras-/drop/lose/forget/strike me/us/my, remov-/delet-/eras- ... "
    "number/list/contact-/data/details, end/cancel/terminate/discontinue ... "
    "subscription/messages/texts/service/alerts, revok-/withdraw- ... consent, leave me/us alone, go away, "
    "fuck/piss/sod/bugger off, fuck you, get lost, shut up, enough ... text-/messag-/already, wrong "
    "number/person, spam-, harass-, unsolicited, block- ... you/number, hate ... these/messag-/texts, stopp, "
    "pack it in",
    "it": "non ... "
    "vogli-/vorre-/scriv-/invi-/mand-/contatt-/disturb-/ricever-/interess-/sped-/chiam-/desider-/gradi-/romp-, "
    "niente/nessun-/mai/piu/stop ... messagg-/sms/pubblicit-/promozion-, mai piu, non ... autorizz-/acconsent-, "
    "basta ... messagg-/sms/scriv-/mandar-/inviar-/spam/pubblicit-/cosi/davvero/per_favore, smett-, "
    "piantat-/piantal-, finitel-, rimuov-, rimozione, toglietemi/toglimi/toglieteci/togliermi, "
    "togli-/elimin-/cancell- ... numero/list-/dati/mi, eliminami/eliminatemi/eliminarmi, "
    "cancellam-/cancellatem-/cancellarm-, disiscri-, deiscri-, disabbon-, disattiva-, annull- ... "
    "iscrizion-/abbonament-/serviz-, lasciatemi/lasciami/lasciateci ... pace/stare, numero/persona sbagliat-, "
    "sbaglia- ... numero/persona, chi ... dato ... numero, spam-, revoc- ... consenso, garante, fanculo, "
    "vaffanculo",
    "fr": "ne/n/pas/plus/jamais ... "
    "envo-/ecri-/recevoir/recev-/contact-/veux/voulons/souhait-/desir-/derang-/interess-, "
    "plus/aucun/aucune/assez/marre/stop ... sms/messag-/pub/publicite-/texto-, desabonn-, desinscri-, "
    "desengag-, resili-, supprim-/retir-/enlev-/effac-/rayez/otez ... "
    "moi/numero/liste/contact-/coordonnees/donnees/fichier-, me/m/nous "
    "retir-/supprim-/enlev-/effac-/rayer/desabon-, laissez/laisse ... tranquille/tranquilles/paix, ca suffit, "
    "foutez/fichez/foutre ... paix, mauvais/faux numero, erreur de numero/destinataire, trompe- de "
    "numero/personne, spam-, harcel-, cnil, rgpd, cess- ... envo-/ecri-/contact-/messag-/sms, ras le bol",
    "es": "no/nunca/ni/jamas/tampoco ... "
    "envi-/mand-/escrib-/quier-/quisier-/dese-/recib-/molest-/interes-/contact-/llam-, no mas, ya no ... "
    "quier-/envi-/mand-/dese-, basta/nada ... mensaj-/sms/publicidad/ya, ya basta, dar-/dame/deme/denme ... "
    "baja, dej-/deje-/dejen ... enviar-/mandar-/molestar-/escribir-/paz/tranquil-, dejen/deja/deje de, "
    "elimin-/borr-/quit-/sac-/suprim-/remuev- ... numero/lista/contacto/datos/mi/me, "
    "eliminen-/eliminam-/eliminem-, borrenm-/borram-/borrem-, quitenm-/quitam-/quitem-, "
    "saquenm-/sacam-/saquem-, desuscri-, dessuscri-, desapunt-, cancel- ... "
    "suscripcion/mensajes/envios/servicio, numero/persona equivocad-, equivoc- ... numero/persona, spam-, "
    "acoso, paren/pare ... mensaj-/sms/enviar-",
    "pt": "nao/nunca/jamais/nem ... "
    "quer-/mand-/envi-/receb-/escrev-/interess-/perturb-/incomod-/desej-/contat-/gostaria, "
    "chega/pare/parem/para/parar de/com/ja, basta ... mensage-/sms/ja, chega ... mensage-/sms, sem mais "
    "mensage-, remov-/exclu-/apag-/tir-/retir-/delet- ... numero/lista/contato/cadastro/dados/me, me "
    "remov-/tir-/retir-/exclu-/apag-/delet-, descadastr-, desinscre-, desinscri-, desinscrev-, cancel- ... "
    "inscricao/assinatura/envio-/mensage-, numero/pessoa errad-, engan- ... numero/pessoa, foi engano, deix- "
    "... paz, spam-, golpe, nao ... autoriz-",
    "de": "nicht/keine-/kein/nie/nix ... "
    "schreib-/schick-/send-/kontaktier-/interess-/mehr/sms/nachricht-/werbung/wunsch-, nicht/keine-/kein ... "
    "erhalt-/bekomm-/belastig-/belaestig-/stor-/anruf-/einverstanden/gewunscht, "
    "will/mochte/moechte/wollen/wunsche ... nicht-/keine-/nix, losch-, loesch-, geloscht, geloescht, abmeld-, "
    "abgemeldet, abbestell-, austrag-, ausgetragen, kundig-, kuendig-, widerruf-, widersprech-, widerspruch, "
    "meld- ... ab, trag-/streich-/bestell- ... aus/ab/liste/verteiler, entfern-/nehm-/nimm ... "
    "nummer/liste/mich/verteiler/daten/raus, aufhor-, aufhoer-, hor-/hoer- ... auf, lass-/lasst ... ruhe, "
    "falsche- nummer/person, verwahlt, spam-, belastig-, belaestig-, dsgvo, schluss/genug/reicht ... "
    "sms/nachricht-/werbung/jetzt/damit, es reicht, unterlass-, verpiss-",
    "nl": "niet/geen/nooit ... "
    "meer/sms/bericht-/stur-/stuur-/interesse/geinteresseerd/contact-/lastig/ontvang-/reclame/app-, "
    "wil/wens/willen ... niet/geen, uitschrijv-, uitgeschreven, afmeld-, afgemeld, schrijf ... uit, meld ... "
    "af, verwijder-, haal/schrap/wis ... nummer/me/mij/lijst/gegevens, hou/houd op/hiermee/ermee, ophoud-, "
    "opzeg-, laat me/mij/ons met_rust, verkeerd- nummer/persoon, genoeg, rot op, spam-",
    "sv": "inte/inga/aldrig/ej ... fler/mer/skick-/sms/meddeland-/vill/intresserad/kontakt-/onskar, vill/onskar ... "
    "inte/inga/slippa, sluta/slutar, avregistrer-, avprenumerer-, avanmal-, avslut-, avbestall-, ta/tag ... "
    "bort, radera/stryk ... mig/nummer, lamna ... ifred/fred, fel nummer/person, spam-, racker",
    "nb": "ikke/ingen/aldri ... flere/mer/send-/sms/melding-/vil/interessert/kontakt-/onsker, vil/onsker ... "
    "ikke/ingen, slutt, avmeld-, meld ... av, fjern-, slett-, la meg vaere, la meg i_fred, feil nummer/person, "
    "spam-, holder na",
    "da": "ikke/ingen/aldrig ... flere/mere/send-/sms/besked-/vil/interesseret/kontakt-/onsker, vil/onsker ... "
    "ikke/ingen, afmeld-, frameld-, hold/holde op, slet-/slett-, fjern-, lad mig vaere/i_fred, forkert nummer, "
    "stop med, spam-, nok nu",
    "fi": "en/ei/ala/alkaa/emme ... halua-/laheta-/lahett-/kiinnost-/enaa/viest-/kirjoit-/soit-/tarvits-, poista-, "
    "peru-/peruut- ... tilau-/viest-, lopet-, vaara/vaaraan numero-, jattakaa/jata ... rauhaan, riittaa, spam-, "
    "roskapost-",
    "is": "vil/nenni/ekki ... ekki/send-/sms/skilabod-/ahuga/skrifa-, afskra-, haett-, skra- ... af/ur, fjarlaeg-, "
    "eyd- ... numer-/mer, taka/takid mig af, rangt numer, latid/latid_mig ... fridi, nog komid",
    "pl": "nie ... "
    "chce-/zycz-/wysyla-/wyslij-/przysyla-/pisz-/pisac/kontakt-/dzwon-/interes-/zainteres-/zgadza-/wyrazam, "
    "prosze nie, wypis-, wypisz-, rezygn-, usun-, usuw-, skasuj-, wykresl-, dosc ... wiadomosci/sms-/spam-, mam "
    "dosc, przesta-, dajcie/daj/daliby ... spokoj, zly/pomylony/bledny numer, pomylka, spam-, odczep-, koniec "
    "... sms-/wiadomosci, zadnych ... sms-/wiadomosci/reklam, odsubskryb-, cofam zgode",
    "cs": "nechc-, neprej-, neposil-, nezasil-, nepis-, nekontakt-, neobtez-, neotrav-, nezajim-, nevolej-, "
    "nemam/nemame zajem, odhlas-, odhlasi-, vymaz-, smaz-, odstran-, vyrad-, prestan-, spatne cislo, omyl, "
    "dejte/dej ... pokoj, zadne ... zpravy/sms/reklam-, uz ne, dost/stacilo ... zprav/sms, spam-, zrus- ... "
    "odber/zasilani",
    "sk": "nechc-, nezel-, neposiel-, nezasiel-, nepis-, nekontakt-, neobtaz-, neotrav-, nezaujim-, nevolaj-, "
    "nemam/nemame zaujem, odhlas-, vymaz-, odstran-, zmaz-, vyrad-, prestan-, zle/nespravne cislo, omyl, "
    "dajte/daj ... pokoj, ziadne ... spravy/sms/reklam-, uz nie, spam-",
    "hu": "nem/ne/soha ... ker-/kuld-/akar-/erdekl-/erdekel/irj-/zavar-/keress-/szeretne-/hozzajarul-/kapni, tobb- "
    "... ne/nem, leiratkoz-, lemond-, torol-, torl-, hagyjon/hagyjanak/hagyj ... beken, rossz/teves szam-, eleg "
    "... volt/uzenet-/sms-, elegem, spam-",
    "ro": "nu ... vreau/vrem/dori-/doresc/trimit-/scri-/contact-/interes-/primi-/deranj-/suna-, nu mai, dezabon-, "
    "dezinscri-, anul- ... abonament-/abonare-/mesaj-, sterg-, scoat- ... numar-/lista/ma, elimin- ... "
    "numar-/lista, scoateti, lasati/lasa ma/ne, numar gresit, gresi- ... numar-, opriti-, opreste-, incetati, "
    "incetea-, destul/gata ... mesaje/sms, spam-",
    "bg": "не/спрете/стига ... "
    "искам/искаме/пращ-/изпращ-/пиш-/получав-/желая/интересува-/звън-/безпоко-/притеснявай-, отпис-, отпиш-, "
    "отказ-, откаж-, изтри-, махн-, премахн-, престан-, спре-, стига ... съобщен-/смс, грешен/сбъркан- номер, "
    "оставете/остави ме, спам-",
    "hr": "ne/nemoj-/vise ... zelim/zelimo/salj-/pis-/zanima-/kontaktira-/zov-/smeta-/hocu/prima-, necu/necemo, "
    "nemoj-, odjav-, odjavlj-, izbris-, uklon-, obris-, prestani-, prestati, dosta ... poruk-/sms-/vise, dosta "
    "je, pogresan/krivi broj, ostavite/pustite me, spam-",
    "sr": "не/немој-/више ... желим/желимо/шаљ-/пиш-/занима-/контактира-/зов-/смета-/хоћу/прима-, нећу/нећемо, "
    "немој-, одјав-, избриш-, обриш-, уклон-, преста-, доста ... порук-/смс/више, доста је, погрешан број, "
    "оставите/пустите ме, спам-",
    "sl": "ne/nocem/nehaj- ... zelim/zelimo/posilja-/pisi-/zanima-/klici-/kontaktira-/prejema-/nadleg-, nocem-, "
    "nehaj-, prenehaj-, odjav-, odjavlj-, izbris-, odstran-, zbris-, dovolj ... sporocil-/sms-, napacn-/narobe "
    "stevilk-, pustite/pusti me, spam-",
    "el": "δεν/μη/μην ... θελω/θελουμε/επιθυμω/στελν-/στειλ-/ενδιαφερ-/γραφ-/λαμβαν-/ενοχλ-/επικοινων-, διαγραφ-, "
    "διαγραψ-, απεγγραφ-, αφαιρεσ-, βγαλ-, σβησ-, σταματ-, φτανει, αρκετα ... μηνυμ-, λαθος αριθμ-, λαθος "
    "προσωπο, αφηστε με/μας, οχι αλλα, spam-",
    "tr": "istemiyor-, istemem, gonderme-, atmayin, atma, yazmayin, yazma, aramayin, ilgilenmiyor-, rahatsiz etme-, "
    "engelle-, almak istemi-, listeden cikar-/sil-, numarami ... sil-/cikar-/kaldir-, beni ... "
    "cikar-/sil-/rahat, yeter ... artik/mesaj-, yanlis numara/kisi, abonelik- ... iptal/cik-/son-, durdurun, "
    "kesin ... mesaj-/sms-, spam-, kvkk",
    "ru": "не/никогда ... "
    "хочу/хотим/хотел-/пиш-/писать/присыла-/шли-/слать/отправля-/надо/нужн-/нужен/интерес-/беспоко-/звон-, не "
    "... желаю/получать/соглас-/согла-/подписывал-, больше не, отпис-, отпиш-, удал-, "
    "уберите/убери/исключ-/сотр- ... номер-/меня/списк-/базы/данные, прекрат-, перестан-, хватит, достал-, "
    "отстан-, отвал-, отвяж-, ошибл- ... номер-, не тот номер, неправильный номер, спам-, оставьте ... покое, "
    "отказ- ... рассыл-/подписк-/согласия, отключ- ... рассыл-/смс, без рассыл-",
    "uk": "не/ніколи ... "
    "хочу/хочемо/пиш-/писати/надсила-/присила-/цікав-/турбу-/дзвон-/бажаю/отримувати/треба/потрібн-/згод-, "
    "більше не, відпис-, відпиш-, видал-, прибер-/викресл- ... номер/мене/списк-, припин-, перестан-, відчеп-, "
    "досить, годі, помил- ... номер-, не той номер, спам-, дайте ... спокій, відмовля-",
    "lt": "nenor-, nebenor-, nesiu-, nebesiu-, nerasy-, neberasy-, nedomin-, nesidomi-, netrukdy-, nepageidauj-, "
    "neskambin-, atsisak-, atsijung-, isregistru-, isbrauk-, istrin-, pasalin-, liauki-, baik-, nustok-, gana "
    "... zinuc-/sms-, ne tas numeris, klaidingas numeris, suklydote, palikite ... ramyb-",
    "lv": "nevel-, nesut-, neraks-, negrib-, neinteres-, netrauce-, nezvan-, atteik-, atrakst-, izdzes-, iznem-, "
    "nonem-, beidz-, partrauc-, pietiek, nepareiz- numur-, sajaukts numurs, lieciet ... mier-, vairak nevajag",
    "et": "ei/ara/arge/mitte ... soovi-/taha-/saatke/saada-/kirjuta-/huvita-/tulita-/helista-/vaja, loobu-, lopeta-, "
    "tuhista- ... tellimus-/sonum-, kustuta-, eemalda-, aitab, vale number/inimene, jatke/jata ... rahule",
    "ca": "no/mai ... vull/volem/envi-/escri-/interes-/molest-/rebre/contact-/desitj-/truqu-, don-/doneu- ... baixa, "
    "elimin-/esborr-/treu-/traie-/suprim- ... numero/llista/me/dades, esborreu-, elimineu-, traieu-, "
    "deix-/deixeu- ... enviar-/pau/molestar-, deixeu/deixa de, prou ... missatges/sms, numero equivocat, no "
    "mes, heu equivocat",
    "eu": "ez ... nahi/bidali-/idatzi-/interesa-/gogaitu/deitu/jaso, utzi- ... bakean/pakean/bidaltze-, kendu- ... "
    "zenbaki-/zerrenda-, ezabatu-, kendu nazazue, nahikoa da, aski da, zenbaki okerra",
    "sq": "nuk/mos ... dua/duam/dergo-/shkrua-/interes-/kontakto-/shqeteso-/deshir-/telefono-, mos me, cregjistro-, "
    "hiq-/hiqni- ... numr-/mua/me/lista, fshi-, ndalo-, mjaft, boll, numer i_gabuar, numer gabim, me lini ... "
    "rehat/qete",
    "mk": "не/доста ... сакам/сакаме/праќа-/испраќа-/пишува-/интересира-/вознемирува-/контактира-/примам, немој-, "
    "одјав-, отпиш-, избриш-, отстран-, тргн-, престан-, доста, запрете, погрешен број, оставете/остави ме",
    "ar": "لا/لم/لن ... اريد/نريد/ترسل-/تراسل-/تتصل-/ارغب/يهمني/يهمنا/تبعث-/تكتب-/احتاج, لست مهتم-, غير مهتم-, الغ-, "
    "احذف-, حذف ... رقم-/اسم-, ازيل-, ازال-, شيل- ... رقم-/اسم-, امسح- ... رقم-/اسم-, اوقف-, كفايه, كفي ... "
    "رسائل, بس/خلاص رسائل, رقم/الرقم خطا/غلط, مش/ما/مو ... عايز-/عاوز-/بدي/ابي/ابغي/ابغا/مهتم-, ازعاج-, تزعج-, "
    "اتركو-, سبام, احظر-",
    "he": "לא/אל/בלי ... רוצ-/מעוני-/לשלוח/תשלח-/שולח-/לקבל/תכתב-/הודע-/תתקשר-/צריכ-/צריך, הסיר-, תסיר-, להסיר, "
    "תוריד-, הוריד-, תמחק-, מחק-, למחוק, תוציא-, הוציא-, תפסיק-, להפסיק, מספיק ... הודע-/כבר, די כבר, טעות "
    "במספר, מספר שגוי/טעות/לא_נכון, עזב- אותי, תעזב-, ספאם, הטרדה",
    "fa": "نمیخواه-, نمی خواه-, نمیخوا-, نمی خوام, نفرست-, پیام/پیامک/اس_ام_اس ... ندهید/ندید/نده/ندین, مزاحم-, "
    "ننویس-, علاقه-/علاقهای ... ندار-, حذف ... کن-/شماره-, شماره- ... حذف/پاک, بسه, کافی است/کافیه, اشتباه ... "
    "گرفت-/شماره-, قطع ... کن-, دست بردار-",
    "ur": "نہیں/مت/نہ ... چاہی-/بھیج-/چاہتا/چاہتی/دلچسپی/لکھ-, بند ... کر-, ہٹا-, نکال ... دیں/دو, حذف ... کر-, غلط "
    "نمبر, تنگ ... کر-, بس کر-, روک-",
    "hi": "नहीं/मत/ना/न ... चाहिए/चाहत-/भेज-/रुचि/लिख-/करें/करो, रुचि/दिलचस्पी नहीं, बंद ... कर-, हटा-, मिटा-, निकाल- "
    "... दो/दें, गलत नंबर, परेशान ... कर-, इच्छुक नहीं, रोक-, बस ... कर-, nahi/nahin/mat ... "
    "chahiye/bhej-/karo/karna, band ... kar-/kijiye",
    "bn": "চাই/চাইনা/দরকার/আগ্রহী/আগ্রহ না/নেই/নই, চাইনা, পাঠা- না, দেবেন/দিবেন না, মেসেজ ... দেবেন/দিবেন/পাঠা- না, "
    "বিরক্ত ... কর-, বন্ধ ... কর-, মুছ-, বাদ দিন/দেন, সরিয়ে/সরান, ভুল নম্বর/নাম্বার",
    "ta": "வேண்டாம், அனுப்பாத-, நிறுத்த-, நீக்க-, விருப்பம் இல்லை, விருப்பமில்லை, தொந்தரவு-, தவறான எண்",
    "th": "ไม่ต้องการ, ไม่อยาก, อย่าส่ง, เลิกส่ง, ไม่ต้องส่ง, หยุดส่ง, ไม่สนใจ, ไม่รับ, ไม่เอา, ลบเบอร์, ลบชื่อ, "
    "ลบออก, พอแล้ว, รำคาญ, สแปม, ผิดเบอร์, ผิดคน",
    "vi": "khong/dung/cham_dut/ngung ... muon/gui/nhan/nhan_tin/quan_tam/can/lam_phien/lien_he/goi, thoi/dung ... "
    "nua, xoa ... so/ten/toi, huy ... dang_ky/nhan/tin, nham so/nguoi, lam phien, quay roi, spam-",
    "id": "jangan/tidak/tak/ga/gak/nggak/enggak/usah ... "
    "kirim-/hantar-/mau/ingin/nak/minat/berminat/tertarik/perlu/hubungi/sms/ganggu, tidak/tak ... "
    "terima/menerima/setuju, hapus-/padam-/buang-/keluarkan ... nomor/nombor/saya/nama/data/senarai/daftar, "
    "berhenti-, hentikan, salah nomor/nombor/orang/sambung, cukup ... sms/pesan/mesej, batal- ... "
    "langganan/berlangganan, mengganggu, ganggu, spam-, unsub-",
    "tl": "ayaw/ayoko, huwag/wag/hindi/di ... "
    "text-/padala-/magpadala/send/interesado/gusto/mag/message-/itext/kailangan/ninyo/niyo, huwag/wag/tama na, "
    "tanggal-/alisin/burahin/tanggalin ... number/numero/ako/pangalan/listahan, tumigil/tigilan, maling/wrong "
    "number/numero",
    "sw": "sitaki, hatutaki, sihitaji, usitum-, msitum-, msinitum-, usinitum-, msiniandik-, usiniandik-, acha/acheni "
    "... kutuma/kunitumia/ujumbe, acheni, ondoa/niondoe/niondoeni, futa- ... namba/nambari, namba/nambari "
    "si_sahihi/si_yangu, sipendezwi, sina haja, inatosha, nimechoka",
    "af": "wil/wens ... nie, moenie, nie/geen/nooit ... stuur/sms-/boodskap-/belangstel/kontak/ontvang/meer, "
    "teken/skryf/haal ... uit/af, verwyder-, skrap-, hou op, verkeerde nommer, los/laat my "
    "uit/uit_met_rust/met_rust, genoeg",
    "zh": "不要再, 别再, 別再, 不想收, 不想再, 不想要, 不要发, 不要發, 不要给我, 别发, 別發, 别给我, 別給我, 不用发, "
    "不用發, 不需要, 不再接收, 不感兴趣, 不感興趣, 没兴趣, 沒興趣, 停发, 停發, 勿发, 勿發, 勿扰, 勿擾, 别打扰, "
    "別打擾, 不要打扰, 不要打擾, 别烦, 別煩, 删除我, 刪除我, 把我删, 把我刪, 移除, 屏蔽, 拉黑, 投诉, 投訴, "
    "举报, 舉報, 打错, 打錯, 发错, 發錯, 号码错, 號碼錯, 不是本人, 骚扰, 騷擾, 滚, 烦死, 煩死",
    "ja": "送らないで, 送るな, 送ってこない, 送信しない, いりません, 要りません, いらない, 要らない, やめてください, "
    "止めてください, やめろ, 停止して, 停止を, 解除して, 不要です, 興味ない, 興味がない, 興味ありません, "
    "興味がありません, 受け取りたくない, 退会, 削除して, 消して, しつこい, 迷惑です, 迷惑メール, 迷惑だ, "
    "番号違い, 番号が違, 間違い電話, 人違い, 宛先が違, もう結構, 連絡しない, 連絡不要",
    "ko": "보내지 마, 보내지마, 보내지 말, 보내지말, 받고 싶지 않, 받기 싫, 안 받, 안받, 원하지 않, 원치 않, 그만 "
    "보내, 그만보내, 필요 없, 필요없, 관심 없, 관심없, 싫어요, 지워, 삭제해, 차단, 탈퇴, 연락하지, 문자하지, "
    "잘못 보내, 잘못 거, 잘못된 번호, 번호 잘못, 스팸, 신고",
}
"""By ISO 639-1 code; `campaigns.optout.words` names the languages."""

EXCUSED: Final = (
    "ll/will/i/we/can/could/may/might/would/d/should/gonna/let_me/let_us stop by/in/over/off/at, "
    "going/want/like/love/try/need/plan to stop by/in/over, "
    "bus/full/pit/one/truck/tram/train/metro/next/last/first/rest/non stop, stop sign/light/watch, arret de/du "
    "bus/tram/metro/train, did/have not get/got/receiv-/see/seen, didn/haven t get/got/receiv-/see/seen, "
    "didnt/havent get/got/receiv-/see/seen"
)
"""Phrases that contain the word without refusing: "I'll stop by at five", "the bus stop", "I did not get your text"."""

ORDINARY: Final = frozenset(
    ("stopover", "stopovers", "stopwatch", "stopwatches", "stoplight", "stoplights", "stopgap", "stoppage", "stopper")
)
"""Words that begin with "stop" but do not mean it."""
