"""The system's lead sources come into organizations, any number at once, by a list of statements.

Each can be repeated: what is right already is left alone. What an organization overrides
(``lead_sources.overrides``: name, hidden; position and default for its whole list) is never touched.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants import offers


def carry_sources(session: Session, organization_ids: Collection[UUID]) -> None:
    """Bring the copies in these organizations up to date."""
    given = {"ids": list(organization_ids)}
    for statement in _BEFORE_NAMES:
        session.execute(text(statement), given)
    while session.execute(text(_TAKEN_NAMES), given).rowcount:  # type: ignore[attr-defined]
        pass  # a source that keeps its name keeps another one from taking it
    for statement in _FROM_NAMES:
        session.execute(text(statement), given)


COUNTED = """
SELECT l.system_key, count(*) AS copies,
       count(*) FILTER (WHERE l.overrides && ARRAY['name', 'hidden'] OR l.merged_into_id IS NOT NULL) AS own
FROM lead_sources l WHERE l.system_key IS NOT NULL GROUP BY l.system_key
"""
# A mailbox that makes no leads now may say which source they would get.
_IN_USE = """(EXISTS (SELECT 1 FROM leads d
              WHERE d.organization_id = l.organization_id AND d.source_id = l.id)
  OR EXISTS (SELECT 1 FROM mailboxes m WHERE m.organization_id = l.organization_id AND m.deleted_at IS NULL
             AND l.key IN (m.action_settings ->> 'source', m.overrides #>> '{source,value}'))
  OR EXISTS (SELECT 1 FROM lead_sources t WHERE t.organization_id = l.organization_id
             AND t.merged_into_id = l.id))"""
_CHANGED = "(l.overrides && ARRAY['name', 'hidden'] OR l.is_default OR l.merged_into_id IS NOT NULL)"
USED = f"SELECT count(*) FROM lead_sources l WHERE l.system_key = :key AND ({_CHANGED} OR {_IN_USE})"
# A source that an organization has under the same key or name becomes the system's, with its own name
# and state kept: nothing that people see there changes.
_ADOPTED = """
UPDATE lead_sources l SET system_key = s.key, overrides = l.overrides || ARRAY['name', 'hidden']
FROM system_lead_sources s
WHERE l.organization_id = ANY(:ids) AND l.system_key IS NULL AND {same}
  AND NOT EXISTS (SELECT 1 FROM lead_sources c
                  WHERE c.organization_id = l.organization_id AND c.system_key = s.key)
"""
# It comes without a name, as if it were renamed.
_ADDED = f"""
INSERT INTO lead_sources
  (organization_id, id, key, name, position, is_hidden, is_default, system_key, overrides)
SELECT o.id, {offers.NEW_ID}, s.key, chr(1) || s.key, s.position + coalesce(last.position, 0), s.is_hidden,
       false, s.key, ARRAY[]::text[]
FROM organizations o CROSS JOIN system_lead_sources s
LEFT JOIN LATERAL (SELECT max(position) AS position FROM lead_sources
                   WHERE organization_id = o.id) last ON true
WHERE o.id = ANY(:ids) AND NOT EXISTS (SELECT 1 FROM lead_sources c
                                       WHERE c.organization_id = o.id AND c.system_key = s.key)
ORDER BY o.id, s.position
ON CONFLICT DO NOTHING
"""
_RENAMED = "l.merged_into_id IS NULL AND NOT 'name' = ANY(l.overrides) AND l.name <> s.name"
_TAKEN_NAMES = f"""
UPDATE lead_sources l SET overrides = l.overrides || ARRAY['name'] FROM system_lead_sources s
WHERE l.organization_id = ANY(:ids) AND l.system_key = s.key AND {_RENAMED}
  AND EXISTS (SELECT 1 FROM lead_sources o LEFT JOIN system_lead_sources os ON os.key = o.system_key
              WHERE o.organization_id = l.organization_id AND o.id <> l.id AND o.merged_into_id IS NULL
                AND lower(o.name) = lower(s.name)
                AND (os.key IS NULL OR 'name' = ANY(o.overrides) OR o.name = os.name))
"""
_NAMED = f"""
UPDATE lead_sources l SET name = {{name}} FROM system_lead_sources s
WHERE l.organization_id = ANY(:ids) AND l.system_key = s.key AND {_RENAMED}
"""
# One whose name is taken gets a number.
_NUMBERED = """
UPDATE lead_sources l SET name = (
  SELECT s.name || ' ' || number FROM generate_series(2, 1000) number
  WHERE NOT EXISTS (SELECT 1 FROM lead_sources t WHERE t.organization_id = l.organization_id
                    AND t.merged_into_id IS NULL AND lower(t.name) = lower(s.name || ' ' || number))
  ORDER BY number LIMIT 1)
FROM system_lead_sources s
WHERE l.organization_id = ANY(:ids) AND l.system_key = s.key AND starts_with(l.name, chr(1))
"""
_OWN = """EXISTS (SELECT 1 FROM lead_sources w
  WHERE w.organization_id = l.organization_id AND '{}' = ANY(w.overrides))"""
_DEFAULTED = f"""
UPDATE lead_sources l SET is_default = (l.system_key IS NOT DISTINCT FROM d.key)
FROM system_lead_sources d
WHERE d.is_default AND l.organization_id = ANY(:ids)
  AND l.is_default <> (l.system_key IS NOT DISTINCT FROM d.key) AND NOT {_OWN.format("default")}
  AND EXISTS (SELECT 1 FROM lead_sources t
              WHERE t.organization_id = l.organization_id AND t.system_key = d.key
                AND t.merged_into_id IS NULL AND NOT (t.is_hidden AND 'hidden' = ANY(t.overrides)))
"""
_HIDDEN = """
UPDATE lead_sources l SET is_hidden = s.is_hidden FROM system_lead_sources s
WHERE l.organization_id = ANY(:ids) AND l.system_key = s.key AND l.merged_into_id IS NULL
  AND NOT 'hidden' = ANY(l.overrides) AND l.is_hidden <> s.is_hidden AND NOT (s.is_hidden AND l.is_default)
"""
_ORDERED = f"""
UPDATE lead_sources l SET position = w.place
FROM (SELECT l.organization_id, l.id, row_number() OVER (
        PARTITION BY l.organization_id ORDER BY s.position NULLS LAST, l.position, l.name) AS place
      FROM lead_sources l LEFT JOIN system_lead_sources s ON s.key = l.system_key
      WHERE l.organization_id = ANY(:ids) AND l.merged_into_id IS NULL) w
WHERE l.organization_id = w.organization_id AND l.id = w.id AND l.position <> w.place
  AND NOT {_OWN.format("position")}
"""
_GONE = """l.organization_id = ANY(:ids) AND l.system_key IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM system_lead_sources s WHERE s.key = l.system_key)"""
_REMOVED = f"DELETE FROM lead_sources l WHERE {_GONE} AND NOT {_CHANGED} AND NOT {_IN_USE}"
_KEPT = f"""
UPDATE lead_sources l SET system_key = NULL,
  overrides = array_remove(array_remove(l.overrides, 'name'), 'hidden') WHERE {_GONE}
"""
_BEFORE_NAMES = (
    _ADOPTED.format(same="l.key = s.key"),
    _ADOPTED.format(same="lower(l.name) = lower(s.name) AND l.merged_into_id IS NULL"),
    _ADDED,
)
# Names are given by way of one that nobody has, so that sources can change names among themselves.
_FROM_NAMES = (
    _NAMED.format(name="chr(1) || l.key"),
    _NAMED.format(name="s.name"),
    _NUMBERED,
    _DEFAULTED,
    _HIDDEN,
    _REMOVED,
    _KEPT,
    _ORDERED,
)
