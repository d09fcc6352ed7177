"""How an account signs in: by passwords, or by a connection to its provider (`mailboxes.oauth`)."""

from mailboxes import oauth
from mailboxes.accounts import Account
from mailboxes.sasl import TokenSource
from mailboxes.setup.values import MailboxValues
from tenants.errors import InvalidError


def is_connected(values: MailboxValues, account: Account | None) -> bool:
    """Whether these values mean a connection to the provider, just made or kept with the account."""
    if values.kind not in oauth.KINDS:
        return False
    if values.connection is not None and values.connection.kind == values.kind:
        return True
    return account is not None and bool(account.connected_as) and account.kind == values.kind


def take_providers_servers(values: MailboxValues, account: Account | None) -> None:
    """A connected account uses its provider's servers, whatever was typed: tokens are for no others."""
    provider = oauth.provider_of(values.kind)
    later = values.connects_later and not values.imap_password and values.kind in oauth.KINDS
    if provider is None or not (is_connected(values, account) or later):
        return
    for protocol, server in (("imap", provider.imap), ("smtp", provider.smtp)):
        setattr(values, f"{protocol}_host", server.host)
        setattr(values, f"{protocol}_port", server.port)
        setattr(values, f"{protocol}_encryption", server.encryption)
    values.smtp_user = ""
    given = values.connection.identity if values.connection is not None else ""
    values.imap_user = values.imap_user.strip() or given or values.address


def demand_connected(values: MailboxValues, account: Account | None) -> None:
    """`InvalidError` unless the account of these values is connected, as the user they name."""
    if values.kind not in oauth.KINDS or values.imap_password or values.connects_later:
        return
    if not is_connected(values, account):
        if account is not None and account.imap_secret is not None:
            return  # an app password, as before
        raise InvalidError(f"Connect the account with {_label(values.kind)} first.", field="kind")
    user = values.imap_user.strip().lower()
    if values.connection is None:
        if account is not None and user != account.imap_user.strip().lower():
            raise InvalidError(
                f"The account was connected as {account.connected_as}. Connect it again for another user.",
                field="imap_user",
            )
        return
    provider, identity = oauth.provider_of(values.kind), values.connection.identity
    if provider is not None and provider.is_account_of_its_own and identity and identity != user:
        raise InvalidError(f"You connected {identity}: that has to be the user, too.", field="imap_user")


def tokens_of(values: MailboxValues, account: Account | None) -> TokenSource | None:
    """Where the tokens of these values come from; None where a password signs in."""
    if not is_connected(values, account):
        return None
    if values.connection is not None:
        return oauth.source_of_pending(values.connection.owner_id, values.connection.id)
    return oauth.source_of_account(account) if account is not None else None


def keeps_connection(values: MailboxValues, account: Account | None) -> bool:
    """Whether the tokens that an account has serve these values too: its provider's, and of its user.

    To be asked before the account is filled with them.
    """
    is_new = values.connection is not None and values.connection.kind == values.kind
    return (
        account is not None
        and not is_new
        and is_connected(values, account)
        and _is_same_user(account, values)
    )


def is_moved(account: Account, values: MailboxValues) -> bool:
    """Whether the values mean another server, or another user there.

    To a provider with which we are connected, Support@x and support@x are one user; and where its servers
    are is the provider's affair (``oauth.*.imap_server``), so that another name of them is no other place.
    """
    if not account.imap_host:
        return False
    if not is_connected(values, account):
        return (account.imap_host, account.imap_user) != (values.imap_host, values.imap_user)
    is_same_provider = bool(account.connected_as) and account.kind == values.kind
    is_same_server = is_same_provider or account.imap_host == values.imap_host
    return not (is_same_server and _is_same_user(account, values))


def keep_connection(account: Account, values: MailboxValues, *, stays_connected: bool) -> None:
    """What becomes of connections when the account is saved. The caller commits."""
    if values.connection is not None and values.connection.kind == values.kind:
        oauth.adopt(values.connection.id, account)
        return
    if stays_connected:
        return
    if account.connected_as:
        oauth.forget(account)
        account.state, account.last_error, account.failing_since = "new", "", None
    if values.connects_later and not values.imap_password:
        _wait_for_connection(account, values)


def _is_same_user(account: Account, values: MailboxValues) -> bool:
    return account.imap_user.strip().casefold() == values.imap_user.strip().casefold()


def _wait_for_connection(account: Account, values: MailboxValues) -> None:
    if values.kind in oauth.KINDS and account.imap_secret is None:
        account.connected_as, account.state = account.imap_user, "disconnected"
        account.last_error = f"The account has to be connected with {_label(values.kind)}."


def _label(kind: str) -> str:
    provider = oauth.provider_of(kind)
    return provider.label if provider is not None else kind.capitalize()
