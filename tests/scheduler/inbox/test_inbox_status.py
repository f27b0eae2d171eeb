"""What appears next to a campaign file: true, in plain words, always complete, written no more often than needed."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from campaigns.codes import PausedBy
from campaigns.display import shown_time
from campaigns.lifecycle import RunState
from scheduler.doctor.findings import Standing
from scheduler.doctor.inbox import check_inbox
from scheduler.inbox.foreign import OfAnotherInstallation, require_own
from tests.scheduler.inbox.inbox_world import TOMORROW, InboxWorld
from tests.support.clocks import FakeClock
from worker.servers.conditions import ServerTrouble, Trouble, sentence
from worker.store.events import EventName, record_event
from worker.store.following.devices import Waiting, record_stuck
from worker.store.runs import runs
from worker.store.runs.runs import RunView
from worker.store.sending import accounts, grants


def start(world: InboxWorld) -> None:
    world.start()


def pause(world: InboxWorld) -> None:
    world.send()
    with world.runtime.store.write() as session:
        runs.pause_run(
            session, world.a_run().id, PausedBy.GATEWAY, "the gateway refused the text", now=world.clock.now()
        )


def pause_account(world: InboxWorld) -> None:
    world.start()
    with world.runtime.store.write() as session:
        accounts.pause_account(
            session,
            world.runtime.account_id,
            PausedBy.ALARM,
            "no credits left",
            now=world.clock.now(),
            probe_at=None,
        )


def go_unread(world: InboxWorld) -> None:
    world.start()
    world.runtime.troubles.failed("replies:reads", ServerTrouble(Trouble.GATEWAY_UNREAD, "HTTP 500"))


def settle(world: InboxWorld) -> None:
    world.send()
    world.finish()


def complete(world: InboxWorld) -> None:
    settle(world)
    world.deliver()


def cancel(world: InboxWorld) -> None:
    world.send()
    with world.runtime.store.write() as session:
        runs.cancel_run(session, world.a_run().id, "cancelled by hand", world.clock.now())


ROME = "(Europe/Rome)"
SETTLING = "spring-sale: everything is sent; delivery reports are awaited until"


@pytest.mark.parametrize(
    ("more", "happens", "lines"),
    [
        ("", start, ["spring-sale: sending", f"Started: Tue 2026-12-01 10:00 {ROME}", "2 pending (not sent yet)"]),
        (
            "schedule: {window: {days: tue, from: '22:00', to: '24:00'}}\n",
            start,
            [f"spring-sale: waits for its sending hours (tue 22:00 to 24:00), continues Tue 2026-12-01 22:00 {ROME}"],
        ),
        (
            "",
            pause,
            [
                "spring-sale: paused: the gateway refused the text. Nothing more is sent until somebody resumes it",
                "2 accepted (handed over, no phone has sent it yet)",
            ],
        ),
        ("", pause_account, ["spring-sale: sending", "Nothing is sent at the moment: no credits left"]),
        (
            "",
            go_unread,
            ["spring-sale: sending", f"Please note: {sentence(Trouble.GATEWAY_UNREAD, 'HTTP 500')}"],
        ),
        ("follow: {until: 48h}\n", settle, [f"{SETTLING} Thu 2026-12-03 10:00 {ROME}"]),
        (
            "",
            complete,
            [
                "spring-sale: completed",
                f"Finished: Tue 2026-12-01 10:00 {ROME}",
                f"Forecast: texts leave Tue 2026-12-01 10:00 {ROME}",
                f"Happened: texts left Tue 2026-12-01 10:00 {ROME}",
                "2 delivered (arrived)",
            ],
        ),
        ("", cancel, ["spring-sale: cancelled: cancelled by hand. What was sent before is still followed"]),
    ],
)
def test_the_status_says_where_the_campaign_is_and_why(
    world: InboxWorld, more: str, happens: Callable[[InboxWorld], None], lines: list[str]
) -> None:
    # given a campaign that was picked up
    world.drop(more=more)
    world.pass_time()
    # when something happens to it
    happens(world)
    world.pass_time()
    # then its status says so, and the counts add up
    status = world.status().splitlines()
    assert set(lines) <= set(status)
    assert "3 in the audience, of these" in status
    counted = status[status.index("3 in the audience, of these") + 1 : -3]
    assert sum(int(line.split()[0]) for line in counted) == 3


@pytest.mark.parametrize(
    "reason",
    [
        "its phones have texted 40 different people each this month, as many as they may",
        "throughput.budget.daily (0.34 EUR a day) is spent",
    ],
)
def test_a_status_says_from_when_on_texts_wait_for_a_budget_and_no_longer(world: InboxWorld, reason: str) -> None:
    world.drop()
    world.pass_time()
    world.start()
    world.pass_time()
    assert "wait" not in world.status()

    until = world.clock.now() + timedelta(days=1)
    with world.runtime.store.write() as session:
        grants.postpone_run(session, world.a_run().id, until=until, reason=reason)
    world.pass_time()
    assert "spring-sale: sends nothing at the moment" in world.status()
    assert f"2 texts wait until {shown_time(until, ZoneInfo('Europe/Rome'))}: {reason}" in world.status().splitlines()

    with world.runtime.store.write() as session:
        grants.wake_spent(session, world.runtime.account_id, now=world.clock.now())
    world.pass_time()
    assert "wait" not in world.status()


def test_a_contact_list_is_named_before_its_people_are_known(world: InboxWorld) -> None:
    world.write("spring.yaml", "campaign: spring-sale\nmessage: Hi\naudience: [{contact_list: 12}]\n" + TOMORROW)

    world.pass_time()

    assert "Goes to contact list 12 of the gateway; its people are known once it is sent." in world.status()


def test_the_report_appears_at_the_end_and_not_before(world: InboxWorld) -> None:
    world.drop()
    world.pass_time()
    settle(world)
    world.pass_time()
    assert world.report() == []

    world.deliver()
    world.pass_time()

    assert [line.split(",")[:2] for line in world.report()[1:]] == [
        ["+393331234567", "delivered"], ["+393337654321", "delivered"], ["12", "invalid"],
    ]  # fmt: skip


def test_a_run_that_goes_on_after_its_end_is_reported_again(world: InboxWorld) -> None:
    # given a campaign that was completed and reported
    world.drop()
    world.pass_time()
    complete(world)
    world.pass_time()
    # when a person has a part of it sent again
    world.execute("UPDATE run SET state = 'running', finished_at = NULL")
    world.execute("UPDATE recipient SET state = 'failed' WHERE number LIKE '%567'")
    world.pass_time()
    assert world.status().startswith("spring-sale: sending")
    world.finish()
    world.finish()
    world.pass_time()
    # then status and report are those of its second end
    assert world.a_run().state is RunState.COMPLETED
    assert "1 failed (could not be sent)" in world.status()
    assert world.report()[1].startswith("+393331234567,failed")


def test_a_status_is_written_only_when_its_words_change_and_at_most_every_two_seconds(world: InboxWorld) -> None:
    world.drop()
    world.pass_time(2)
    assert world.pass_time(10)["written"] == 0

    world.send()
    world.pass_time(2)
    world.execute("UPDATE recipient SET state = 'sent' WHERE number LIKE '%567'")

    assert [world.pass_time(0.5)["written"] for _ in range(5)].count(1) == 1


def test_a_status_deleted_by_a_person_comes_back_with_the_next_change(world: InboxWorld) -> None:
    path = world.write("spring.yaml", "campaign: spring-sale\n")
    world.pass_time()
    (world.inbox / "spring.status.txt").unlink()

    path.write_text("campaign: spring-sale \n", encoding="utf-8")
    world.pass_time()

    assert world.status().startswith("spring.yaml cannot be used.")


def test_a_status_that_cannot_be_written_is_logged_once_and_written_later(world: InboxWorld) -> None:
    # given something else in the place of the status file
    world.drop(more=TOMORROW)
    blocker = world.inbox / "spring.status.txt"
    blocker.mkdir()
    # when the file is picked up and half a minute passes
    with capture_logs() as logs:
        world.pass_time(35)
    # then the campaign is planned, and the problem logged once
    assert world.a_run().planned_at is not None
    assert [entry["event"] for entry in logs].count("inbox.status_not_written") == 1
    # and the status appears soon after it can
    blocker.rmdir()
    world.pass_time(30)
    assert world.status().startswith("spring-sale: planned")


def test_l3_a_link_in_the_place_of_a_folder_is_told_with_what_to_do(world: InboxWorld) -> None:
    world.drop("shop/spring.yaml", more=TOMORROW)
    world.pass_time()
    shop = world.inbox / "shop"
    shop.rename(world.inbox.with_name("elsewhere"))
    with capture_logs() as logs:
        shop.symlink_to(world.inbox.with_name("elsewhere"), target_is_directory=True)
        world.execute("UPDATE inbox_file SET problem = 'other'")
        world.pass_time(35)
    (told,) = [entry["problem"] for entry in logs if entry["event"] == "inbox.status_not_written"]
    assert "a link is in place of the folder" in told
    assert "remove the link and put the folder back" in told


def test_no_draft_is_left_and_no_link_is_followed_by_writing(world: InboxWorld, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("keep me", encoding="utf-8")
    world.drop(more=TOMORROW)
    for name in (".spring.status.txt.tmp", "spring.status.txt"):
        (world.inbox / name).symlink_to(precious)

    world.pass_time()

    assert precious.read_text(encoding="utf-8") == "keep me"
    assert world.status().startswith("spring.yaml waits")  # nobody knows what is behind the link
    assert sorted(path.name for path in world.inbox.iterdir()) == ["people.csv", "spring.status.txt", "spring.yaml"]


def test_two_files_that_differ_in_their_ending_only_have_a_status_each(world: InboxWorld) -> None:
    world.drop("spring.yaml")
    world.drop("spring.yml", slug="other")

    world.pass_time()

    assert world.status("spring").startswith("spring-sale: planned")
    assert world.status("spring.yml").startswith("other: planned")


class SlowMachine(FakeClock):
    """Whatever is measured with it takes a fifth of a second."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = count()

    def elapsed_seconds(self) -> float:
        return super().elapsed_seconds() + 0.2 * next(self._looks)


