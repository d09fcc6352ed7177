"""What the system offers, in a file: organizations follow it, and say otherwise."""

import pytest
import yaml

from mailboxes import interchange
from mailboxes.crm.lead_sources import lead_sources
from mailboxes.interchange import FileError
from tenants.database import db
from tests.mailboxes.interchange.written import apply, empty, plan, secrets_of_an_export

OFFERS = """
    system:
      lead_sources:
        - {key: phone, name: Telephone}
        - {key: email, default: false}
        - {key: fair, name: Trade fair, default: true}
        - {key: web_form, hidden: true}
        - {key: referral, state: absent}
      templates:
        - {key: case_received, state: absent}
        - {key: acknowledgement, name: Receipt, texts: {fr: null, de: {subject: Danke, content: Danke.}}}
        - key: closing
          name: Closing
          type: html
          used_for: [case]
          texts: {en: {subject: Closed, content: "<p>It is closed.</p>"}}
    organizations:
      - slug: nordwind
        lead_sources:
          - {key: walk_in, name: Walk-in}
          - {key: fair, name: Messe, hidden: false}
          - {key: phone, hidden: true}
          - {key: email, default: true}
          - {key: flyer, name: Flyer, merged_into: walk_in}
          - {key: demand_generation, merged_into: email}
        templates:
          - {system: acknowledgement, name: Acknowledgement, texts: {de: {content: Wir danken.}}}
          - {system: closing, hidden: true}
          - {name: Receipt, texts: {en: {content: Ours.}}}
          - {name: Case received, texts: {en: {content: Also ours.}}, hidden: true}
    """


def test_what_the_system_offers_and_organizations_override_comes_back_from_its_export(
    app, theirs, database_urls
):
    apply()
    planned = plan(OFFERS)
    assert "+ system / lead_sources / fair" in planned
    assert "- system / templates / case_received" in planned
    assert "+ organization nordwind / lead_sources / phone / hidden: yes" in planned
    assert interchange.export() == interchange.export()
    assert apply(OFFERS) == planned
    assert apply(OFFERS) == []
    exported = interchange.export()
    assert {"key": "referral", "state": "absent"} in yaml.safe_load(exported)["system"]["lead_sources"]
    empty(database_urls)
    apply(exported, secrets_of_an_export())
    assert interchange.export() == exported
    assert apply(exported, secrets_of_an_export()) == []


def test_the_neighbour_follows_the_systems_part_of_a_file(app, inside, theirs):
    apply()
    apply(OFFERS)
    with inside(theirs):
        sources = {one.key: one for one in db.session.scalars(lead_sources())}
    assert list(sources)[:3] == ["phone", "email", "fair"]
    assert sources["phone"].name == "Telephone"
    assert [key for key, one in sources.items() if one.is_default] == ["fair"]


def test_null_follows_the_system_again(applied, nordwind):
    apply(OFFERS)
    text = """
        organizations:
          - slug: nordwind
            lead_sources:
              - {key: fair, name: null, hidden: null}
              - {key: email, default: null}
              - {key: demand_generation, merged_into: null}
            templates:
              - {system: acknowledgement, texts: null, name: Confirmation}
        """
    changes = apply(text)
    assert "- organization nordwind / lead_sources / fair / name: Messe" in changes
    assert "- organization nordwind / lead_sources / demand_generation / merged_into: email" in changes
    assert apply(text) == []
    exported = interchange.export("nordwind")
    assert "Wir danken" not in exported
    assert "Messe" not in exported


def test_sources_and_templates_may_change_names_among_themselves(applied, nordwind):
    apply(OFFERS)
    text = """
        system:
          lead_sources: [{key: phone, name: Email}, {key: email, name: Telephone}]
        organizations:
          - slug: nordwind
            lead_sources: [{key: walk_in, name: Messe}, {key: fair, name: Walk-in}]
        """
    assert apply(text)
    assert apply(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "system:\n  lead_sources: [{key: email, state: absent}]",
            r"line 2 .*default source cannot be removed",
        ),
        ("system:\n  lead_sources:\n    - {key: Odd Key, name: X}", r"line 3 .*lower-case letters"),
        ("system:\n  lead_sources:\n    - {key: phone, name: Email}", r"line 3 .*named “Email” already"),
        ("system:\n  templates: [{key: x, name: X}]", r"Write the content in at least one language"),
        (
            "system:\n  templates: [{key: x, name: X, texts: {en: {content: '{{ a.b }}'}}}]",
            r"there is no variable a\.b",
        ),
        ("system: {templates: [{key: x, nam: X}]}", r"nam is not known here. Did you mean name"),
        (
            "organizations:\n  - slug: nordwind\n    templates: [{system: nothing}]",
            r"offers no template nothing",
        ),
        (
            "organizations:\n  - slug: nordwind\n    templates: [{type: html}]",
            r"“name: …” or “system: …” is missing",
        ),
        (
            "organizations:\n  - slug: nordwind\n    lead_sources: [{key: fair, merged_into: nowhere}]",
            r"There is no lead source nowhere here",
        ),
        (
            "organizations:\n  - slug: nordwind\n    lead_sources: [{key: phone, state: absent}]",
            r"Hide it instead",
        ),
    ],
)
def test_an_offer_that_cannot_be_made_is_told_with_its_line(applied, nordwind, text, message):
    before = interchange.export()
    with pytest.raises(FileError, match=message):
        apply(text)
    assert interchange.export() == before


def test_a_renamed_template_of_the_system_stays_the_systems(applied, nordwind):
    text = """
        organizations:
          - slug: nordwind
            templates:
              - {name: Eingangsbestätigung, system: acknowledgement}
        """
    assert apply(text) == [
        "+ organization nordwind / templates / system acknowledgement / name: Eingangsbestätigung",
        "~ organization nordwind / mailboxes / support@nordwind.example / rules / Invoices / template:"
        " Acknowledgement → Eingangsbestätigung",
    ]
    assert apply(text) == []
