"""Sales channels: only an organization with an active one converts to leads."""

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped


class Channel(OrganizationScoped, Base):
    """A way of selling, such as *Sales* or *Web shop*."""

    __tablename__ = "channels"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="sales")
    is_active: Mapped[bool] = mapped_column(default=True)