def test_a_large_campaign_is_counted_less_often(tmp_path: Path) -> None:
    # given a campaign whose counting takes a fifth of a second
    world = InboxWorld(tmp_path, clock=SlowMachine())
    world.drop()
    world.pass_time()
    world.send()
    world.pass_time()
    # when its texts arrive just after a count
    world.execute("UPDATE recipient SET state = 'delivered' WHERE state = 'accepted'")
    # then the status follows ten seconds after that count
    assert world.pass_time(7)["written"] == 0
    assert world.pass_time(4)["written"] == 1
    world.close()


def test_a_status_that_fails_leaves_the_others_theirs(world: InboxWorld, tmp_path: Path) -> None:
    # given two campaigns, and a database that lost what the first of them says
    world.drop("a.yaml")
    world.drop("b.yaml", slug="other")
    world.pass_time()
    world.execute("UPDATE definition SET body = '{}' WHERE source = 'a.yaml'")
    later = InboxWorld(tmp_path, clock=world.clock)
    # when both begin
    later.start()
    with capture_logs() as logs:
        later.pass_time()
    # then the second says so
    assert later.status("b").startswith("other: sending")
    assert [entry["file"] for entry in logs if entry["event"] == "inbox.status_failed"] == ["a.yaml"]
    later.close()


