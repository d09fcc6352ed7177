"""The register of faults: each variant of each row of the matrix, how it is armed, and what must be so.

Rows are written in the modules ``rows_…``. A fault is a behaviour of the server (`behaviour`), something
done to the stage (`change`), or a behaviour over one message only (`spoils`). What a row demands besides
the oracle's truth is a `demand`: while the fault lasts, or after all is healed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.behaviours import for_messages
from tests.faults.imap_server import Behaviour, Command, Session
from tests.faults.stage import INBOX, Stage
from tests.faults.when import Byte, Nth, Uid, When

if TYPE_CHECKING:
    from tests.faults.scenario import Happened

Arm = Callable[[Stage, When | None], None]
Demand = Callable[[Stage, "Happened"], None]
Spoilt = Callable[[Session, int, bytes], bytes | None]

SYNCS = ("first", "incremental")
ALWAYS = ("check", *SYNCS)


@dataclass(frozen=True)
class Fault:
    """One variant of a row.

    ``fails_check``: whether *check connection* must fail, None where both are right.
    """

    id: str
    sentence: str
    arm: Arm
    fails_check: bool | None = False
    spoils_one: bool = False

    @property
    def row(self) -> str:
        """The row of the matrix."""
        return self.id.partition("/")[0]


@dataclass(frozen=True)
class _Demanded:
    demand: Demand
    phases: tuple[str, ...]


@dataclass
class _Demands:
    """What is demanded of each row or variant."""

    lasting: dict[str, list[_Demanded]] = field(default_factory=dict)
    healed: dict[str, list[_Demanded]] = field(default_factory=dict)


FAULTS: dict[str, Fault] = {}
_DEMANDS = _Demands()


def behaviour(id: str, sentence: str, at: str = "FETCH", **more: Any) -> Callable[[Behaviour], Behaviour]:
    """The server behaves so at this verb, or where the scenario says."""

    def register(behave: Behaviour) -> Behaviour:
        _add(Fault(id, sentence, lambda stage, when: _arm(stage, when or Nth(at), behave), **more))
        return behave

    return register


def change(
    id: str, sentence: str, **more: Any
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Something is done before the phase begins."""

    def register(act: Callable[[Stage], None]) -> Callable[[Stage], None]:
        _add(Fault(id, sentence, lambda stage, when: act(stage), **more))
        return act

    return register


def spoils(id: str, sentence: str, **more: Any) -> Callable[[Spoilt], Spoilt]:
    """The newest message of the inbox is handed out spoilt: ``answer(session, uid, good_answer)``."""

    def register(answer: Spoilt) -> Spoilt:
        def arm(stage: Stage, when: When | None) -> None:
            bad = when.uid if isinstance(when, Uid) else newest(stage)

            def spoilt(session: Session, uid: int, good: bytes) -> bytes | None:
                is_inbox = session.selected is stage.server.folder(INBOX)
                return answer(session, uid, good) if uid == bad and is_inbox else good

            stage.server.also("FETCH", for_messages(spoilt))

        _add(Fault(id, sentence, arm, spoils_one=True, **more))
        return answer

    return register


def demand(
    id: str, *, phases: tuple[str, ...] = SYNCS, when_healed: bool = False
) -> Callable[[Demand], Demand]:
    """What must be so in these phases, besides what the oracle demands of every row."""

    def register(check: Demand) -> Demand:
        place = _DEMANDS.healed if when_healed else _DEMANDS.lasting
        place.setdefault(id, []).append(_Demanded(check, phases))
        return check

    return register


def demands_of(fault: Fault, phase: str, *, when_healed: bool = False) -> Iterator[Demand]:
    """Those of its row and its own."""
    place = _DEMANDS.healed if when_healed else _DEMANDS.lasting
    for id in {fault.row, fault.id}:
        yield from (one.demand for one in place.get(id, []) if phase in one.phases)


def newest(stage: Stage) -> int:
    """The newest UID of the inbox."""
    return stage.server.folder(INBOX).uids()[-1]


def _add(fault: Fault) -> None:
    assert fault.id not in FAULTS, fault.id
    FAULTS[fault.id] = fault


def _arm(stage: Stage, when: When, behave: Behaviour) -> None:
    server = stage.server
    if isinstance(when, Byte):
        if when.direction == "down":
            server.cut_after = when.offset
        else:
            server.deaf_after = when.offset
    elif isinstance(when, Uid):
        server.also("FETCH", _for_uid(when.uid, behave))
    else:
        server.also(when.verb, behave, nth=when.nth, times=when.times)


def _for_uid(uid: int, behave: Behaviour) -> Behaviour:
    def only_then(session: Session, command: Command) -> bool:
        wanted = command.arguments.split()[0].decode()
        asks = b"BODY" in command.arguments and uid in session.folder.asked(wanted)
        return asks and behave(session, command)

    return only_then
