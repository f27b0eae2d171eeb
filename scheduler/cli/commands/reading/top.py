"""`top`: what is at work, on a terminal."""

import sys
from typing import Annotated, Final

import typer

from scheduler.cli.completing import campaign_names

EVERY_SECONDS: Final = 2.0


def top(
    campaign: Annotated[
        str | None,
        typer.Argument(
            metavar="CAMPAIGN", help="Begin with one campaign; default: all at work.", autocompletion=campaign_names
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print it once; so does a pipe or a file.")] = False,
) -> None:
    """Show what is at work and one campaign over time, refreshed every two seconds, until q or Ctrl-C.

    Keys: q leaves, n and p show the next and the previous campaign, a shows all of them.
    """
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from campaigns.clock import SystemClock
    from scheduler.actions.opening import campaign_store
    from scheduler.actions.reading.alerts import read_alerts
    from scheduler.actions.reading.lists import read_needs
    from scheduler.actions.reading.runs import read_course, read_line, read_now
    from scheduler.cli.rendering.output import NOT_A_TERMINAL_COLUMNS
    from scheduler.cli.rendering.top import KEYS, draw_campaign, draw_now, keys
    from worker.settings.settings import load_settings

    settings, clock = load_settings(), SystemClock()
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with campaign_store(settings) as store:

        def drawn(name: str | None) -> Group:
            now, zone = clock.now(), settings.zone
            if name is None:
                needs = read_needs(store).sentences()
                return draw_now(read_alerts(store), needs, read_now(store, zone, now=now), zone, now)
            line = read_line(store, name, zone, now=now)
            return draw_campaign(line, read_course(store, line.seen, now=now), zone, now)

        if once or not is_terminal:
            Console(width=None if sys.stdout.isatty() else NOT_A_TERMINAL_COLUMNS).print(drawn(campaign))
            return
        first = drawn(campaign)  # what cannot be shown is said before the screen changes
        try:
            with keys() as pressed, Live(first, console=Console(), screen=True, auto_refresh=False) as live:
                while True:
                    live.update(Group(drawn(campaign), Text(), Text(KEYS, style="dim")), refresh=True)
                    key = pressed.wait(EVERY_SECONDS)
                    if key == "q":
                        return
                    if key == "a":
                        campaign = None
                    elif key in {"n", "p"}:
                        names = [line.seen.run.campaign for line in read_now(store, settings.zone, now=clock.now())]
                        campaign = beside(names, campaign, 1 if key == "n" else -1)
        except KeyboardInterrupt:
            return


def beside(names: list[str], name: str | None, way: int) -> str | None:
    """Return the name after (1) or before (-1) this one, around the end; None if there is no name."""
    if not names:
        return name
    if name not in names:
        return names[0 if way > 0 else -1]
    return names[(names.index(name) + way) % len(names)]
