"""The identity provider of this installation, as system administrators have set it up."""

from dataclasses import dataclass, field, replace
from typing import Any

from mailboxes.oidc.errors import ProviderError, RefusedSignInError
from tenants.configuration.catalog import SYSTEM
from tenants.configuration.layers import effective, own_secret_of
from tenants.secrets import UnreadableSecretError
from tenants.users import User, normal_form

SECRET = "oidc.provider.client_secret"  # noqa: S105  # where it is
NOT_SET_UP = "Signing in like that is not set up any more. Sign in with your password."


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Where people may sign in, and who of them. The secret is there only for who asks the provider."""

    label: str
    issuer: str
    client_id: str
    scopes: tuple[str, ...]
    domains: frozenset[str]
    makes_people: bool
    permits_passwords: bool
    client_secret: str = field(repr=False, default="")

    def vouches_for(self, address: str) -> bool:
        """Whether it may say whose address this is."""
        return normal_form(address).rpartition("@")[2] in self.domains


def identity_provider() -> IdentityProvider | None:
    """The provider; None where none is set up."""
    issuer, client_id = str(_value("oidc.provider.issuer")), str(_value("oidc.provider.client_id"))
    if not issuer or not client_id:
        return None
    return IdentityProvider(
        label=str(_value("oidc.label")),
        issuer=issuer,
        client_id=client_id,
        scopes=tuple(str(_value("oidc.scopes")).split()),
        domains=frozenset(_value("oidc.domains")),
        makes_people=bool(_value("oidc.makes_people")),
        permits_passwords=bool(_value("oidc.password_sign_in")),
    )


def opened_provider() -> IdentityProvider:
    """The same, to ask it: with the secret, if there is one. `RefusedSignInError` where none is set up."""
    provider = identity_provider()
    if provider is None:
        raise RefusedSignInError(NOT_SET_UP)
    try:
        return replace(provider, client_secret=own_secret_of(SECRET, SYSTEM))
    except UnreadableSecretError:
        raise ProviderError(
            "The stored client secret cannot be decrypted.", "Type it anew, and save."
        ) from None


def demand_password_permitted(address: str, user: User | None = None) -> None:
    """`RefusedSignInError` where the people of this domain sign in with the provider alone.

    System administrators never do: a provider that is out of order or set up wrongly locks none of them out.
    """
    provider = identity_provider()
    if provider is None or provider.permits_passwords or not provider.vouches_for(address):
        return
    if user is None or not user.is_system_admin:
        raise RefusedSignInError(f"People of this domain sign in with {provider.label}, without a password.")


def _value(key: str) -> Any:
    return effective(key, SYSTEM).value
