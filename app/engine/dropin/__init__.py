"""An arq project, unchanged, on our engine: `steward worker their.module.WorkerSettings`.

    settings   the project's class is read: functions, queue, hooks, limits
    envelope   its runs are read and its results written as its own clients do, by its serializer
    jobs       its functions become jobs, called as arq calls them
    ctx        what they are called with
    hooks      its own code runs around each call
    cron       when its cron jobs are due,
    ticker     and who starts them then
    health     `arq --check` finds the worker
    burst      how many jobs a burst may run
    opening    all of it is put together around a `Worker` of ours

Claims, leases, fencing, wake-up and dead letters are the engine's own.
"""

from app.engine.dropin.envelope import Untrusted, refuse_pickle
from app.engine.dropin.opening import StartupFailed, open_arq_worker
from app.engine.dropin.settings import ArqSettings, read_arq_settings

__all__ = [
    "ArqSettings",
    "StartupFailed",
    "Untrusted",
    "open_arq_worker",
    "read_arq_settings",
    "refuse_pickle",
]
