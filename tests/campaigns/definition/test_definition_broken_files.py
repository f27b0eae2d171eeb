"""Every mistake in a campaign file is reported at its place, in plain words, all at once."""

from pathlib import Path

import pytest

from campaigns.definition.reading import load_definition
from campaigns.problems import CampaignFileError, Problem

SPLIT = "campaign: sale\naudience: {file: people.csv}\nvariants: "
A = "{name: a, share: 50, message: x}"
HEAD = "campaign: sale\nmessage: Hello\naudience: {file: people.csv}\n"  # three lines: the fourth is the broken one
STEPS = HEAD + "steps: "
STEP = "name: a, after: 3d, message: x"


def problems_of(folder: Path, content: str | bytes, defaults: str | None = None) -> tuple[Problem, ...]:
    path = folder / "sale.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if defaults is not None:
        (folder / "defaults.yaml").write_text(defaults, encoding="utf-8")
    with pytest.raises(CampaignFileError) as caught:
        load_definition(path, timezone="UTC", region=None)
    return caught.value.problems


@pytest.mark.parametrize(
    ("content", "place", "path", "phrase"),
    [
        ("", "1:1", "", "the file is empty"),
        ("# nothing but a comment\n", "1:1", "", "the file is empty"),
        ("- campaign\n", "1:1", "", "not made of `key: value` lines"),
        (b"\xff\xfec\x00a\x00", "1:1", "", "not made of `key: value` lines"),
        ("a: 1\n".encode("utf-16") + b"c", "2:1", "", "begins as UTF-16 but is cut off or damaged here"),
        ("campaign: caf\u00e9\n".encode("utf-16-le"), "1:1", "", "encoded in UTF-16 or UTF-32 and does not say which"),
        ("campaign: sale\n".encode("utf-32"), "1:1", "", "encoded in UTF-16 or UTF-32 and does not say which"),
        (b"# x\n" * 2_600_000, "1:1", "", "larger than 256 KiB"),
        (b"PK\x03\x04\x14\0\x06\0", "1:1", "", "not a text file (save it as plain text"),
        (
            "\u201ccampaign\u201d: sale\nmessage: x\naudience: {file: a.csv}\n",
            "1:1",
            "",
            "this is in typographic quotes",
        ),
        (
            HEAD.replace("Hello", "\u201cIt\u2019s time\u201d"),
            "2:10",
            "message",
            "this is in typographic quotes",
        ),
        (HEAD + "schedule: {start: \u201e2026-12-02 09:00\u201c}\n", "4:19", "schedule.start", "write straight quotes"),
        (HEAD + "throughput: {rate: \u00ab30/minute\u00bb}\n", "4:20", "throughput.rate", "write straight quotes"),
        ("message: \u201cNow: come\u201d\n", "1:14", "", "in this line (write straight quotes"),
        (HEAD.replace("Hello", "\u201cWe are #1\u201d"), "2:18", "message", "begins a comment (write straight quotes"),
        ("audience:\n  file: a.csv\n\tnumber: phone\n", "3:1", "", "there is a tab in the indentation"),
        ("message: >-\n\tHello\n", "2:1", "", "there is a tab in the indentation"),
        ("campaign:\u00a0sale\nmessage: Hello\n", "1:9", "", "not an ordinary colon followed by a space"),
        ("campaign\uff1a sale\nmessage: Hello\n", "1:9", "", "not an ordinary colon followed by a space"),
        (b"campaign: sale\ndescription: caf\xe9\n", "2:17", "", "not encoded in UTF-8"),
        ("campaign: a\x07b\n", "1:12", "", "invisible control character (U+0007)"),
        ("a: " + "x" * 300_000, "1:1", "", "larger than 256 KiB"),
        ("campaign: sale: 1\n", "1:15", "", "there is a second `: ` in this line"),
        ("campaign: sale\n  message: hello\n", "2:10", "", "the indentation does not fit"),
        ("schedule:\n\tstart: now\n", "2:1", "", "there is a tab in the indentation"),
        ("message: 'Hello\ncampaign: sale\n", "1:10", "", "a quote is opened but never closed"),
        ("message: 'It's time'\n", "1:14", "", "something follows the closing quote"),
        ('campaign: x\nmessage: "Hi "Anna""\n', "2:15", "", "something follows the closing quote"),
        ("audience: [{file: a.csv}\n", "1:11", "", "opened with [ is not closed"),
        ("devices: {random: true\n", "1:10", "", "opened with { is not closed"),
        ("campaign: @sale\n", "1:11", "", "cannot start with this character"),
        ("message: *** Sale ***\n", "1:11", "", "cannot start with this character (put the value in quotes)"),
        ("schedule:\n  repeat: {cron: * * * * *}\n", "2:19", "", "cannot start with this character"),
        ("message: & more\n", "1:11", "", "cannot start with this character"),
        (
            "schedule:\n\u00a0\u00a0start: now\n",
            "2:1",
            "",
            "a space of another kind (U+00A0) is in the indentation",
        ),
        ("schedule: {\u3000start: now}\n", "1:12", "schedule", "a space of another kind (U+3000)"),
        ('message: "C:\\quick"\n', "1:13", "", "there is a backslash in double quotes"),
        ('message: "{{ name }}: C:\\quick"\n', "1:25", "", "there is a backslash in double quotes (use single quotes"),
        ('message: "C:\\users"\n', "1:15", "", "there is a backslash in double quotes (use single quotes"),
        ('message: "Hi {{ name }}\n', "1:10", "", "never closed (close it"),
        ('message: "{{ a }} \\ud83d"\n', "1:19", "", "this is half of a character (U+D83D), which cannot be sent"),
        ('message: "Hi\n  \\ude00 x"\n', "2:3", "", "this is half of a character (U+DE00)"),
        ('{"message": "\\ud83d\\ude00"}\n', "1:14", "", "as in JSON (write the character itself, or \\U0001F600)"),
        ('message: "\\U00110000"\n', "1:11", "", "there is no character U+110000 (write the character itself)"),
        ("message: {{ name }} hello\n", "1:11", "message", "there is a bracket where a key should be"),
        ("audience:\n  - file: a.csv\n message: x\n", "3:2", "", "the indentation does not fit"),
        ("message: |\n    one\n  two\n", "3:3", "", "the indentation does not fit"),
        ("message: x\n# throughput:  # of texts\n#   rate: 1/second\n  daily: 5\n", "4:3", "", "(line 2 holds the key"),
        ("audience:\n  - file: a\n# throughput:\n  daily: 5\n", "4:3", "", "the list above (line 3 holds the key"),
        ("campaign: sale\n---\ncampaign: two\n", "2:1", "", "a second document starts here"),
        ("a: " + "[" * 30, "1:23", "a" + "[0]" * 19, "more than 20 levels deep"),
        (HEAD + "kind: &k marketing\n", "4:7", "kind", "the anchor &k is not allowed"),
        (HEAD + "kind: *k\n", "4:7", "kind", "the alias *k is not allowed"),
        (HEAD + "kind: !!str marketing\n", "4:7", "kind", "a tag (a word that starts with !)"),
        (HEAD + "campaign: other\n", "4:1", "campaign", "is given twice, first in line 1"),
        (HEAD + 'description: "a\\0b"\n', "4:14", "description", "contains an invisible control character (U+0000)"),
        (
            "message: Hello\naudience: {file: a.csv}\n",
            "1:1",
            "campaign",
            "is missing (for example campaign: spring-sale)",
        ),
        ("campaign:\nmessage: Hello\naudience: {file: a.csv}\n", "1:1", "campaign", "has no value"),
        ("campaign: sale\nmessage: ''\naudience: {file: a.csv}\n", "2:10", "message", "is empty"),
        ("campaign: Big Sale\nmessage: x\naudience: {file: a.csv}\n", "1:11", "campaign", "(for example big-sale)"),
        ("campaign: frühling\nmessage: x\naudience: {file: a.csv}\n", "1:11", "campaign", "(for example fruhling)"),
        (
            "campaign: sale\nmessage: We are #1 in town\naudience: {file: a.csv}\n",
            "2:17",
            "message",
            "ends here, because # begins a comment",
        ),
        (f"{SPLIT}[{A}, {{name: b, share: 50, message: We are #1 \n}}]\n", "3:83", "variants[1].message", "ends here"),
        ("campaign: sale\nmesage: x\naudience: {file: a.csv}\n", "2:1", "mesage", "(did you mean message?)"),
        ("campaign: sale\nmessage: x\naudience: []\n", "3:11", "audience", "has no entries"),
        ("campaign: sale\nmessage: x\naudience:\n  - people.csv\n", "4:5", "audience[0]", "must be a mapping"),
        ("campaign: sale\nmessage: x\naudience:\n  - flie: a.csv\n", "4:5", "audience[0].flie", "did you mean file?"),
        (
            "campaign: sale\nmessage: x\naudience: {file: a, colour: red}\n",
            "3:21",
            "audience.colour",
            "known here: file, number",
        ),
        ("campaign: sale\nmessage: x\naudience: {number: a}\n", "3:1", "audience.file", "is missing"),
        ("campaign: sale\nmessage: x\naudience: {file: }\n", "3:12", "audience.file", "has no value"),
        ("campaign: sale\nmessage: x\naudience: {recipients: []}\n", "3:24", "audience.recipients", "has no entries"),
        (
            "campaign: sale\nmessage: x\naudience: {recipients: [{name: Anna}]}\n",
            "3:25",
            "audience.recipients[0]",
            "has no number",
        ),
        (
            "campaign: sale\nmessage: x\naudience:\n- recipients:\n  - {number: 1, tags: [a]}\n",
            "5:23",
            "audience[0].recipients[0].tags",
            "must be a single value, not a list",
        ),
        (
            "campaign: sale\nmessage: x\naudience: {contact_list: vip}\n",
            "3:26",
            "audience.contact_list",
            "whole number from 1",
        ),
        (
            "campaign: sale\nmessage: x\naudience: [{contact_list: 1}, {file: a.csv}]\n",
            "3:11",
            "audience",
            "has a contact list and other sources: the gateway does not reveal its numbers",
        ),
        (HEAD + "variants: [{name: a, share: 100, message: x}]\n", "2:10", "message", "cannot be used with `variants`"),
        (f"{SPLIT}[{A}, {{name: b, share: 40, message: x}}]\n", "3:11", "variants", "have shares that add up to 90"),
        (f"{SPLIT}[{A}, {{name: A, share: 50, message: x}}]\n", "3:11", "variants", "have two called a"),
        (f"{SPLIT}[{{name: a, share: 100}}]\n", "3:12", "variants[0].message", "is missing"),
        (f"{SPLIT}[{{name: {'x' * 41}, share: 100, message: x}}]\n", "3:19", "variants[0].name", "has more than 40"),
        (f"{SPLIT}[{{name: a, share: 0, message: x}}]\n", "3:29", "variants[0].share", "whole number from 1 to 100"),
        (HEAD + "holdout: 100\n", "4:10", "holdout", "whole number from 0 to 99"),
        (HEAD + "rate: 5/second\n", "4:1", "rate", "it belongs under throughput"),
        (f"{STEPS}[{{{STEP}}}, {{{STEP}}}]\n", "4:50", "steps[1].name", "is a, as that of an earlier step"),
        (f"{STEPS}[{{name: a, after: 3d, message: ''}}]\n", "4:39", "steps[0].message", "is empty (write a text)"),
        (f"{STEPS}[{{{STEP}, window: x}}]\n", "4:42", "steps[0].window", "it goes by the campaign's schedule"),
        (
            f"{STEPS}[{{{STEP}, unless: 'replied, failed'}}]\n",
            "4:50",
            "steps[0].unless",
            "several conditions in one text: 'replied, failed' (write [replied, failed])",
        ),
        (f"{STEPS}[{{{STEP}, unless: true}}]\n", "4:50", "steps[0].unless", "(write which, such as replied)"),
        (
            HEAD + "kind: remindr\n",
            "4:7",
            "kind",
            "one of marketing, reminder, transactional, not 'remindr' (did you mean reminder?)",
        ),
        (HEAD + "default_region: UK\n", "4:17", "default_region", "write GB for the United Kingdom"),
        (HEAD + "default_region: Italy\n", "4:17", "default_region", "is not a country code of ISO 3166: 'Italy'"),
        (HEAD + "schedule: tomorrow\n", "4:11", "schedule", "must be a mapping of keys and values"),
        ("campaign: sale\nmessage: x\naudience: people.csv\n", "3:11", "audience", "such as {file: customers.csv}"),
        (
            "campaign: sale\nmessage: x\naudience: {recipients: [+39333]}\n",
            "3:25",
            "audience.recipients[0]",
            'such as {number: "+39 333 123 4567"}',
        ),
        (HEAD + "schedule: {window: 08:00-20:00}\n", "4:20", "schedule.window", 'such as {from: "09:00", to: "20:00"}'),
        (HEAD + "schedule: {repeat: daily}\n", "4:20", "schedule.repeat", 'such as {cron: "0 9 * * mon"}'),
        (HEAD + "schedule: {if_late: skip}\n", "4:21", "schedule.if_late", "such as {within: 2h, otherwise: skip}"),
        (HEAD + "schedule: {timezone: CEST}\n", "4:22", "schedule.timezone", "write a place, such as Europe/Rome"),
        (HEAD + "schedule: {timezone: UTC+2}\n", "4:22", "schedule.timezone", "write a place, such as Europe/Rome"),
        (
            HEAD + "schedule: {window: {days: [mon, tue], from: '08:00', to: '20:00'}}\n",
            "4:27",
            "schedule.window.days",
            "not a list (write it without square brackets and hyphens)",
        ),
        (HEAD + "schedule: {start: 2026-12-01}\n", "4:19", "schedule.start", "has no time of day"),
        (HEAD + "schedule: {start: 2026-02-30 09:00}\n", "4:19", "schedule.start", "is not a valid date and time"),
        (HEAD + "schedule: {start: 9026-12-01 09:00}\n", "4:19", "schedule.start", "between the years 2000 and 2099"),
        (HEAD + "schedule: {start: soon}\n", "4:19", "schedule.start", "must be a date and time, not 'soon'"),
        (HEAD + "schedule: {timezone: Europe/Roma}\n", "4:22", "schedule.timezone", "did you mean Europe/Rome?"),
        (HEAD + "schedule: {timezone: New York}\n", "4:22", "schedule.timezone", "did you mean America/New_York?"),
        (
            HEAD + "schedule:\n  window: {from: '09:00'}\n",
            "5:3",
            "schedule.window.to",
            "is missing (for example to: 20:00)",
        ),
        (
            HEAD + "schedule: {window: {days: mon-fri, except: ['2026-12-24']}}\n",
            "4:20",
            "schedule.window",
            "has no times of day (write from",
        ),
        (
            HEAD + "schedule:\n  window:\n    - {from: '09:00', to: '12:00'}\n    - {}\n",
            "7:7",
            "schedule.window[1]",
            "no times",
        ),
        (
            HEAD + "schedule: {window: {from: 9, to: '20:00'}}\n",
            "4:27",
            "schedule.window.from",
            "must be a time of day, not '9'",
        ),
        (
            HEAD + "schedule: {window: {from: '08:00', to: '08:00'}}\n",
            "4:40",
            "schedule.window.to",
            "must differ from `from`",
        ),
        (
            HEAD + "schedule: {window: {days: mon-xat, from: '08:00', to: '09:00'}}\n",
            "4:27",
            "schedule.window.days",
            "must name days of the week, not 'mon-xat'",
        ),
        (HEAD + "throughput: {rate: 30/minut}\n", "4:20", "throughput.rate", "must be a number of segments per time"),
        (HEAD + "throughput: {rate: 0/hour}\n", "4:20", "throughput.rate", "must allow from 1 to 100000 segments"),
        (
            HEAD + "throughput: {batch_size: 501}\n",
            "4:26",
            "throughput.batch_size",
            "a whole number from 1 to 500, not '501'",
        ),
        (HEAD + "devices: {use: [1, 2|x]}\n", "4:20", "devices.use[1]", "must be a device id, or an id and a SIM slot"),
        (HEAD + "devices: {use: [1, ~]}\n", "4:20", "devices.use[1]", "has no value"),
        (HEAD + "devices: {use: 0}\n", "4:16", "devices.use", "leave `use` out for the primary device"),
        (HEAD + "devices: {use: [2, 2]}\n", "4:16", "devices.use", "names 2 more than once"),
        (HEAD + "devices: {use: [1, 2], mode: all_sims}\n", "4:30", "devices.mode", "contradicts `use`"),
        (HEAD + "devices: {use: [1], random: yes}\n", "4:29", "devices.random", "has nothing to choose from"),
        (
            HEAD + "devices: {use: [1, 2], random: yes, stick: recipient}\n",
            "4:44",
            "devices.stick",
            "contradicts `random`",
        ),
        (HEAD + "devices: {mode: all_sims, stick: recipient}\n", "4:34", "devices.stick", "contradicts mode: all_sims"),
        (HEAD + "devices: {use: [1, 2], stick: phone}\n", "4:31", "devices.stick", "must be one of recipient, not"),
        (HEAD + "devices: {random: perhaps}\n", "4:19", "devices.random", "must be true or false, not 'perhaps'"),
        (HEAD + "follow: {until: 3 days}\n", "4:17", "follow.until", "must be a length of time, not '3 days'"),
        (HEAD + "follow: {until: 400d}\n", "4:17", "follow.until", "at most 366 days"),
        (HEAD + "approval: perhaps\n", "4:11", "approval", "must be true or false"),
    ],
)
def test_a_mistake_is_reported_at_its_place(
    tmp_path: Path, content: str | bytes, place: str, path: str, phrase: str
) -> None:
    problems = problems_of(tmp_path, content)

    assert [(f"{found.line}:{found.column}", found.path) for found in problems] == [(place, path)]
    assert phrase in str(problems[0])
    assert str(problems[0]).startswith(f"{tmp_path / 'sale.yaml'}:{place}: ")


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    content = "campaign: sale\ncampaign: sale\nkind: x\naudience: []\nfollow: {until: soon}\nthroughput: {rate: 1}\n"

    problems = problems_of(tmp_path, content)

    assert [found.path for found in problems] == [
        "message",
        "campaign",
        "kind",
        "audience",
        "follow.until",
        "throughput.rate",
    ]