STUCK = f"Phone 2 has held texts since Tue 2026-12-01 10:00 {ROME} and sends none"
MEND = "Check whether it is on, has a connection and runs the gateway's app."


@pytest.mark.parametrize(
    ("devices", "waiting", "unsent", "says"),
    [
        (
            "{use: [1, 2, 3]}",
            1,
            1,
            ": 1 text of this campaign waits there. 1 text not sent yet goes through phone 1 and phone 3 instead.",
        ),
        ("{use: [1, 2, 3]}", 0, 2, ". 2 texts not sent yet go through phone 1 and phone 3 instead."),
        ('{use: ["1|0", 2]}', 0, 2, ". 2 texts not sent yet go through phone 1 (SIM slot 0) instead."),
        ("{use: [1, 2, 3]}", 2, 0, ": 2 texts of this campaign wait there."),
        ("{use: [1, 2, 3]}", 0, 0, ""),
        ("{use: [1, 3]}", 0, 2, ""),
        ("{use: 2}", 0, 1, ". 1 text not sent yet cannot go through another one: the campaign names none."),
        (
            "{mode: all_devices}",
            1,
            1,
            ": 1 text of this campaign waits there. The gateway chooses the phone of 1 text not sent yet.",
        ),
    ],
)
def test_a_stuck_phone_stands_in_the_status_of_the_campaigns_that_it_concerns(
    world: InboxWorld, devices: str, waiting: int, unsent: int, says: str
) -> None:
    # given a campaign to two people, some of them at a phone, some not sent to yet, the others done
    world.drop(more=f"devices: {devices}\n")
    world.pass_time()
    world.send()
    world.execute("UPDATE recipient SET state = 'delivered' WHERE state = 'accepted'")
    ids = "(SELECT id FROM recipient WHERE state = 'delivered' LIMIT {})"
    world.execute(f"UPDATE recipient SET state = 'accepted', device = 2 WHERE id IN {ids.format(waiting)}")
    world.execute(f"UPDATE recipient SET state = 'pending' WHERE id IN {ids.format(unsent)}")
    # when the phone is found to be stuck
    with world.runtime.store.write() as session:
        texts = Waiting(2, 7, world.clock.now(), above_id=0)
        record_stuck(session, world.runtime.account_id, texts, now=world.clock.now())
    world.pass_time()
    # then the status says so where it matters, with what to do, until the phone sends again
    said = [line for line in world.status().splitlines() if line.startswith("Phone")]
    assert said == ([f"{STUCK}{says} {MEND}"] if says else [])
    world.execute("DELETE FROM stuck_device")
    world.pass_time()
    assert "Phone" not in world.status()


