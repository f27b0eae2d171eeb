"""Random inputs, each reproducible from its seed: a sound one of its kind, then broken in a few of the usual ways."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote_plus

MARK: Final = "QZX"
"""Part of every cell, text and key that must not show up in a log or an error."""

SENT: Final = f"Dear {MARK}, a private text"
"""The beginning of the texts of a send that a reply of the gateway may quote."""

NUMBER_MARK: Final = "3339876"
"""Part of every phone number."""

HEADS: Final = ("phone", "first_name", "at", "note", "points")
MOST_BYTES: Final = 400_000

_NASTY: Final = (
    "",
    " ",
    "\0",
    "\r",
    "\n",
    "\r\n",
    '"',
    "'",
    ";",
    ",",
    "\t",
    "|",
    "=",
    "=1+1",
    "\\",
    "\ufeff",
    "\u200b",
    "\u202e",
    "\ufffd",
    "\u2028",
    "{{ x }}",
    "{%",
    "}}",
    "#N/A",
    "NULL",
    "nan",
    "9" * 400,
    "-1",
    "1e999",
    "0001-01-01",
    "9999-12-31",
    "2026-13-45",
    "3.93331E+11",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "e\u0301" * 50,
    "\ufdfa" * 40,
    "+",
    "++39",
    "00",
    "(",
    ")",
    "\u0661\u0662\u0663",
    "<",
    "&amp;",
    "_x000D_",
    "&#0;",
    "a" * 5_000,
    "[" * 300,
    "{" * 300,
)
_BYTES: Final = (
    b"\x00",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\x80",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\r",
    b"\n",
    b'"',
    b";",
    b",",
    b"\t",
    b"{",
    b"[",
    b"]",
    b"}",
    b"\\u0000",
    b"\\ud800",
    b"1e400",
    b"NaN",
    b"-",
    b":",
    b"&",
    b"*a",
    b"!!x",
    b"%",
)


def text(rng: random.Random) -> str:
    """Text that people, programs and attackers write into a field."""
    return f"{MARK}{rng.choice(_NASTY)}" if rng.random() < 0.5 else f"{MARK}{rng.randrange(10**6)}"


def number(rng: random.Random) -> str:
    """A phone number, usually."""
    form = rng.choice(
        ("+39{}{:03}", "0039{}{:03}", "39{}{:03}", "+39 {} {:03}", "tel:+39{}{:03}", "{}{:03}", "{}{:03}.0")
    )
    return form.format(NUMBER_MARK, rng.randrange(1000)) if rng.random() < 0.9 else rng.choice(_NASTY)


def broken(data: bytes, rng: random.Random) -> bytes:
    """A few bytes missing, doubled, repeated or foreign; every third input stays as it is."""
    body = bytearray(data)
    for _ in range(rng.choice((0, 1, 2, 5))):
        at = rng.randrange(len(body) + 1)
        match rng.randrange(7):
            case 0:
                body[at : at + 1] = rng.choice(_BYTES)
            case 1:
                body[at:at] = rng.choice(_BYTES) * rng.choice((1, 1, 1, 200))
            case 2:
                del body[at : at + rng.randrange(1, 40)]
            case 3:
                body[at:at] = body[at : at + 60] * rng.choice((1, 3, 500))
            case 4:
                del body[at:]
            case 5:
                body[at : at + 1] = bytes([rng.randrange(256)])
            case _:
                body[at:at] = rng.choice(_NASTY).encode("utf-8", "surrogatepass")
    return bytes(body[:MOST_BYTES])


def rows(rng: random.Random) -> list[list[str]]:
    """The header, or none, and the rows of a table."""
    heads = rng.sample(HEADS, rng.randint(1, len(HEADS)))
    if "phone" not in heads and rng.random() < 0.9:
        heads[0] = "phone"
    heads += [rng.choice(("", "", " ", "Phone", "note", "x\ny")) for _ in range(rng.choice((0, 0, 0, 3)))]
    made = [[number(rng) if head == "phone" else text(rng) for head in heads] for _ in range(rng.choice((0, 1, 5, 40)))]
    return [heads, *made] if rng.random() < 0.97 else made


def delimited(rng: random.Random, separator: str = "") -> bytes:
    mark = separator or rng.choice((",", ";", "\t", "|"))
    quoted = rng.random() < 0.5
    lines = [mark.join('"' + cell.replace('"', '""') + '"' if quoted else cell for cell in row) for row in rows(rng)]
    end = rng.choice(("\n", "\r\n", "\r"))
    encoding = rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"))
    return broken((end.join(lines) + end).encode(encoding, "replace"), rng)


def json_value(rng: random.Random, depth: int = 0) -> Any:
    """Anything that JSON can hold, not too deeply nested."""
    match rng.randrange(10 if depth < 4 else 7):
        case 0 | 1 | 2:
            return text(rng)
        case 3:
            return rng.choice((0, -1, 2**31, 2**63, 10**400, 3.93331e11, 1e308, 0.1))
        case 4:
            return rng.choice((True, False, None))
        case 5 | 6:
            return number(rng)
        case 7:
            return [json_value(rng, depth + 1) for _ in range(rng.randrange(4))]
        case _:
            return {rng.choice((*HEADS, text(rng))): json_value(rng, depth + 1) for _ in range(rng.randrange(4))}


def json_lines(rng: random.Random) -> bytes:
    head, *body = rows(rng) or [list(HEADS)]
    made = [
        dict(zip(head, row, strict=False)) if rng.random() < 0.8 else {name: json_value(rng) for name in head}
        for row in body
    ]
    return broken(
        "\n".join(json.dumps(row, ensure_ascii=rng.random() < 0.5) for row in made).encode("utf-8", "replace"), rng
    )


_PARTS: Final = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default '
    'Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName='
    '"/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
    'Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="a" sheetId="1" '
    'r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
    'Target="worksheets/sheet1.xml"/></Relationships>',
}


def workbook(rng: random.Random) -> bytes:
    """A sheet with texts in its cells; broken inside its parts, or as a file."""
    lines = []
    for place, row in enumerate(rows(rng), start=1):
        at = place if rng.random() < 0.98 else rng.choice((0, -1, 1_048_577, 999_999_999_999, 3))
        cells = []
        for column, cell in enumerate(row):
            kind = rng.choice(('t="inlineStr"',) * 8 + ('t="n"', 't="e"', 't="b"', 't="s"', 't="d"', ""))
            name = chr(65 + column % 26) if rng.random() < 0.98 else rng.choice(("XFE", "ZZZZZZ", ""))
            safe = cell.replace("&", "&amp;").replace("<", "&lt;").replace("\0", "").replace('"', "&quot;")
            inner = f"<is><t>{safe}</t></is>" if "inline" in kind else f"<v>{safe}</v>"
            cells.append(f'<c r="{name}{at}" {kind}>{inner}</c>')
        lines.append(f'<row r="{at}">{"".join(cells)}</row>')
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        + "".join(lines)
        + "</sheetData></worksheet>"
    )
    packed = io.BytesIO()
    inside = rng.random() < 0.5
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in {**_PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
            body = part.encode("utf-8", "replace")
            archive.writestr(name, broken(body, rng) if inside and rng.random() < 0.3 else body)
    return packed.getvalue() if inside else broken(packed.getvalue(), rng)


_KEYS: Final = (
    "campaign: {name}",
    "description: a\u00e9",
    "kind: marketing",
    "message: Hi",
    'message: "Hi {{{{ first_name }}}}"',
    "message: |\n  Hi {{{{ first_name | default('there') }}}}\n  bye",
    "audience: {{file: people.csv}}",
    "audience:\n  - recipients: [{{number: '+393339876543', first_name: Anna}}]",
    "exclude: [{{file: people.csv}}]",
    "default_region: IT",
    "schedule: {{start: 2026-12-05 09:00, window: {{from: '09:00', to: '20:00'}}}}",
    "schedule: {{repeat: {{cron: '0 9 * * mon'}}}}",
    "schedule: {{remind: {{column: at, before: [24h]}}}}",
    "throughput: {{rate: 30/minute, daily: 500}}",
    "frequency_cap: {{messages: 2, per: 7d}}",
    "devices: {{use: [1, '2|0']}}",
    "follow: {{until: 72h}}",
    "approval: true",
    "report: {{webhook: https://example.com/hook}}",
    "holdout: 5",
    "variants:\n  - {{name: a, share: 50, message: Hi}}\n  - {{name: b, share: 50, message: Ho}}",
)


def campaign_file(rng: random.Random, name: str) -> bytes:
    """A campaign file with some of its keys, now and then the same one twice."""
    chosen = [*_KEYS[:1], rng.choice(_KEYS[3:6]), rng.choice(_KEYS[6:8]), *rng.sample(_KEYS, rng.randrange(5))]
    if rng.random() < 0.3:
        chosen.append(
            f"{rng.choice(('note', 'message', 'x'))}: {rng.choice(_NASTY).replace('{', '{{').replace('}', '}}')}"
        )
    written = "\n".join(chosen).format(name=name)
    return broken((written + "\n").encode("utf-8", "replace"), rng)


def message_row(rng: random.Random, status: str = "") -> dict[str, Any]:
    """A message object of the gateway, with some fields in undocumented forms."""
    row: dict[str, Any] = {
        "ID": str(rng.randrange(1, 10**6)),
        "number": number(rng),
        "message": text(rng),
        "deviceID": "1",
        "simSlot": "0",
        "userID": "1",
        "status": status or rng.choice(("Pending", "Sent", "Delivered", "Failed", "Received", "Odd")),
        "sentDate": "2026-12-01T09:00:00+00:00",
        "deliveredDate": None,
        "groupID": f")V5{rng.randrange(99)}*J$",
        "resultCode": rng.choice((None, -1, 1, "4")),
        "errorCode": None,
        "retries": 0,
    }
    for name in rng.sample(list(row), rng.choice((0, 0, 1, 2))):
        if name == "status" and status:
            continue
        if rng.random() < 0.2:
            del row[name]
        else:
            row[name] = rng.choice((json_value(rng), 2**31, -(2**31), 2**63 - 1, "9" * 30, "0001-01-01T00:00:00+00:00"))
    return row


def _quoted(rng: random.Random) -> str:
    """What a gateway says about an error: words of its own, or of the request, cut or in other letters."""
    quoted = rng.choice((SENT, SENT.upper(), SENT[3:19], f"{MARK}-k3y", "no credits", text(rng)))
    return f"{quoted} {number(rng)}"


def reply_body(rng: random.Random) -> bytes:
    """The body of a gateway's reply."""
    data: Any = {"messages": [message_row(rng) for _ in range(rng.choice((0, 1, 3, 60)))]}
    if rng.random() < 0.2:
        data = rng.choice((None, [], {"credits": json_value(rng)}, {"contact": json_value(rng)}, json_value(rng)))
    failed = {"code": rng.choice((401, 404, 500, "500", None, 2**70)), "message": f"error {_quoted(rng)}"}
    good = rng.random() < 0.7
    envelope = {"success": good, "data": data if good else None, "error": None if good else failed}
    return broken(json.dumps(envelope).encode(), rng)


def webhook_field(rng: random.Random) -> str:
    """The form field `messages` of a call."""
    return broken(
        json.dumps([message_row(rng, "Received") for _ in range(rng.choice((1, 1, 2, 20)))]).encode(), rng
    ).decode("utf-8", "replace")


def webhook_body(field: str, rng: random.Random) -> bytes:
    """The body of a call; one in five is broken after it is signed."""
    body = f"messages={quote_plus(field)}".encode()
    return broken(body, rng) if rng.random() < 0.2 else body


TABLES: Final[dict[str, Callable[[random.Random], bytes]]] = {
    "csv": delimited,
    "tsv": lambda rng: delimited(rng, "\t"),
    "jsonl": json_lines,
    "xlsx": workbook,
}
