"""What applies in the mailboxes that follow a global one: the system's values, with the overrides over them.

The same statements settle one mailbox inside its organization, when something is overridden there, and
those of thousands of organizations at once, when the system has changed something. All of them may run again.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

# What an organization says otherwise counts where the system did not lock it.
_COUNTING = """(m.overrides - ARRAY(SELECT l.key FROM jsonb_each(m.system_values) AS l
    WHERE l.value ? 'lock'))"""
_MINE = "m.global_mailbox_id = :id AND m.organization_id = ANY(:organizations) AND m.deleted_at IS NULL"
# A label that the organization gave to another mailbox already is no obstacle: this one gets another.
_FREE_LABEL = """
    (SELECT c.label FROM unnest(ARRAY[
        e.label, left(e.label, 88) || ' (System)', left(e.label, 86) || ' (System 2)',
        left(e.label, 86) || ' (System 3)', left(e.label, 50) || ' (System ' || m.id || ')'
     ]) WITH ORDINALITY AS c(label, place)
     WHERE NOT EXISTS (SELECT 1 FROM mailboxes o WHERE o.organization_id = m.organization_id
                       AND o.deleted_at IS NULL AND o.id <> m.id AND lower(o.label) = lower(c.label))
     ORDER BY c.place LIMIT 1)