def test_figures_below_a_trouble_say_when_they_were_read(world: InboxWorld) -> None:
    # given a campaign whose status was looked at, and no look since
    world.drop()
    world.pass_time(10)
    database = world.runtime.store.sqlite_path
    assert database is not None
    away = database.rename(database.with_name("away.db"))
    # when the trouble is reported
    world.clock.advance(60)
    with pytest.raises(ServerTrouble):
        world.pass_time()
    away.rename(database)
    # then its time is not mistaken for that of the figures
    said = world.status()
    assert re.search(r"Before that, at Tue 2026-12-01 10:00:\d\d \(Europe/Rome\):\n\nspring-sale: planned", said), said
    assert "Last updated: Tue 2026-12-01 10:01:1" in said


def test_a_status_of_another_installation_counts_from_when_that_one_wrote_it(world: InboxWorld) -> None:
    # given a campaign whose status another installation wrote an hour before the gateway was asked what it has
    world.drop()
    status = world.write("spring.status.txt", "spring-sale: sending\n\nInstallation: 740d6c1ec0c029e5\n")
    began = world.clock.now()
    os.utime(status, (began.timestamp(), began.timestamp()))
    world.pass_time()
    assert (world.run(), world.status().startswith("spring.yaml waits")) == (None, True)
    world.clock.advance(3_600)
    with world.runtime.store.write() as session:
        record_event(session, EventName.ACCOUNT_RECOVERED, world.clock.now(), detail={})
    # when this one then writes its own words over it, like a process that the last one's end surprised
    later = (began + timedelta(hours=2)).timestamp()
    os.utime(status, (later, later))
    world.restart()
    world.pass_time()
    # then the campaign is picked up all the same
    assert world.a_run().state is RunState.SCHEDULED


