"""``postroom check``: the invariants, a line each."""

import sys

import click

from commands.application import command_context
from mailboxes.invariants import Finding, check_all


@click.command()
@click.option("--server", is_flag=True, help="Also compare every synced folder with its server (I1, I9).")
def check(server: bool) -> None:
    """Check what must always hold; exit with 1 if something is broken."""
    with command_context():
        findings = check_all()
        if server:
            from mailboxes.sync.comparing import compare_with_servers  # opens connections

            findings = [*compare_with_servers(), *findings]
    for finding in findings:
        click.echo(_line(finding))
    sys.exit(1 if any(finding.broken for finding in findings) else 0)


def _line(finding: Finding) -> str:
    name, sentence = finding.invariant.name, finding.invariant.sentence
    if not finding.broken:
        return f"{name:<4} ok      {sentence}"
    return f"{name:<4} BROKEN  {sentence} First: {'; '.join(finding.broken)}"