"""
# Out of shadow, automation begins with what arrives then, whatever else is said.
_LIVE_SINCE = "CASE WHEN m.is_shadow AND NOT e.shadow THEN now() ELSE m.live_since END"
_APPLY = f"""
    UPDATE mailboxes m SET
      label = {_FREE_LABEL},
      is_enabled = m.is_served AND e.enabled,
      is_shadow = e.shadow,
      live_since = {_LIVE_SINCE},
      action = e.action,
      action_settings = CASE WHEN e.action = 'nothing' THEN '{{}}' ELSE e.settings END,
      automation_from = greatest(e.automation_from, {_LIVE_SINCE}),
      converts_automatic = e.converts_automatic,
      trusted_forms = e.trusted_forms,
      answers_unaddressed = e.answers_unaddressed,
      signature = e.signature,
      rules_from = e.rules_from
    FROM (
      SELECT organization_id, id, said #>> '{{label,value}}' AS label,
        (said #>> '{{enabled,value}}')::boolean AS enabled,
        coalesce((said #>> '{{shadow,value}}')::boolean, false) AS shadow,
        CASE WHEN counting ? 'rules' THEN said #>> '{{rules,value}}' ELSE 'system' END AS rules_from,
        said #>> '{{processing,value,action}}' AS action,
        (said #> '{{processing,value,settings}}') || jsonb_build_object(
          'owner', said #> '{{owner,value}}', 'source', said #> '{{source,value}}') AS settings,
        (said #>> '{{automation_from,value}}')::timestamptz AS automation_from,
        (said #>> '{{converts_automatic,value}}')::boolean AS converts_automatic,
        ARRAY(SELECT jsonb_array_elements_text(said #> '{{trusted_forms,value}}')) AS trusted_forms,
        (said #>> '{{answers_unaddressed,value}}')::boolean AS answers_unaddressed,
        said #>> '{{signature,value}}' AS signature
      FROM (SELECT organization_id, id, {_COUNTING} AS counting, m.system_values || {_COUNTING} AS said
            FROM mailboxes m WHERE {_MINE}) AS s
    ) AS e
    WHERE {_MINE} AND m.organization_id = e.organization_id AND m.id = e.id
"""  # noqa: S608  # only our own text is filled in
# An organization's own grants wait in its override while access is locked.
_IS_LOCKED = "(m.system_values -> 'access') ? 'lock'"
_PUT_AWAY = f"""
    UPDATE mailboxes m SET overrides = jsonb_set(m.overrides, '{{access,value}}', coalesce((
      SELECT jsonb_agg(jsonb_build_object('role', g.role_id, 'member', g.membership_id, 'level', g.level))
      FROM mailbox_grants g WHERE g.organization_id = m.organization_id AND g.mailbox_id = m.id), '[]'))
    WHERE {_MINE} AND {_IS_LOCKED} AND jsonb_typeof(m.overrides #> '{{access,value}}') = 'null'
"""  # noqa: S608
_COME_BACK = f"NOT {_IS_LOCKED} AND jsonb_typeof(m.overrides #> '{{access,value}}') = 'array'"
_MAKE_ROOM = f"""
    DELETE FROM mailbox_grants g USING mailboxes m
    WHERE {_MINE} AND {_COME_BACK} AND g.organization_id = m.organization_id AND g.mailbox_id = m.id
"""  # noqa: S608
_PUT_BACK = f"""
    INSERT INTO mailbox_grants (organization_id, id, mailbox_id, role_id, membership_id, level)
    SELECT m.organization_id, gen_random_uuid(), m.id, r.id, p.id, a.one->>'level'
    FROM mailboxes m CROSS JOIN LATERAL jsonb_array_elements(m.overrides #> '{{access,value}}') AS a(one)
    LEFT JOIN roles r ON r.organization_id = m.organization_id AND r.id = (a.one->>'role')::uuid
    LEFT JOIN memberships p ON p.organization_id = m.organization_id AND p.id = (a.one->>'member')::uuid
    WHERE {_MINE} AND {_COME_BACK} AND (r.id IS NOT NULL OR p.id IS NOT NULL)
"""  # noqa: S608
_BACK_AGAIN = f"""
    UPDATE mailboxes m SET overrides = jsonb_set(m.overrides, '{{access,value}}', 'null')
    WHERE {_MINE} AND {_COME_BACK}
"""  # noqa: S608
_TAKE_ACCESS = f"""
    DELETE FROM mailbox_grants g USING mailboxes m
    WHERE {_MINE} AND NOT {_COUNTING} ? 'access'
      AND g.organization_id = m.organization_id AND g.mailbox_id = m.id
      AND NOT EXISTS (
        SELECT 1 FROM roles r WHERE r.organization_id = g.organization_id AND r.id = g.role_id
        AND m.system_values #>> ARRAY['access', 'value', r.system_key] = g.level)
"""  # noqa: S608
_GIVE_ACCESS = f"""
    INSERT INTO mailbox_grants (organization_id, id, mailbox_id, role_id, level)
    SELECT m.organization_id, gen_random_uuid(), m.id, r.id, a.value
    FROM mailboxes m
    CROSS JOIN LATERAL jsonb_each_text(m.system_values #> '{{access,value}}') AS a(key, value)
    JOIN roles r ON r.organization_id = m.organization_id AND r.system_key = a.key
    WHERE {_MINE} AND NOT {_COUNTING} ? 'access'
    ON CONFLICT (organization_id, mailbox_id, role_id) DO NOTHING
"""  # noqa: S608
# Copies of rules follow whether they apply or not, so that going back to them is one switch.
_TAKE_RULES = f"""
    DELETE FROM auto_response_rules a USING mailboxes m
    WHERE {_MINE} AND a.organization_id = m.organization_id AND a.mailbox_id = m.id
      AND a.system_key IS NOT NULL
      AND NOT m.system_values #> '{{rules,value}}'
        @> jsonb_build_array(jsonb_build_object('key', a.system_key))
"""  # noqa: S608
_GIVE_RULES = f"""
    INSERT INTO auto_response_rules AS a (organization_id, id, mailbox_id, position, name, is_active,
      conditions, template_id, system_key, active_since, created_at)
    SELECT m.organization_id, gen_random_uuid(), m.id, r.place, r.rule->>'name',
      (r.rule->>'is_active')::boolean, r.rule->'conditions', t.id, (r.rule->>'key')::uuid, now(), now()
    FROM mailboxes m
    CROSS JOIN LATERAL jsonb_array_elements(m.system_values #> '{{rules,value}}')
      WITH ORDINALITY AS r(rule, place)
    JOIN templates t ON t.organization_id = m.organization_id AND t.system_key = r.rule->>'template'
    WHERE {_MINE}
    ON CONFLICT (organization_id, mailbox_id, system_key) DO UPDATE SET
      position = excluded.position, name = excluded.name, is_active = excluded.is_active,
      conditions = excluded.conditions, template_id = excluded.template_id,
      active_since = CASE WHEN excluded.is_active AND NOT a.is_active THEN now() ELSE a.active_since END
"""  # noqa: S608
_ACCESS = (_PUT_AWAY, _MAKE_ROOM, _PUT_BACK, _BACK_AGAIN, _TAKE_ACCESS, _GIVE_ACCESS)
_STATEMENTS = tuple(map(text, (_APPLY, *_ACCESS, _TAKE_RULES, _GIVE_RULES)))


def settle(session: Session, global_mailbox_id: UUID, organizations: Sequence[UUID]) -> None:
    """Make true what system values and overrides say in the mailboxes of these organizations.

    The rows of the mailboxes are locked first. The caller commits.
    """
    given = {"id": global_mailbox_id, "organizations": list(organizations)}
    for statement in _STATEMENTS:
        session.execute(statement, given)
