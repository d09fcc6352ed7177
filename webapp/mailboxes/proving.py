"""Which addresses of a mailbox are proven, and the link that proves one."""

from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes import proofs
from mailboxes.accounts import Account, seen_account
from mailboxes.outgoing import resume_sending_for
from mailboxes.proofs import AddressProof
from tenants import audit
from tenants.database import db, now
from tenants.errors import AppError, NotFoundError
from webapp.configuration.pages import actor
from webapp.mailboxes.door import AnyMailbox, Door
from workers.queues import ring_notices

END = "-"  # stands for the token, which only the letter knows


@dataclass(frozen=True)
class Standing:
    """How an address stands; ``proof`` is what was asked for or confirmed by a link."""

    address: str
    signs_in: bool
    proof: AddressProof | None

    @property
    def is_proven(self) -> bool:
        """Whether mail may go out from it."""
        return self.signs_in or (self.proof is not None and self.proof.confirmed_at is not None)


def prove_page(door: Door, mailbox: AnyMailbox) -> ResponseReturnValue:
    """Mail a link to an address of this mailbox."""
    address = request.form.get("prove", "")
    account = seen_account(mailbox.account_id)
    if account is None or address not in _addresses(mailbox):
        raise NotFoundError
    blueprint = "system_mailboxes" if door.is_system else "mailboxes"
    place = url_for(f"{blueprint}.confirm_address", token=END).removesuffix(f"/{END}")
    try:
        proofs.ask_for_proof(account, address, place, f"the mailbox {mailbox.label}", by=actor().name)
    except AppError as error:
        db.session.rollback()
        flash(error.message, "error")
    else:
        _record(door, "mailbox.proof_asked", mailbox.label, address)
        db.session.commit()
        ring_notices(account.owner_id)
        flash(f"A link was sent to {address}. Open it to prove that the address is yours.", "success")
    return redirect(door.url("edit", mailbox_id=mailbox.id, _anchor="synchronization"))


def confirm_page(door: Door, token: str) -> ResponseReturnValue:
    """What the link of a letter would permit; sent, it is permitted."""
    if request.method == "GET":
        proof = proofs.proof_of_link(token)
        return render_template("mailboxes/confirm_address.html", door=door, proof=proof)
    proof = proofs.confirm(token, by=actor().name)
    _record(door, "mailbox.address_proven", proof.address, proof.address)
    db.session.commit()
    resume_sending_for(proof.account_id)
    flash(f"{proof.address} is proven: mail may go out from it.", "success")
    return redirect(door.url("index"))


def section(mailbox: AnyMailbox | None, account: Account | None) -> dict[str, Any]:
    """How each address of a mailbox stands, where that matters: without SMTP of its own."""
    if mailbox is None or account is None or account.smtp_enabled:
        return {"standings": []}
    asked = proofs.proofs_of(account)
    return {
        "moment": now(),
        "standings": [
            Standing(address, proofs.signs_in_as(account, address), asked.get(address))
            for address in _addresses(mailbox)
        ],
    }


def _addresses(mailbox: AnyMailbox) -> list[str]:
    return [mailbox.address, *mailbox.aliases]


def _record(door: Door, act: str, subject: str, address: str) -> None:
    record = audit.record_for_system if door.is_system else audit.record
    record(actor(), act, subject, {}, {"address": address})