def test_a_mistake_in_the_defaults_is_reported_in_their_file(tmp_path: Path) -> None:
    defaults = "kind: reminder\nschedule:\n  timezone: Nowhere\nmessage: Hello\n"

    problems = problems_of(tmp_path, "campaign: sale\nmessage: Hello\n", defaults)

    assert [(Path(found.file).name, found.line, found.path) for found in problems] == [
        ("defaults.yaml", 3, "schedule.timezone"),
        ("defaults.yaml", 4, "message"),
        ("sale.yaml", 1, "audience"),
    ]


def test_a_default_that_contradicts_the_file_is_reported_where_it_stands(tmp_path: Path) -> None:
    content = "campaign: sale\nmessage: Hi\naudience: {file: a.csv}\ndevices: {use: [1, 2]}\n"

    problems = problems_of(tmp_path, content, "devices: {mode: all_sims}\n")

    assert [(Path(found.file).name, found.line, found.path) for found in problems] == [
        ("defaults.yaml", 1, "devices.mode")
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CampaignFileError, match=r"gone\.yaml:1:1: the file cannot be read: No such file"):
        load_definition(tmp_path / "gone.yaml", timezone="UTC", region=None)


def test_no_problem_shows_a_number_or_a_text(tmp_path: Path) -> None:
    content = (
        "campaign: sale\nmessage: [secret text]\naudience: {recipients: '+393331234567'}\nexclude: +393331234567\n"
    )

    shown = "\n".join(map(str, problems_of(tmp_path, content)))

    assert "secret" not in shown
    assert "3331234567" not in shown
