"""What the system offers reaches every organization, and leaves alone what was decided there."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from mailboxes import offering, rules, templates
from mailboxes.crm import lead_sources as own
from mailboxes.crm import system_sources as system
from mailboxes.crm.lead_sources import LeadSource, offer_lead_sources
from mailboxes.crm.leads import make_lead
from mailboxes.crm.system_sources import SystemLeadSource
from mailboxes.offering import carry_offers, count_of_those_behind
from mailboxes.offering.followers import (
    Following,
    lead_source_following,
    template_following,
    withdrawal_of_lead_source,
)
from mailboxes.rules import RuleValues
from mailboxes.templates import Template, TemplateValues, offer_system_templates, save_template, values_of
from mailboxes.templates.system import (
    save_system_template,
    system_template_of,
    system_values_of,
    use_built_in,
    withdraw_system_template,
)
from tenants.audit import Actor
from tenants.database import db
from tenants.database import inside as inside_of
from tenants.errors import AppError
from tests.factories import make_mailbox, make_organization

BY = Actor("Rosa")


@pytest.fixture
def both(app, ours, theirs):
    """Our organization and the neighbour, with what the system offers."""
    carry_offers()
    return ours, theirs


def system_source(key):
    return system.system_source_of(key)


def sources(world):
    with inside_of(world.id):
        return {one.key: one for one in db.session.scalars(own.lead_sources())}


def names(world):
    return [one.name for one in sources(world).values()]


def change(*acts):
    """Do something to what the system offers, and carry it."""
    for act in acts:
        act()
    db.session.commit()
    return carry_offers()


def test_every_organization_gets_what_is_built_in_once(app, ours, theirs):
    assert carry_offers() == 2
    assert carry_offers() == 0
    assert names(ours) == names(theirs) == list(system.BUILT_IN_SOURCES.values())
    with inside_of(theirs.id):
        assert {one.system_key for one in db.session.scalars(templates.templates())} == {
            "acknowledgement",
            "case_received",
        }


def test_a_change_of_the_system_reaches_who_follows_and_nobody_else(both):
    ours, theirs = both
    with inside_of(ours.id):
        mine = own.lead_source_with_key("phone")
        own.rename_lead_source(mine, "Hotline")
        own.hide_lead_source(own.lead_source_with_key("web_form"), is_hidden=False)
        own.make_default_lead_source(mine)
        own.move_lead_source(mine, up=True)
        db.session.commit()
    change(
        lambda: system.rename_system_source(system_source("phone"), "Telephone"),
        lambda: system.hide_system_source(system_source("web_form"), is_hidden=True),
        lambda: system.make_default_system_source(system_source("referral")),
        lambda: system.order_system_sources(["referral", "phone"]),
        lambda: system.add_system_source("Trade fair"),
    )
    assert names(theirs) == ["Referral", "Telephone", "Email", "Web form", "Demand Generation", "Trade fair"]
    assert names(ours) == ["Email", "Hotline", "Web form", "Referral", "Demand Generation", "Trade fair"]
    assert sources(theirs)["web_form"].is_hidden
    assert not sources(ours)["web_form"].is_hidden
    assert [key for key, one in sources(theirs).items() if one.is_default] == ["referral"]
    assert [key for key, one in sources(ours).items() if one.is_default] == ["phone"]
    assert lead_source_following()["phone"] == Following(follow=1, override=1)


def test_an_organization_follows_the_system_again(both):
    ours, _ = both
    with inside_of(ours.id):
        phone = own.lead_source_with_key("phone")
        own.rename_lead_source(phone, "Hotline")
        own.move_lead_source(phone, up=True)
        own.make_default_lead_source(phone)
        own.follow_system(phone)
        own.follow_system_list(own.POSITION)
        own.follow_system_list(own.DEFAULT)
        db.session.commit()
        assert not any(one.overrides for one in db.session.scalars(own.lead_sources()))
    assert names(ours) == list(system.BUILT_IN_SOURCES.values())
    assert sources(ours)["email"].is_default


def test_own_sources_behind_those_of_the_system_keep_its_order(both):
    ours, _ = both
    with inside_of(ours.id):
        for name in ("Fairs", "Flyers"):
            own.add_lead_source(name)
        own.move_lead_source(own.lead_source_with_key("flyers"), up=True)
        db.session.commit()
    change(lambda: system.order_system_sources(["phone"]))
    assert names(ours)[0] == "Phone"
    assert names(ours)[-2:] == ["Flyers", "Fairs"]


def test_a_source_that_organizations_have_by_that_name_becomes_the_systems_as_it_is(both):
    ours, theirs = both
    with inside_of(ours.id):
        mine = own.add_lead_source("trade FAIR", key="fairs")
        own.hide_lead_source(mine, is_hidden=True)
        make_lead({"name": "Tents", "source_id": mine.id}, "Ada")
        db.session.commit()
    change(lambda: system.add_system_source("Trade fair"))
    adopted = sources(ours)["fairs"]
    assert (adopted.id, adopted.name, adopted.is_hidden) == (mine.id, "trade FAIR", True)
    with inside_of(ours.id):
        assert own.lead_source_with_key("trade_fair").id == mine.id
    assert sources(theirs)["trade_fair"].name == "Trade fair"


def test_names_are_exchanged_and_taken_ones_stay_with_who_has_them(both):
    ours, theirs = both
    with inside_of(ours.id):
        own.add_lead_source("Telephone")
        own.rename_lead_source(own.lead_source_with_key("email"), "Fax")
        db.session.commit()
    change(
        lambda: system.rename_system_source(system_source("phone"), "x"),
        lambda: system.rename_system_source(system_source("referral"), "Phone"),
        lambda: system.rename_system_source(system_source("phone"), "Referral"),
        lambda: system.add_system_source("Fax"),
    )
    assert (sources(theirs)["phone"].name, sources(theirs)["referral"].name) == ("Referral", "Phone")
    assert sources(ours)["fax"].name == "Fax 2"
    change(lambda: system.rename_system_source(system_source("phone"), "Telephone"))
    assert sources(theirs)["phone"].name == "Telephone"
    assert (sources(ours)["phone"].name, sources(ours)["phone"].overrides) == ("Referral", ["name"])


def test_a_withdrawn_source_stays_where_it_is_used_or_changed(both):
    ours, theirs = both
    with inside_of(ours.id):
        make_lead({"name": "Tents", "source_id": own.lead_source_with_key("referral").id}, "Ada")
        own.rename_lead_source(own.lead_source_with_key("web_form"), "Website")
        db.session.commit()
    make_mailbox(ours, action="lead", action_settings={"source": "phone"})
    keys = ("referral", "web_form", "phone", "demand_generation")
    counts = [(one.removed, one.kept) for one in map(withdrawal_of_lead_source, keys)]
    assert counts == [(1, 1), (1, 1), (1, 1), (2, 0)]
    change(*(lambda key=key: system.withdraw_system_source(system_source(key)) for key in keys))
    assert names(theirs) == ["Email"]
    assert names(ours) == ["Email", "Website", "Phone", "Referral"]
    assert [one.system_key for one in sources(ours).values()] == ["email", None, None, None]


def test_an_interrupted_carrying_is_finished_by_the_next(app, ours, theirs, monkeypatch):
    third = make_organization("Third")
    monkeypatch.setattr(offering, "AT_ONCE", 1)
    carried = offering.carry_templates

    def dying(session, ids):
        if ids == [theirs.id]:
            raise ConnectionError
        carried(session, ids)

    monkeypatch.setattr(offering, "carry_templates", dying)
    with pytest.raises(ConnectionError):
        carry_offers()
    assert (len(names(ours)), names(theirs), names(third)) == (5, [], [])
    assert count_of_those_behind() == 2
    monkeypatch.setattr(offering, "carry_templates", carried)
    assert carry_offers(most=1) == 1
    assert carry_offers() == 1
    assert len(names(theirs)) == len(names(third)) == 5


def test_carrying_to_more_organizations_asks_no_more(app, ours, theirs):
    asked = []

    def note(conn, cursor, statement, *rest):
        asked.append(statement)

    for world in (None, "Third", "Fourth"):
        if world is None:
            carry_offers()
            continue
        make_organization(world)
        if world == "Fourth":
            make_organization("Fifth")
        event.listen(db.engines["system"], "before_cursor_execute", note)
        asked.append(world)
        carry_offers()
        event.remove(db.engines["system"], "before_cursor_execute", note)
    place = asked.index("Fourth")
    assert len(asked[:place]) == len(asked[place:])


# --- templates


def copy_of(world, key="acknowledgement"):
    with inside_of(world.id):
        found = db.session.scalars(select(Template).where(Template.system_key == key)).one()
        return found, values_of(found)


def save_system(key="acknowledgement", **changed):
    template = system_template_of(key)
    values = system_values_of(template)
    given = {"name": values.name, "kind": values.kind, "used_for": values.used_for, "texts": values.texts}
    save_system_template(TemplateValues(**given | changed), template, by=BY)


def test_a_template_follows_language_by_language(both):
    ours, theirs = both
    with inside_of(ours.id):
        template = offer_system_templates()["acknowledgement"]
        mine = values_of(template)
        changed = TemplateValues(mine.name, mine.kind, mine.used_for, {**mine.texts, "de": ("", "Danke.")})
        save_template(changed, template, by=BY)
        assert template.overrides == ["text.de"]
        db.session.commit()
    change(lambda: save_system(name="Receipt", texts={"en": ("", "Thanks."), "de": ("", "Ja.")}))
    assert copy_of(theirs)[1].texts == {"en": ("", "Thanks."), "de": ("", "Ja.")}
    assert copy_of(ours)[1].texts == {"en": ("", "Thanks."), "de": ("", "Danke.")}
    assert copy_of(ours)[0].name == "Receipt"
    assert template_following()["acknowledgement"].override == 1
    change(lambda: use_built_in(system_template_of("acknowledgement"), by=BY))
    assert set(copy_of(ours)[1].texts) == {"en", "de", "fr", "es"}


def test_texts_of_an_organization_are_never_read_as_another_type(both):
    ours, theirs = both
    with inside_of(ours.id):
        template = offer_system_templates()["acknowledgement"]
        mine = values_of(template)
        save_template(TemplateValues(mine.name, texts={**mine.texts, "en": ("", "a < b")}), template, by=BY)
        db.session.commit()
    change(lambda: save_system(kind="html", texts={"en": ("", "<p>Thanks</p>")}))
    assert copy_of(theirs)[1].kind == "html"
    template, kept = copy_of(ours)
    assert (kept.kind, kept.texts["en"]) == ("plain", ("", "a < b"))
    assert set(kept.texts) == {"en", "de", "fr", "es"}
    assert "kind" in template.overrides


def test_a_withdrawn_template_stays_where_a_rule_answers_with_it(both):
    ours, theirs = both
    mailbox = make_mailbox(ours)
    with inside_of(ours.id):
        template = offer_system_templates()["case_received"]
        rules.add_rule(mailbox, RuleValues("All", template_id=template.id), by=BY)
        with pytest.raises(AppError, match="Hide it instead"):
            rules.delete_template(template, by=BY)
        db.session.commit()
    change(lambda: withdraw_system_template(system_template_of("case_received"), by=BY))
    with inside_of(ours.id):
        assert templates.template_of(template.id).system_key is None
    with inside_of(theirs.id):
        assert [one.system_key for one in db.session.scalars(templates.templates())] == ["acknowledgement"]


def test_a_template_whose_name_is_taken_gets_a_number(both):
    ours, theirs = both
    with inside_of(ours.id):
        save_template(TemplateValues("Welcome", texts={"en": ("", "Hi")}), by=BY)
        db.session.commit()
    change(
        lambda: save_system_template(TemplateValues("Welcome", texts={"en": ("", "Hello")}), by=BY),
        lambda: save_system(key="case_received", name="Received"),
    )
    assert copy_of(ours, "welcome")[0].name == "Welcome 2"
    assert copy_of(theirs, "welcome")[0].name == "Welcome"
    assert copy_of(ours, "case_received")[0].name == "Received"


# --- whatever happens


NAMES = st.sampled_from(["Phone", "Email", "Fax", "fax", "Fair"])
KEYS = st.sampled_from(["email", "phone", "fax", "fair"])
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("system add"), NAMES),
        st.tuples(st.just("system rename"), KEYS, NAMES),
        st.tuples(st.just("system hide"), KEYS, st.booleans()),
        st.tuples(st.just("system default"), KEYS),
        st.tuples(st.just("system withdraw"), KEYS),
        st.tuples(st.just("system order"), KEYS),
        st.tuples(st.just("add"), NAMES),
        st.tuples(st.just("rename"), KEYS, NAMES),
        st.tuples(st.just("hide"), KEYS, st.booleans()),
        st.tuples(st.just("default"), KEYS),
        st.tuples(st.just("move"), KEYS, st.booleans()),
        st.tuples(st.just("merge"), KEYS, KEYS),
        st.tuples(st.just("follow"), KEYS),
        st.tuples(st.just("carry")),
    ),
    max_size=12,
)


def do(act, *given):
    """One act of either side; what is refused is refused."""
    first = given[0] if given else ""
    try:
        if act.startswith("system"):
            of_system(act, first, *given[1:])
        elif act == "add":
            own.add_lead_source(first)
        elif act == "carry":
            offer_lead_sources()
        else:
            of_organization(act, own.lead_source_with_key(first), *given[1:])
    except AppError:
        pass


def of_system(act, first, *given):
    if act == "system add":
        system.add_system_source(first)
    elif act == "system order":
        system.order_system_sources([first])
    else:
        source = system_source(first)
        {
            "system rename": lambda: system.rename_system_source(source, *given),
            "system hide": lambda: system.hide_system_source(source, is_hidden=given[0]),
            "system default": lambda: system.make_default_system_source(source),
            "system withdraw": lambda: system.withdraw_system_source(source),
        }[act]()


def of_organization(act, source, *given):
    if source is None:
        return
    into = own.lead_source_with_key(given[0]) if act == "merge" else None
    {
        "rename": lambda: own.rename_lead_source(source, *given),
        "hide": lambda: own.hide_lead_source(source, is_hidden=given[0]),
        "default": lambda: own.make_default_lead_source(source),
        "move": lambda: own.move_lead_source(source, up=given[0]),
        "merge": lambda: own.turn_into_signpost(source, into) if into and into.id != source.id else None,
        "follow": lambda: own.follow_system(source),
    }[act]()


@given(acts=ACTS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_both_sides_do_the_list_stays_whole(app, ours, acts):
    with inside_of(ours.id):
        offer_lead_sources()
        for act in acts:
            do(*act)
        carried = offer_lead_sources()
        again = [(one.key, one.name, one.position) for one in carried.values()]
        assert again == [(one.key, one.name, one.position) for one in offer_lead_sources().values()]
        offered = {one.key: one for one in db.session.scalars(select(SystemLeadSource))}
        everything = db.session.scalars(select(LeadSource)).all()
        assert {one.system_key for one in everything if one.system_key} == set(offered)
        assert len({one.name.lower() for one in carried.values()}) == len(carried)
        assert all("\x01" not in one.name for one in carried.values())
        assert sum(one.is_default for one in carried.values()) == 1
        assert not any(one.is_default and one.is_hidden for one in carried.values())
        for one in carried.values():
            if one.follows("name"):
                assert one.name == offered[one.system_key].name
            if one.follows("hidden") and not one.is_default:
                assert one.is_hidden == offered[one.system_key].is_hidden
        db.session.rollback()
