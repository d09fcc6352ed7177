"""Lead sources: where a lead came from, a lookup of each organization."""

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped


class LeadSource(OrganizationScoped, Base):
    """One choice. ``key`` is stable and names it in files and global mailboxes."""

    __tablename__ = "lead_sources"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        UniqueConstraint("organization_id", "key"),
    )

    key: Mapped[str]
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0)
    is_hidden: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    system_key: Mapped[str | None] = mapped_column(default=None)
