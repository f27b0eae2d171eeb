"""The figures as tables, next to their targets."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from tests.bench.reporting.results import (
    MEBIBYTE,
    Exported,
    Idled,
    Lived,
    Paced,
    Planned,
    Scaled,
    Sent,
    Started,
    Timed,
    Waited,
)

PLAN_PER_SECOND: Final = {"SQLite": 66_000, "PostgreSQL": 50_000}  # the targets
PLAN_PEAK_MIB: Final = 250
TIMING_SECONDS: Final = 35
TIMING_PEAK_MIB: Final = 240
FORECAST_OFF: Final = 0.02
EXPORT_PER_SECOND: Final = 50_000
EXPORT_PEAK_MIB: Final = 100
RATIOS: Final = {1: 0.25, 10: 0.35, 100: 0.45}  # by batch size
LIFE_MICROSECONDS: Final = 150
LIFE_PEAK_MIB: Final = 200
LIFE_BYTES: Final = 250  # of the database, a text
ATTAINED: Final = 0.98
IDLE_SHARE: Final = 0.05
FIRST_REQUEST_SECONDS: Final = 1.0


def planning_table(planned: Sequence[Planned]) -> Table:
    """Speed and memory of planning, next to the targets."""
    table = Table(
        "recipients", "database", "seconds", "of CPU", "per second", "target", "peak MiB", "target",
        title="Planning: a CSV file, checked, planned and stored",
        caption="one process each; PostgreSQL runs with fsync off",
    )  # fmt: skip
    for row in planned:
        peak_mib, least = row.peak_bytes / MEBIBYTE, PLAN_PER_SECOND[row.database]
        table.add_row(
            f"{row.recipients:,}", row.database, f"{row.seconds:.2f}", f"{row.cpu_seconds:.2f}",
            f"{row.per_second:,.0f}", verdict(f"> {least:,}", row.per_second > least),
            f"{peak_mib:.0f}", verdict(f"< {PLAN_PEAK_MIB}", peak_mib < PLAN_PEAK_MIB),
        )  # fmt: skip
    return table


def timing_table(timed: Sequence[Timed]) -> Table:
    """What planning over many zones costs, and how far off its forecast is."""
    table = Table(
        "recipients", "seconds", "target", "of CPU", "peak MiB", "target", "forecast", "simulated", "off by", "target",
        title=f"Planning over {timed[0].zones} zones with sending hours and a rate: SQLite",
        caption="simulated: the stored batches, by the product's throttle and limits, on a clock of their own",
    )  # fmt: skip
    for row in timed:
        planned, peak_mib = row.planned, row.planned.peak_bytes / MEBIBYTE
        lasts = [f"{(at - row.first_send_at).total_seconds() / 3600:.3f} h" for at in (row.forecast_last_at,
                 row.simulated_last_at)]  # fmt: skip
        table.add_row(
            f"{planned.recipients:,}",
            f"{planned.seconds:.1f}", verdict(f"< {TIMING_SECONDS}", planned.seconds < TIMING_SECONDS),
            f"{planned.cpu_seconds:.1f}",
            f"{peak_mib:.0f}", verdict(f"< {TIMING_PEAK_MIB}", peak_mib < TIMING_PEAK_MIB),
            *lasts, f"{row.deviation:.2%}", verdict(f"< {FORECAST_OFF:.0%}", row.deviation < FORECAST_OFF),
        )  # fmt: skip
    return table


def exporting_table(exported: Sequence[Exported]) -> Table:
    """Speed and memory of exporting, next to the targets and a bare loop."""
    table = Table(
        "database", "seconds", "of CPU", "per second", "target", "bare loop", "of CPU", "ratio", "peak MiB", "target",
        title=f"Exporting {exported[0].recipients:,} recipients as CSV",
        caption="one process each; the bare loop reads the same rows by the driver and gives them to csv.writer; "
        "the ratio is of CPU",
    )  # fmt: skip
    for row in exported:
        peak_mib = row.peak_bytes / MEBIBYTE
        has_target = row.database == "SQLite"
        is_met = row.per_second > EXPORT_PER_SECOND
        table.add_row(
            row.database, f"{row.seconds:.1f}", f"{row.cpu_seconds:.1f}", f"{row.per_second:,.0f}",
            verdict(f"> {EXPORT_PER_SECOND:,}", is_met) if has_target else "",
            f"{row.bare_seconds:.1f}", f"{row.bare_cpu_seconds:.1f}", f"{row.ratio:.2f}",
            f"{peak_mib:.0f}", verdict(f"< {EXPORT_PEAK_MIB}", peak_mib < EXPORT_PEAK_MIB),
        )  # fmt: skip
    return table


def sending_table(sent: Sequence[Sent]) -> Table:
    """Speed of sending as a share of the bare loop's."""
    table = Table(
        "batch", "recipients", "product", "bare loop", "ratio", "each time", "target",
        title="Sending: from the start until the last recipient is recorded as accepted",
        caption="recipients per second, medians; one process, SQLite, sandbox without ledger file",
    )  # fmt: skip
    for row in sent:
        least = RATIOS.get(row.batch_size)
        table.add_row(
            str(row.batch_size), f"{row.recipients:,}", f"{row.product_per_second:,.0f}", f"{row.bare_per_second:,.0f}",
            f"{row.ratio:.2f}", " ".join(f"{ratio:.2f}" for ratio in row.ratios),
            verdict(f">= {least}", row.ratio >= least) if least else "",
        )  # fmt: skip
    return table


