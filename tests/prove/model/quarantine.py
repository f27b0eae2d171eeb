"""The quarantine after a restored database, which the histories need and the product's rules require."""

from datetime import datetime

from campaigns.lifecycle import BatchState, RecipientState
from tests.prove.model.database import Database
from tests.prove.model.rows import Attempt


def quarantine(db: Database, now: datetime) -> None:
    """Anybody pending may have been sent to since the backup: they are in doubt, like the people of a lost request.

    One round of it: a number that is in doubt in another run must wait for the next round. What was in doubt when the
    backup was made may have been settled and sent again since. Nothing is sent before the last round.
    """
    restored = db.account.restored
    if restored is None:
        return
    if not restored.has_begun:
        restored.has_begun = True
        for attempt in db.attempts:
            if attempt.state != "closed":
                attempt.send_by, attempt.looks, attempt.state = restored.send_by, [], "open"
                db.mark_unknown(attempt, "unknown", now)
    for batch in db.batches:
        taken = {r.number for r in db.in_doubt()}
        waiting = [r for r in db.pending(batch) if r.id not in restored.looked_up]
        people = tuple(r for r in waiting if r.number not in taken)
        is_list = batch.run.list_id is not None and batch.id not in restored.lists
        if not (people or is_list) or not db.move_batch(batch, BatchState.SENDING):
            continue
        batch.attempt += 1
        for recipient in people:
            db.move(recipient, RecipientState.IN_DOUBT, "")
        restored.looked_up.update(r.id for r in people)
        restored.lists.add(batch.id)
        attempt = Attempt(
            len(db.attempts) + 1, batch, batch.attempt, restored.backup_at, restored.send_by, restored.id_floor,
            people, now,
        )  # fmt: skip
        db.attempts.append(attempt)
        db.mark_unknown(attempt, "unknown", now)
    if all(a.state == "closed" for a in db.attempts):
        db.account.restored = None
