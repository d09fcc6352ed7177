"""The section *Synchronization* of a mailbox's page: its connection tried, and its folders."""

from dataclasses import replace
from typing import Any

from flask import request
from flask_wtf import FlaskForm

from mailboxes import setup
from mailboxes.connection_check import CheckReport
from mailboxes.setup import Connection, MailboxValues
from mailboxes.setup.checking import choices_of, sealed
from webapp.mailboxes import connecting, consenting
from webapp.mailboxes.door import Door
from webapp.mailboxes.forms import folder_tree


def tried(values: MailboxValues, connection: Connection) -> tuple[CheckReport, Connection, list[bytes]]:
    """What came of trying a connection, what is known of it then, and the folders that are chosen.

    `InvalidError` at the field without which nothing can be tried.
    """
    report = setup.check(values, connection.account)
    if not report.folders:
        return report, connection, values.folders
    connection = replace(connection, folders=choices_of(report.folders))
    usual = [one.name_raw for one in connection.folders if one.special_use in {"inbox", "sent"}]
    return report, connection, values.folders or usual


def section(
    door: Door, form: FlaskForm, connection: Connection, chosen: list[bytes], report: CheckReport | None
) -> dict[str, Any]:
    """What the page needs for it besides the form, which carries the list of folders along."""
    folders = connection.folders
    form.folder_list.data = sealed(folders) if folders else ""
    return {
        "account": connection.account,
        "folders": folder_tree(folders, chosen),
        "misses_sent": bool(folders) and not any(folder.special_use == "sent" for folder in folders),
        "report": report,
        "is_check": "check" in request.form,
        **connecting.section(door, form),
        **consenting.section(),
    }
