"""The contestants take turns at every workload, so that a noisy minute falls on all of them."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.contestant import Contestant
from benchmark.failed import Failed
from benchmark.measured import Measured, all_failed, merged
from benchmark.progress import say, say_what
from benchmark.report import ASIDE
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.vigil import keep_vigil
from benchmark.workload import Aside, Wait, Workload

Rounds = dict[str, list[Measured]]


class Tournament:
    """Plays rounds and keeps what each contestant showed in each."""

    def __init__(
        self,
        contestants: Sequence[Contestant],
        workloads: Sequence[Workload | Wait],
        asides: Sequence[Aside],
        *,
        binary: Path,
        sizes: Sizes,
    ) -> None:
        self._contestants, self._asides = contestants, asides
        self._turns = [each for each in workloads if isinstance(each, Workload)]
        self._waits = [each for each in workloads if isinstance(each, Wait)]
        self._binary, self._sizes = binary, sizes
        self._titles = [*(each.about.title for each in contestants), ASIDE]
        self.server = ""
        """The server's name and version, once there was one."""

    def play(self, rounds: int) -> Rounds:
        """Everything, so many times; what takes long once."""
        results: Rounds = {title: [] for title in self._titles}
        with Server(self._binary) as server:
            self.server = server.name
            for number in range(rounds):
                say(f"round {number + 1} of {rounds}")
                for title, parts in self._round(server, is_first=number == 0).items():
                    results[title].append(merged(parts))
        for wait in self._waits:
            found = keep_vigil(wait, self._contestants, binary=self._binary, sizes=self._sizes)
            for title, measured in found.items():
                results[title][0] = merged([results[title][0], measured])
        return results

    def _round(self, server: Server, *, is_first: bool) -> Rounds:
        found: Rounds = {title: [] for title in self._titles}
        for workload in self._turns:
            if is_first or not workload.is_long:
                for each in self._contestants:
                    found[each.about.title].append(self._play(workload, each, server))
        found[ASIDE] = [self._play_aside(each, server) for each in self._asides]
        return found

    def _play(self, workload: Workload, contestant: Contestant, server: Server) -> Measured:
        try:
            measured = workload.play(contestant, server, self._sizes)
        except Failed as error:
            measured = all_failed(workload.rows(self._sizes), error)
        say_what(f"{workload.name} {contestant.about.title}", measured)
        return measured

    def _play_aside(self, aside: Aside, server: Server) -> Measured:
        try:
            measured = aside.play(server, self._sizes)
        except Failed as error:
            measured = all_failed(aside.rows, error)
        say_what(aside.name, measured)
        return measured