def life_table(lived: Sequence[Lived]) -> Table:
    """What a person costs from the file to the receipt, and memory."""
    table = Table(
        "people", "seconds", "of CPU", "us a person", "target", "reads", "peak MiB", "target", "export, peak MiB",
        "bytes a text", "target",
        title="A whole life: planned, sent, followed to the end and summed up by one `campaigns run`",
        caption="SQLite; phones that never make anybody wait; us of processor time; bytes of the database at the end",
    )  # fmt: skip
    for row in lived:
        peak_mib, cost, size = row.peak_bytes / MEBIBYTE, row.microseconds_a_person, row.bytes_a_text
        table.add_row(
            f"{row.people:,}", f"{row.seconds:.1f}", f"{row.cpu_seconds:.1f}",
            f"{cost:.0f}", verdict(f"< {LIFE_MICROSECONDS}", cost < LIFE_MICROSECONDS), f"{row.reads:,}",
            f"{peak_mib:.0f}", verdict(f"< {LIFE_PEAK_MIB}", peak_mib < LIFE_PEAK_MIB),
            f"{row.export_peak_bytes / MEBIBYTE:.0f}", f"{size:.0f}", verdict(f"< {LIFE_BYTES}", size < LIFE_BYTES),
        )  # fmt: skip
    return table


def pacing_table(paced: Sequence[Paced], *, batch_size: int) -> Table:
    """How much of each limit was used, and its fullest windows on both clocks."""
    table = Table(
        "limit", "attained", "target", "by", "1 s", "10 s", "60 s", "spread",
        title="Limits: the fullest window anywhere, in segments / as many as the limit allows",
        caption="by the throttle's clock it has to be exact; by the gateway's ledger one batch "
        f"({batch_size}) more is fine. Spread: by how much requests differed in the time from slot to gateway",
    )  # fmt: skip
    table.columns[0].min_width = max(len(word) for row in paced for word in row.what.split())
    for row in paced:
        if row.granted:
            table.add_row(
                row.what, f"{row.attained:.3f}", verdict(f">= {ATTAINED}", row.attained >= ATTAINED), "throttle",
                *(_window(got, most, 0) for got, most in zip(row.granted, row.allowed, strict=True)),
            )  # fmt: skip
        spread = "" if row.spread_seconds is None else f"{row.spread_seconds * 1000:,.0f} ms"
        share = "" if row.granted else f"{row.attained:.3f}"
        windows = (
            _window(got, most, min(batch_size, most or 0))
            for got, most in zip(row.arrived, row.allowed, strict=True)
        )  # fmt: skip
        table.add_row("" if row.granted else row.what, share, "", "gateway", *windows, spread, end_section=True)
    return table


def scaling_table(scaled: Sequence[Scaled]) -> Table:
    """Recipients per second for each way to send."""
    table = Table(
        "way", "per second",
        title=f"One campaign of {scaled[0].recipients:,}, without a rate: start until the last one is accepted",
        caption="requests of 100; sandbox without ledger file; PostgreSQL with fsync off",
    )  # fmt: skip
    for row in scaled:
        table.add_row(row.what, f"{row.per_second:,.0f}")
    return table


def waiting_table(waited: Sequence[Waited]) -> Table:
    """What waiting costs, and how soon everybody begins."""
    table = Table(
        "processes", "of a core", "target", "p50", "p99", "target", "last",
        title=f"{waited[0].campaigns} campaigns that wait for the same moment",
        caption="while they wait: the process with the clock; then: from that moment until the gateway has the first "
        "text of each, in seconds; requests of 10",
    )  # fmt: skip
    for row in waited:
        p99 = row.delay_seconds(0.99)
        table.add_row(
            row.what, f"{row.idle_share:.1%}", verdict(f"< {IDLE_SHARE:.0%}", row.idle_share < IDLE_SHARE),
            f"{row.delay_seconds(0.5):.2f}", f"{p99:.2f}",
            verdict(f"< {FIRST_REQUEST_SECONDS:g}", p99 < FIRST_REQUEST_SECONDS), f"{row.delay_seconds(1):.2f}",
        )  # fmt: skip
    return table


def starting_table(started: Sequence[Started], idled: Sequence[Idled]) -> Table:
    """What commands cost, and services without work."""
    table = Table(
        "command", "seconds of CPU", "target", "import sqlalchemy = 1",
        title="Starting: the processor time of a whole process",
        caption="\n".join(["the least of several, alternately", *map(_idle_line, idled)]),
    )  # fmt: skip
    for row in started:
        target = row.target_seconds
        table.add_row(
            row.what, f"{row.cpu_seconds:.3f}",
            "" if target is None else verdict(f"< {target:g}", row.cpu_seconds < target), f"{row.ratio:.2f}",
        )  # fmt: skip
    return table


def _idle_line(idled: Idled) -> str:
    most = idled.most_share
    target = "" if most is None else f" {verdict(f'< {most:.0%}', idled.share < most)}"
    return f"{idled.what}, nothing to do: {idled.share:.2%} of a core{target}"


def verdict(target: str, is_met: bool) -> str:
    """The target, and whether it was met."""
    return f"[green]{target}[/]" if is_met else f"[red]missed {target}[/]"


def _window(got: int, most: int | None, more: int) -> str:
    if most is None:
        return f"{got:,}"
    return f"[{'green' if got <= most + more else 'red'}]{got:,}[/]/{most:,}"
