"""What must be true of every picture: I1 to I4 and I7, and that it is what the model says."""

from collections import Counter

from tests.engine.machine.ledger import WholeModel as Model
from tests.engine.machine.picture import Picture
from tests.engine.machine.runs import Place

_TERMINAL = ("succeeded", "cancelled", "dead")


def check(picture: Picture, model: Model) -> None:
    """All of them."""
    each_run_stands_in_one_place(picture, model)
    no_payload_is_lost(picture, model)
    nothing_is_done_twice(picture, model)
    each_run_has_one_owner(picture, model)
    accepted_is_the_sum(picture, model)
    nothing_is_left_over(picture, model)
    the_model_agrees(picture, model)


def places(picture: Picture, id: str) -> list[str]:
    """Everywhere a run may be found, and how it ended if it did."""
    found = [name for name, members in picture.queues.items() if id in members]
    if id in picture.letters:
        found.append("letter")
    elif id in picture.results:
        found.append("result")
    if id in picture.markers:
        found.append("marker")
    return found


def each_run_stands_in_one_place(picture: Picture, model: Model) -> None:
    """I1: queued once, or over in one way; none is missing."""
    for id, run in model.runs.items():
        found = places(picture, id)
        assert len(found) == 1, f"I1: {id} is {run.place}, found in {found}"
        assert (found[0] == run.new.queue) == (not run.is_over), f"I1: {id} is in {found}"


def no_payload_is_lost(picture: Picture, model: Model) -> None:
    """I2: what waits, runs or lies in a dead letter has its bytes, whole."""
    for id, run in model.runs.items():
        if not run.is_over:
            assert picture.payloads.get(id) == run.new.payload, f"I2: {id} waits without payload"
        if run.place is Place.DEAD:
            assert picture.letters[id]["payload"] == run.new.payload, f"I2: {id} died without"


def nothing_is_done_twice(picture: Picture, model: Model) -> None:
    """I3: every run that was accepted ends once at most, by what its events say."""
    ends = Counter[str]()
    for (id, ending), count in picture.events.items():
        ends[id] += count if ending in _TERMINAL else 0
    for id, accepted in model.receipts.items():
        run = model.runs.get(id)
        is_open = run is not None and not run.is_over
        assert ends[id] == accepted - is_open, f"I3: {id} ended {ends[id]} times of {accepted}"


def each_run_has_one_owner(picture: Picture, model: Model) -> None:
    """I4: whoever has a lease has it alone, and only on a run that is not over."""
    owners = {id: run.lease_text for id, run in model.runs.items() if run.lease}
    assert picture.leases == owners, "I4: leases"


def accepted_is_the_sum(picture: Picture, model: Model) -> None:
    """I7: accepted is queued, scheduled, parked, running, done, dead, cancelled, or forgotten."""
    results = picture.results.keys() - picture.letters.keys()
    waiting, letters = len(picture.waiting), len(picture.letters)
    there = waiting + letters + len(results) + len(picture.markers) + model.forgotten
    assert model.receipts.total() == there, f"I7: {model.receipts.total()} accepted, {there} there"


def nothing_is_left_over(picture: Picture, model: Model) -> None:
    """No key of a run that is over, and none that is not ours."""
    open_runs = {id for id, run in model.runs.items() if not run.is_over}
    assert picture.strangers == []
    for kind in (picture.payloads, picture.leases, picture.attempts, picture.failures):
        assert kind.keys() <= open_runs, "a key of a run that is over"
    assert picture.crashed <= open_runs, "a crash of a run that is over"
    assert picture.asked == {id for id in open_runs if model.runs[id].is_asked}
    assert picture.dead == picture.letters.keys()
    assert picture.causes == picture.groups.keys()
    assert sorted(id for group in picture.groups.values() for id in group) == sorted(picture.dead)
    assert picture.parked == _ids(model, Place.PARKED)
    assert picture.kinds == picture.of_kind.keys()
    assert sorted(id for ids in picture.of_kind.values() for id in ids) == sorted(picture.parked)
    assert picture.events_count == picture.events.total()


def the_model_agrees(picture: Picture, model: Model) -> None:
    """Everything else that the model knows."""
    open_runs = {id: run for id, run in model.runs.items() if not run.is_over}
    attempts = {id: run.charged for id, run in open_runs.items() if run.is_counted}
    assert picture.attempts == attempts, "attempts"
    assert picture.failures == {id: run.failures for id, run in open_runs.items() if run.failures}
    assert picture.letters.keys() == _ids(model, Place.DEAD)
    for id, letter in picture.letters.items():
        failures = [name for name in letter if name.startswith("failure:")]
        assert len(failures) == model.runs[id].failures, f"{id} died with other failures"
    assert _held(picture) == _holders(model), "keys"
    assert picture.workers == model.alive
    assert picture.events == model.events
    assert (bool(picture.relay), picture.marks) == (model.relay is not None, model.marks)
    in_line = [id for line in picture.lines.values() for id in line]
    assert sorted(in_line) == sorted(picture.put_off), "who waits for room stands in one line"
    assert picture.lines.keys() == picture.gates.keys(), "somebody looks for room for every line"
    assert picture.offers == model.offers, "offers"
    assert picture.books == _books(model), "what runs have done"
    assert picture.doubts == {f"{id}|effect {name}" for id, name in model.doubts}, "doubts"
    assert picture.begun == {f"{id}|effect {name}" for id, name in model.asking}, "under way"
    assert list(picture.cursors.values()) == ([model.cursor] if model.cursor else [])


def _ids(model: Model, place: Place) -> set[str]:
    return {id for id, run in model.runs.items() if run.place is place}


def _held(picture: Picture) -> dict[str, str]:
    return {key: value.partition("|")[0] for key, value in picture.held.items()}


def _holders(model: Model) -> dict[str, str]:
    return {key: holder for key, (holder, _) in model.held.items()}


def _books(model: Model) -> dict[str, dict[str, str]]:
    return {
        id: {f"effect {name}": f"{state}|{by}" for name, (state, by) in book.items()}
        for id, book in model.books.items()
    }
