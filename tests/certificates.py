"""Certificates for servers that tests start: a private authority, good ones and bad ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from embedded.folders import temporary_folder


@dataclass(frozen=True)
class ServerCertificate:
    """Files in PEM: the chain with its key in one, and apart."""

    chain: Path
    key: Path


class Certificates:
    """An authority (``ca_file``) and what it, or somebody else, has signed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.ca_file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)
        self.good = self._issued("good", self._authority, "localhost", "127.0.0.1")

    def expired(self) -> ServerCertificate:
        """Valid until yesterday."""
        yesterday = datetime.now(UTC) - timedelta(days=1)
        return self._issued("expired", self._authority, "localhost", "127.0.0.1", not_after=yesterday)

    def of_another_name(self) -> ServerCertificate:
        """Rightly signed, for somebody else."""
        return self._issued("other", self._authority, "other.example")

    def of_another_authority(self) -> ServerCertificate:
        """Signed by an authority that nobody trusts."""
        return self._issued("untrusted", trustme.CA(), "localhost", "127.0.0.1")

    def _issued(
        self, name: str, authority: trustme.CA, *identities: str, not_after: datetime | None = None
    ) -> ServerCertificate:
        issued = authority.issue_cert(*identities, common_name=identities[0], not_after=not_after)
        chain, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return ServerCertificate(chain, key)


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """One authority for the whole session."""
    with temporary_folder() as folder:
        yield Certificates(folder)