WHOLE = (
    "spring-sale: completed\n\nLast updated: Tue 2026-12-01 09:00:00 (Europe/Rome)\nInstallation: 740d6c1ec0c029e5\n"
)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda status: status.write_text(""),
        lambda status: status.write_text(WHOLE[:30]),
        lambda status: status.write_text("Notes of Anna\n"),
        lambda status: status.symlink_to("/nowhere/spring.status.txt"),
    ],
    ids=["empty", "torn", "somebody's", "a link"],
)
def test_a_status_that_cannot_be_read_may_be_of_another_installation(
    world: InboxWorld, spoil: Callable[[Path], object]
) -> None:
    path = world.drop()
    status = path.with_name("spring.status.txt")
    spoil(status)

    world.pass_time()
    assert world.run() is None
    assert world.status().startswith(
        "spring.yaml waits and is not sent: spring.status.txt cannot be read, or is "
        "incomplete; another installation may have written it and sent spring-sale already, and this database"
    )

    world.restart()
    world.pass_time(130)  # it is looked at again, and what is there now is our own
    assert world.run() is None
    with pytest.raises(OfAnotherInstallation, match="cannot be read, or is incomplete"):
        require_own(world.runtime, path, "spring-sale")

    status.unlink()
    world.pass_time(130)
    assert world.a_run().state is RunState.SCHEDULED


def test_a_pipe_in_the_place_of_a_status_stops_nothing(world: InboxWorld) -> None:
    os.mkfifo(world.drop().with_name("spring.status.txt"))

    world.pass_time()

    assert world.status().startswith("spring-sale: planned")


def test_the_status_of_a_rehearsal_keeps_no_campaign_from_being_sent(world: InboxWorld, tmp_path: Path) -> None:
    rehearsal = InboxWorld(tmp_path, rehearsal=True, clock=world.clock)
    rehearsal.drop()
    rehearsal.pass_time()
    rehearsal.close()
    assert rehearsal.status().endswith("\nInstallation: rehearsal\n")

    world.restart()
    world.pass_time()

    assert real_run(world) is not None


def lost_a_renamed(world: InboxWorld) -> str:
    world.write("ren.status.txt", WHOLE)
    return "ren.status.txt"


def lost_b_moved_to_a_subfolder(world: InboxWorld) -> str:
    world.write("spring.status.txt", WHOLE)
    world.drop("sub/spring.yaml")
    (world.inbox / "ren.yaml").unlink()
    return "../spring.status.txt"


def lost_b_a_copy_beside_it(world: InboxWorld) -> str:
    world.drop()
    world.write("spring.status.txt", WHOLE)
    world.pass_time()  # our own words are written over it
    return "spring.status.txt"


def lost_b_from_a_subfolder(world: InboxWorld) -> str:
    world.write("sub/spring.status.txt", f"Nothing is sent at the moment: away\n\nBefore that:\n\n{WHOLE}")
    return "sub/spring.status.txt"


def lost_c_without_its_last_line(world: InboxWorld) -> str:
    world.write("ren.status.txt", WHOLE.rpartition("Installation")[0])
    return "ren.status.txt"


def lost_c_torn_in_its_last_line(world: InboxWorld) -> str:
    world.write("ren.status.txt", WHOLE[:-8])
    return "ren.status.txt"


def lost_c_the_mark_of_a_rehearsal_torn(world: InboxWorld) -> str:
    world.write("ren.status.txt", WHOLE.replace("740d6c1ec0c029e5\n", "rehears"))
    return "ren.status.txt"


def lost_with_the_line_ends_of_windows(world: InboxWorld) -> str:
    world.write("ren.status.txt", WHOLE.replace("\n", "\r\n"))
    return "ren.status.txt"


def lost_empty_under_the_name_of_the_campaign(world: InboxWorld) -> str:
    world.write("spring-sale.status.txt", "")
    return "spring-sale.status.txt"


def lost_written_over_while_the_file_could_not_be_used(world: InboxWorld) -> str:
    world.write("ren.status.txt", WHOLE)
    table = (world.inbox / "people.csv").rename(world.inbox / "away.csv")
    world.pass_time()
    assert world.status("ren").startswith("ren.yaml is waiting for people.csv.")
    table.rename(world.inbox / "people.csv")
    return "ren.status.txt"


