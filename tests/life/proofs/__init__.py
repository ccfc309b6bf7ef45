"""Of each job of the timetable: what it is left to do before a day, and what shows that it did.

    scene       where it happens: a home, what is around it, and the day
    ai mail sync sms files upkeep watch     the proofs, a domain each

A proof looks at the world: at what a server was told, what lies in a folder, what the database has.
It wants the work done once, and what was not to be touched left alone.
"""

from collections.abc import Mapping

from tests.life.proofs import ai, files, mail, sms, sync, upkeep, watch
from tests.life.proofs.scene import Proof, Scene

__all__ = ["NEEDS", "PROOFS", "Proof", "Scene"]

PROOFS: Mapping[str, Proof] = {
    **ai.PROOFS,
    **mail.PROOFS,
    **sync.PROOFS,
    **sms.PROOFS,
    **files.PROOFS,
    **upkeep.PROOFS,
    **watch.PROOFS,
}
NEEDS: Mapping[str, str] = {
    "ai.evaluate_events": "sync.sync_calendar_events",
    "sms.sms_health": "sms.process_sms_retries",
}
"""Jobs that have nothing to show unless another one has done its work before."""
