"""Starting runs whose moment has come."""

from datetime import datetime

from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import runs


def start(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Move planned runs to `running` once they are due."""
    with runtime.store.read() as session:
        if not runs.any_due(session, runtime.account_id, now):
            return {"started": 0}
    with runtime.store.write("start") as session:
        started = runs.start_due_runs(session, runtime.account_id, now, only=runtime.only_runs)
    for run_id in started:
        get_logger().info("run.started", run=run_id)
    return {"started": len(started)}
