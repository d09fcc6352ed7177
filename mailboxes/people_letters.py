"""The letters about people: an invitation, a link for a new password, the word that a way in was changed.

Links begin with POSTROOM_BASE_URL, never with what a request calls this host (T18).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import select

from mailboxes.notices import Notice, Unsent, call_off, can_send, cut_line, queue_notice, queue_notices
from tenants.application import settings_of
from tenants.database import db, now
from tenants.errors import InvalidError
from tenants.organizations import Organization
from tenants.people.invitations import LIFETIME, Invitation
from tenants.users import User, password_links
from tenants.users.password_links import Opened

INVITATION_KIND = "invitation"
PAUSE = timedelta(minutes=2)  # between two letters to one address
MOST_TO_ONE = 5  # letters of an organization to one address within a day, whatever its tag
MOST_A_DAY = 2_000  # letters of an organization: two whole files of people
INVITATION = """\
Hello,

{inviter} invites you to {organization} on Postroom, {base}

Open this link to join. It works once, until {until}:

{link}

If you did not expect this, do nothing: without the link nothing happens.
"""
FORGOTTEN = """\
Hello{name},

somebody, most likely you, asked for a new password for {address} on Postroom, {base}

Open this link to choose one. It works once, until {until}:

{link}

If it was not you, do nothing: your password stays as it is.
"""
WELCOME = """\
Hello{name},

you can use Postroom, {base}
as {address}. Open this link to choose your password. It works once, until {until}:

{link}
"""
CHANGED = """\
Hello{name},

the password of {address} on Postroom, {base}
was just changed, and every other device was signed out. If that was not you, tell an administrator at once.
"""
RECOVERED = """\
Hello{name},

somebody, most likely you, used a recovery code of {address} on Postroom, {base}
instead of a code of your authenticator app. {left} of your recovery codes are left.

If that was not you, change your password at once, sign out everywhere else, and look at your second factor
under Security.
"""
LINKED = """\
Hello{name},

from now on an account at {label} signs in as {address} on Postroom, {base}

If that was not you, remove it under Security, change your password, and tell an administrator at once.
"""
UNLINKED = """\
Hello{name},

an account at {label} no longer signs in as {address} on Postroom, {base}
If that was not you, change your password, and tell an administrator at once.
"""


def invitation_link(invitation: Invitation, token: str) -> str:
    """Where an invited person joins."""
    return f"{_base()}/invitations/{invitation.organization_id}/{token}"


def password_link(token: str) -> str:
    """Where a person chooses a password."""
    return f"{_base()}/new-password/{token}"


def send_invitation(organization: Organization, invitation: Invitation, token: str) -> str:
    """Queue the letter of an invitation; an earlier one that waits is called off.

    Returns the link where the system cannot send mail, so that somebody hands it over; else "".
    """
    return send_invitations(organization, [(invitation, token)])[invitation.address]


def send_invitations(organization: Organization, made: Sequence[tuple[Invitation, str]]) -> dict[str, str]:
    """The same for many, in as many statements as for one. By address, the link or "".

    `InvalidError` at the field ``address`` where one of them may have none now, as `refused_letters` says.
    """
    links = {one.address: invitation_link(one, token) for one, token in made}
    if not can_send():
        call_off(*(one.id for one, _ in made))
        return links
    _demand_patience(list(links))
    letters = [_invitation(organization, one, links[one.address]) for one, _ in made]
    queue_notices(INVITATION_KIND, letters, lifetime=LIFETIME)
    return dict.fromkeys(links, "")


def refused_letters(addresses: Sequence[str]) -> dict[str, str]:
    """Why no letter of an invitation leaves to these addresses now; those that may have one are missing.

    Nobody's mail is flooded through us: each mailbox has few of them, all together have those of a day.
    """
    if not can_send():
        return {}
    had = _had_today()
    left = max(0, MOST_A_DAY - sum(len(moments) for moments in had.values()))
    refused: dict[str, str] = {}
    taken: dict[str, str] = {}
    for address in addresses:
        mailbox = _without_tag(address)
        words = _refusal(address, had[mailbox], taken.get(mailbox, "")) or _end_of_day(left, len(taken))
        if words:
            refused[address] = words
        else:
            taken[mailbox] = address
    return refused


def send_password_link(link: Opened) -> None:
    """Queue a link to a new password; the session is bound to the installation."""
    _queue(link.user, "password_link", "A new password", _with_link(FORGOTTEN, link), link.expires_at)


def send_welcome(link: Opened) -> None:
    """Queue a new user's link to their first password; the session is bound to the installation."""
    _queue(link.user, "welcome", "Choose your password", _with_link(WELCOME, link), link.expires_at)


