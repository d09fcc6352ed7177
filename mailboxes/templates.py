"""E-mail templates, in the languages of an organization."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OrganizationScoped, now, scoped_key


class Template(OrganizationScoped, Base):
    """A template; one that a single rule wrote for itself is ``is_custom`` and has no name in lists."""

    __tablename__ = "templates"
    __table_args__ = (
        CheckConstraint("kind IN ('html', 'plain')", name="kind"),
        Index(
            "uq_templates_name",
            "organization_id",
            "name",
            unique=True,
            postgresql_where=text("NOT is_custom"),
        ),
        UniqueConstraint("organization_id", "system_key"),
    )

    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="plain")
    used_for: Mapped[list[str]] = mapped_column(default=lambda: ["message"])
    system_key: Mapped[str | None] = mapped_column(default=None)
    is_custom: Mapped[bool] = mapped_column(default=False)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class TemplateText(OrganizationScoped, Base):
    """Subject and content in one language."""

    __tablename__ = "template_texts"
    __table_args__ = (
        UniqueConstraint("organization_id", "template_id", "language"),
        scoped_key("template_id", "templates", ondelete="CASCADE"),
    )

    template_id: Mapped[UUID]
    language: Mapped[str]
    subject: Mapped[str] = mapped_column(default="")
    content: Mapped[str] = mapped_column(default="")
