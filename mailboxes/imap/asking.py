"""What a server tells about messages: asked for at once, and of one that it cannot tell of, the others.

A refusal, or the end of the connection, may be about one message of five hundred (Gmail, Yahoo). So what was
told before counts, and the rest is asked for in smaller portions, a bounded number of times.
"""

from collections.abc import Callable, Iterator, Sequence
from math import isqrt

from mailboxes.errors import CommandRefusedError, ConnectionLostError, TurnedAwayError
from mailboxes.imap import fetching
from mailboxes.imap.dialogue import Parts, Token, uid_set
from mailboxes.imap.fetching import MessageDetails
from mailboxes.imap.session import ImapSession

MOST_REFUSALS = 40  # of one portion: about four messages of 500 that cannot be told of
REFUSALS_OF_ALL = 12  # with nothing told: then it is no single message
MOST_ENDINGS = 6  # of the connection, over one portion: each costs a sign-in, and one message up to so many
ENDINGS_OF_ALL = 3  # with nothing told
ENDINGS_OF_A_PASS = 20  # then it is no single message, whatever is told between them

Fetched = dict[int, dict[bytes, Token]]
Ask = Callable[[ImapSession, Sequence[int], bytes, Fetched], None]


def details(
    session: ImapSession, uids: Sequence[int], items: bytes, needed: bytes = b"UID"
) -> dict[int, MessageDetails]:
    """What the server tells about messages by UID; one that is missing is not proven gone (F8).

    ``needed``: an item without which an answer says nothing. One that the server ends the connection over
    is left out, for a new connection.
    """
    return _details(session, uids, items, needed, _ask_despite_endings)


def details_of_one_connection(session: ImapSession, uids: Sequence[int]) -> dict[int, MessageDetails]:
    """Sizes, dates and flags; what ends the connection is raised."""
    return _details(session, uids, fetching.DETAIL_ITEMS, b"UID", _ask_despite_refusals)


def _details(
    session: ImapSession, uids: Sequence[int], items: bytes, needed: bytes, ask: Ask
) -> dict[int, MessageDetails]:
    told: dict[int, MessageDetails] = {}
    for portion in fetching.portions(sorted(set(uids))):
        found: Fetched = {}
        ask(session, portion, items, found)
        whole = {uid: answered for uid, answered in found.items() if needed in answered}
        told |= {uid: fetching.details_of(uid, answered) for uid, answered in whole.items()}
    return told


def _ask_despite_endings(session: ImapSession, uids: Sequence[int], items: bytes, told: Fetched) -> None:
    """What is told before the server ends the connection counts, and the rest is asked for over a new one.

    First what comes next, alone: where a server tells one after another, it is what it fails by. Else that
    is in one of the other pieces. One alone is asked for twice: any connection may end once. Raises where
    nothing is told of any.
    """
    waiting, endings, doubted = [uids], 0, set[int]()
    while waiting:
        asked = waiting.pop(0)
        alone = set(asked) if len(asked) == 1 else set()
        count = len(told)
        try:
            _ask_despite_refusals(session, asked, items, told)
        except (TurnedAwayError, ConnectionLostError):
            is_doubt = bool(alone - doubted)
            endings += not is_doubt
            session.ending_count += 1
            session.ended_over |= alone & doubted
            if _is_about_more(session, endings, told):
                raise
            session.reopen()
            waiting[:0] = [asked] if is_doubt else _pieces(asked, told)
            doubted |= alone
        if len(told) > count:
            session.goodbye_count = 0
        if endings == MOST_ENDINGS:
            return


def _is_about_more(session: ImapSession, endings: int, told: Fetched) -> bool:
    """Whether the connection ends by more than a message or two."""
    is_about_all = endings == ENDINGS_OF_ALL and not told
    return is_about_all or session.is_turned_away or session.ending_count > ENDINGS_OF_A_PASS


def _pieces(asked: Sequence[int], told: Fetched) -> Iterator[list[int]]:
    """Of what is left, the first one, and as many pieces of the others as each has messages; of one alone,
    nothing."""
    left = [uid for uid in asked if uid not in told] if len(asked) > 1 else []
    yield from fetching.portions(left[:1])
    yield from fetching.portions(left[1:], max(1, isqrt(len(left))))


def _ask_despite_refusals(session: ImapSession, uids: Sequence[int], items: bytes, told: Fetched) -> None:
    """What is told before a refusal counts, and the rest is asked for in halves: of 500 messages it may be
    one that cannot be told of (Gmail, Yahoo). Raises where all of it is refused."""
    waiting, refused = [uids], list[CommandRefusedError]()
    while waiting and len(refused) < (MOST_REFUSALS if told else REFUSALS_OF_ALL):
        asked = waiting.pop(0)
        try:
            fetch(session, asked, items, told=told, budget=fetching.DETAILS_BUDGET)
        except CommandRefusedError as error:
            refused.append(error)
            left = [uid for uid in asked if uid not in told]
            half = len(left) // 2
            waiting += [left[:half], left[half:]] if half else []
    if refused and not told:
        raise refused[0]


def fetch(
    session: ImapSession,
    uids: Sequence[int],
    items: bytes,
    *,
    seconds: float | None = None,
    told: Fetched | None = None,
    **limits: int,
) -> Fetched:
    """The items of FETCH answers by UID; only of messages that were asked for (F10, F11, F43).

    ``told``: to be added to, so that what has come outlives an error.
    """
    asked = set(uids)
    told = {} if told is None else told

    def take(parts: Parts) -> bool:
        found = fetching.fetched_items(parts)
        uid = fetching.whole_number(found.get(b"UID")) if found else None
        if found is not None and uid in asked and uid is not None:
            told.setdefault(uid, {}).update(found)
        return found is not None

    session.run(b"UID FETCH", uid_set(uids), items, seconds=seconds, take=take, **limits)
    return told
