"""The steps from the link that the service prints to the end of a campaign: for tests, and for the guide's pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.scheduler.web.desk.walking import Hands, Service

PASSWORD: Final = "correct horse battery"
PEOPLE: Final = 60
QUESTION: Final = "Until when is the shop open?"
FAILING: Final = "+393339990001"
"""A number whose texts the sandbox fails to send, without saying why: nothing proves that none has left."""

TABLE: Final = (
    "number,first_name\n"
    + "".join(f"+39333000{n:04},Anna {n}\n" for n in range(PEOPLE))
    + f"{FAILING},Luca\n12,Nobody\n"
)
BROKEN: Final = """\
campaign: spring-sale
message: Hi {{ first_name }}, our spring sale starts on Saturday. Reply STOP to opt out.
audiense:
  file: customers.csv
throughput:
  rate: 6 a second
  batch_size: 2
devices: {use: [1, 2]}
approval: true
"""
MENDED: Final = BROKEN.replace("audiense", "audience").replace("6 a second", "6/second")


@dataclass
class Walk:
    """Two people at their browsers, and the service that they use."""

    service: Service
    anna: Hands
    bob: Hands
    folder: Path
    pictures: Path | None = None

    @property
    def all(self) -> tuple[Hands, Hands]:
        return self.anna, self.bob

    def shot(self, name: str, hands: Hands, *, width: int = 1280, theme: str = "light") -> None:
        """Take a picture of what somebody sees, if this walk is for pictures."""
        if self.pictures is None:
            return
        page = hands.page
        page.set_viewport_size({"width": width, "height": 760})
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of the two
        page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
        page.screenshot(path=self.pictures / f"{name}.png")
        page.set_viewport_size({"width": 1280, "height": 760})
        page.emulate_media(color_scheme="light")


def come_in(walk: Walk) -> None:
    anna = walk.anna
    anna.page.goto(walk.service.link)
    anna.heading("Welcome")
    walk.shot("welcome", anna)
    anna.fill("Name", "anna")
    anna.fill("Password, at least 12 characters", PASSWORD)
    anna.press("Make this user and go on")
    anna.heading("Now")
    anna.sees("Rehearsal in a sandbox: nobody gets a real text.", "Nothing needs you.")


def add_a_colleague(walk: Walk) -> None:
    anna, bob = walk.all
    anna.follow("Users")
    anna.fill("Name", "bob")
    anna.choose("Role", "operator")
    anna.fill("Password, at least 12 characters", PASSWORD)
    anna.press("Add")
    anna.sees("bob may sign in")
    walk.shot("users", anna)
    bob.page.goto(walk.service.link.partition("/first")[0] + "/needs")
    bob.heading("Sign in")
    bob.fill("Name", "bob")
    bob.fill("Password", PASSWORD)
    bob.press("Sign in")
    bob.heading("Needs you")


def bring_a_broken_file(walk: Walk) -> None:
    anna = walk.anna
    campaign, table = walk.folder / "spring-sale.yaml", walk.folder / "customers.csv"
    campaign.write_text(BROKEN)
    table.write_text(TABLE)
    anna.follow("New campaign")
    anna.bring(campaign, table)
    anna.press("Check")
    anna.sees(
        f"customers.csv is stored, with {PEOPLE + 2} rows",
        "Line 3, column 1: audiense",
        "Line 6, column 9: throughput.rate",
    )
    anna.sees("1 row without a usable number")
    walk.shot("mistakes", anna)


def mend_it(walk: Walk) -> None:
    anna = walk.anna
    anna.fill("Campaign file", MENDED)
    anna.press("Check")
    anna.sees("No mistakes were found")


def plan_and_submit(walk: Walk) -> None:
    anna = walk.anna
    anna.press("Plan")
    anna.sees("What spring-sale would do", f"Audience {PEOPLE + 2}", f"Pending {PEOPLE + 1}", "Invalid 1")
    anna.sees("Hi Anna 0, our spring sale starts on Saturday.", "It needs approval")
    walk.shot("plan", anna)
    anna.press("Submit exactly this plan")
    anna.sees("spring-sale is submitted. Nothing is sent until somebody approves its plan.")


def approve_as_somebody_else(walk: Walk) -> None:
    anna, bob = walk.all
    anna.press("Approve exactly this plan")
    anna.heading("Somebody else has to approve this")
    bob.follow("Needs you")
    bob.sees("Plans to approve", "If nobody approves it, nothing is sent")
    walk.shot("needs-you", bob)
    bob.follow("Look at the plan of spring-sale")
    bob.heading("Plan of spring-sale")
    bob.press("Approve exactly this plan")
    bob.sees("spring-sale is approved")


def watch_it_send(walk: Walk) -> None:
    bob = walk.bob
    bob.until(lambda: bob.figure("delivered") > 0, "the first text is delivered")
    bob.until(lambda: _adds_up(bob), "all states add up to the audience")
    walk.shot("sending", bob)
    walk.shot("sending-phone", bob, width=375, theme="dark")


def _adds_up(hands: Hands) -> bool:
    states = hands.page.locator("ul.bar strong").all_inner_texts()
    return sum(int(each.replace(",", "")) for each in states) == PEOPLE + 2


def pause(walk: Walk) -> None:
    bob = walk.bob
    bob.press("Pause")
    bob.sees("spring-sale is paused")
    assert bob.figure("pending") > 0, bob.text()


def one_phone_sticks(walk: Walk) -> None:
    """It is switched off while the campaign is paused, and sends nothing once that goes on."""
    walk.service.phone(2, "off")
    walk.service.leave_some_out()
    bob = walk.bob
    bob.press("Resume")
    bob.sees("spring-sale goes on")
    bob.follow("Fleet")
    bob.sees("stuck since")
    walk.shot("stuck-phone", bob)
    walk.service.phone(2, "on")
    bob.until(lambda: "stuck since" not in bob.text(), "the phone is no longer stuck")


def people_answer(walk: Walk) -> None:
    anna, service = walk.anna, walk.service
    service.answers("+393330000001", QUESTION)
    service.answers("+393330000002", "STOP")
    anna.follow("Replies")
    anna.until(lambda: _reloaded(anna, QUESTION), "the question")
    anna.follow(QUESTION, within="main")
    anna.fill("Answer", "Until 8 pm.")
    anna.press("Send the answer")
    anna.sees("The answer is on its way: 1 segment", "anna answered this reply")
    anna.until(lambda: _reloaded(anna, "delivered)"), "the answer is delivered")
    walk.shot("answered", anna)
    anna.follow("Opt-outs")
    anna.until(lambda: _reloaded(anna, "+393330000002"), "the STOP")
    walk.shot("opt-outs", anna)


def _reloaded(hands: Hands, words: str) -> bool:
    if words in hands.text():
        return True
    hands.page.reload()
    return False


def see_it_end(walk: Walk) -> None:
    bob = walk.bob
    bob.follow("Campaigns")
    bob.follow("spring-sale")
    bob.until(lambda: "completed" in bob.text() and bob.figure("failed") > 1, "it is over")
    bob.until(lambda: _adds_up(bob), "all states add up to the audience")
    assert (bob.figure("delivered") + bob.figure("failed"), bob.figure("invalid")) == (PEOPLE + 1, 1)
    assert bob.page.get_by_role("button", name="Pause").count() == 0, "what can no longer be done is not offered"
    walk.shot("finished", bob)


def send_again_what_failed(walk: Walk) -> None:
    bob = walk.bob
    bob.follow("Whose texts failed")
    bob.sees(FAILING)
    bob.choose("For everybody who matches", "resend")
    bob.press("See what it would do")
    bob.heading("Send failed texts again")
    bob.sees("2 people would be sent to again", "1 person: their text may have been sent")
    walk.shot("again", bob)
    bob.press("Send failed texts again: 2 people")
    bob.sees("Send failed texts again: done for 2 people")
    bob.follow("Audit")
    bob.sees("user: anna", "user: bob", "approve", "pause", "resume", "resend")


def read_the_report(walk: Walk) -> None:
    """A colleague gets it as a file, which needs no service."""
    file, page = walk.folder / "spring-sale.html", walk.bob.page
    walk.service.command("export", "spring-sale", "--format", "html", "--output", str(file))
    page.goto(file.as_uri())
    walk.bob.heading("spring-sale")
    walk.bob.sees("a rehearsal in the sandbox", f"People {PEOPLE + 2}")
    walk.shot("report", walk.bob)


STEPS: Final[tuple[Callable[[Walk], None], ...]] = (
    come_in,
    add_a_colleague,
    bring_a_broken_file,
    mend_it,
    plan_and_submit,
    approve_as_somebody_else,
    watch_it_send,
    pause,
    one_phone_sticks,
    people_answer,
    see_it_end,
    send_again_what_failed,
    read_the_report,
)
