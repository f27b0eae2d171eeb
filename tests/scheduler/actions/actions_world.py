"""What every caller passes to an action: who asks, and a campaign."""

from typing import Final

from scheduler.actions.acting import Actor, ActorKind

ANNA: Final = Actor(ActorKind.CLI, "anna")

CAMPAIGN: Final = """\
campaign: spring-sale
message: Our spring sale starts today.
audience:
  - recipients:
      - {number: "+39 333 100 0001"}
      - {number: "+39 333 100 0002"}
schedule: {start: 2026-12-02 09:00, timezone: Europe/Rome}
"""