def lost_renamed_while_it_was_held(world: InboxWorld) -> str:
    lost_b_a_copy_beside_it(world)
    (world.inbox / "spring.yaml").unlink()
    world.pass_time()
    assert world.status().startswith("Cancelled: spring.yaml was removed")
    return "spring.status.txt"


def lost_written_over_by_a_rehearsal(world: InboxWorld) -> str:
    world.write("ren.status.txt", WHOLE)
    rehearsal = InboxWorld(world.inbox.parent, rehearsal=True, clock=world.clock)
    rehearsal.pass_time()
    rehearsal.close()
    assert "This is a rehearsal" in world.status("ren")
    return "ren.status.txt"


def real_run(world: InboxWorld) -> RunView | None:
    """The latest run of the campaign that is no rehearsal."""
    with world.runtime.store.read() as session:
        return runs.find_campaign_run(session, "spring-sale", rehearsal=False)


@pytest.mark.parametrize(
    "loses",
    [
        lost_a_renamed,
        lost_b_moved_to_a_subfolder,
        lost_b_a_copy_beside_it,
        lost_b_from_a_subfolder,
        lost_c_without_its_last_line,
        lost_c_torn_in_its_last_line,
        lost_c_the_mark_of_a_rehearsal_torn,
        lost_with_the_line_ends_of_windows,
        lost_empty_under_the_name_of_the_campaign,
        lost_written_over_while_the_file_could_not_be_used,
        lost_renamed_while_it_was_held,
        lost_written_over_by_a_rehearsal,
    ],
    ids=lambda each: each.__name__,
)
def test_a_status_anywhere_in_the_inbox_holds_the_campaign_that_it_names(
    world: InboxWorld, loses: Callable[[InboxWorld], str]
) -> None:
    # given a campaign that another installation sent, and the status of that one somewhere in the inbox
    world.drop("ren.yaml")
    named = loses(world)
    path = next(path for path in world.inbox.rglob("*.yaml") if path.name != "spring.yaml" or path.parent.name == "sub")
    # when this one finds it there
    world.pass_time()
    # then nothing of it is planned, whichever way it comes in
    assert real_run(world) is None
    status = world.status(str(path.relative_to(world.inbox).with_suffix("")))
    assert status.startswith(f"{path.name} waits and is not sent: ")
    assert named in status
    with pytest.raises(OfAnotherInstallation, match=re.escape(f"remove {named}.")):
        require_own(world.runtime, path, "spring-sale")
    found = check_inbox(world.inbox, world.runtime.store, world.runtime.account_id)
    assert path.name in {finding.says.partition(" ")[0] for finding in found}
    world.restart()
    world.pass_time(65)
    assert real_run(world) is None
    # and it is released where that status is removed
    (path.parent / named).unlink()
    world.pass_time(65)
    assert real_run(world) is not None


def test_a_status_that_names_another_campaign_holds_nothing_but_its_own_file(world: InboxWorld) -> None:
    world.write("autumn.status.txt", WHOLE.replace("spring", "autumn"))
    world.drop()

    world.pass_time()

    assert world.a_run().state is RunState.SCHEDULED


def test_the_doctor_names_the_campaigns_that_wait_for_that(world: InboxWorld) -> None:
    for name, text in [("spring", "torn"), ("autumn", WHOLE), ("winter", None)]:
        world.drop(f"{name}.yaml", slug=f"{name}-sale")
        if text is not None:
            world.write(f"{name}.status.txt", text)
    world.pass_time()

    found = list(check_inbox(world.inbox, world.runtime.store, world.runtime.account_id))

    assert [(finding.standing, finding.says.partition(":")[0]) for finding in found] == [
        (Standing.WARNING, "autumn.yaml waits and is not sent"),
        (Standing.WARNING, "spring.yaml waits and is not sent"),
    ]
    assert "autumn.status.txt was written by another installation" in found[0].says
    assert "spring.status.txt cannot be read" in found[1].says
    assert {finding.advice.partition(".")[0] for finding in found} == {
        "To find out from the gateway who got it, stop the service and run: campaigns recover"
    }