def send_password_changed(user: User) -> None:
    """Queue the word that a password was changed; the session is bound to the installation."""
    _queue(user, "password_changed", "Your password was changed", _addressed(CHANGED, user))


def send_recovery_code_used(user: User, left: int) -> None:
    """Queue the word that a recovery code was used; the session is bound to the installation."""
    body = _addressed(RECOVERED, user, left=str(left) if left else "None")
    _queue(user, "recovery_code_used", "A recovery code was used", body)


def send_identity_linked(user: User, label: str) -> None:
    """Queue the word that an account at a provider opens theirs; the session is bound to the installation."""
    body = _addressed(LINKED, user, label=cut_line(label))
    _queue(user, "identity_linked", "Another way to sign in", body)


def send_identity_unlinked(user: User, label: str) -> None:
    """Queue the word that it does no longer; the session is bound to the installation."""
    body = _addressed(UNLINKED, user, label=cut_line(label))
    _queue(user, "identity_unlinked", "A way to sign in was removed", body)


def send_welcomes(links: Sequence[Opened]) -> None:
    """The same as `send_welcome` for many, in one statement."""
    letters = [
        Unsent(link.user.address, "Choose your password", _with_link(WELCOME, link), link.user.id)
        for link in links
    ]
    queue_notices("welcome", letters, lifetime=password_links.WELCOME_LIFETIME)


def answer_requests() -> None:
    """Send links to those who asked for one and are known; inside the installation. Commits each."""
    oldest = password_links.unanswered().limit(1).with_for_update(skip_locked=True)
    while (asked := db.session.scalar(oldest)) is not None:
        link = password_links.answer(asked)
        try:
            if link is not None:
                send_password_link(link)
        except InvalidError:
            db.session.delete(asked)  # no letter reaches this address, and others wait behind it
        db.session.commit()


def _demand_patience(addresses: Sequence[str]) -> None:
    for sentence in refused_letters(addresses).values():
        raise InvalidError(sentence, field="address")


def _had_today() -> defaultdict[str, list[datetime]]:
    """When letters of invitations left within a day, or were to, by mailbox: at most those of a day."""
    query = select(Notice.recipient, Notice.made_at).where(
        Notice.kind == INVITATION_KIND,
        Notice.state != "cancelled",
        Notice.made_at > now() - timedelta(days=1),
    )
    had: defaultdict[str, list[datetime]] = defaultdict(list)
    for address, made_at in db.session.execute(query):
        had[_without_tag(address)].append(made_at)
    return had


def _without_tag(address: str) -> str:
    """The mailbox that an address such as ``name+tag@domain`` reaches at most providers."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def _refusal(address: str, had: Sequence[datetime], other: str) -> str:
    """Why a mailbox gets no letter now. ``other``: an address of it that gets one already."""
    if len(had) >= MOST_TO_ONE:
        return (
            f"{address} was sent {len(had)} invitations within a day. Ask the person to look among their "
            "spam, or go on tomorrow."
        )
    if had and max(had) > now() - PAUSE:
        return f"{address} was sent an invitation a moment ago. Wait two minutes."
    if other:
        return f"{address} reaches the same person as {other}. Invite them once, or two minutes later."
    return ""


def _end_of_day(left: int, taken: int) -> str:
    if taken < left:
        return ""
    return (
        f"An organization sends at most {MOST_A_DAY} invitations within a day, and {left} are left. "
        "Invite the others tomorrow."
    )


def _invitation(organization: Organization, invitation: Invitation, link: str) -> Unsent:
    body = INVITATION.format(
        inviter=cut_line(invitation.invited_by),
        organization=cut_line(organization.name),
        base=_base(),
        until=_in_words(invitation.expires_at),
        link=link,
    )
    subject = f"{cut_line(invitation.invited_by)} invites you to {cut_line(organization.name)}"
    return Unsent(invitation.address, subject, body, invitation.id)


def _queue(user: User, kind: str, subject: str, body: str, until: datetime | None = None) -> None:
    lifetime = until - now() if until is not None else timedelta(days=1)
    queue_notice(kind, user.address, subject, body, about_id=user.id, lifetime=lifetime)


def _with_link(text: str, link: Opened) -> str:
    words = {"link": password_link(link.token), "until": _in_words(link.expires_at)}
    return _addressed(text, link.user, **words)


def _addressed(text: str, user: User, **words: str) -> str:
    name = f" {user.name}" if user.name else ""
    return text.format(name=name, address=user.address, base=_base(), **words)


def _in_words(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _base() -> str:
    return settings_of(current_app).base_url
