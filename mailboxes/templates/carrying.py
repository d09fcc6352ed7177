"""The system's templates come into organizations, any number at once, by a list of statements.

Each can be repeated: what is right already is left alone. What an organization overrides is never
touched: ``name``, ``used_for``, ``kind`` (then all texts are its own) and ``text.de``, the text in one
language.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants import offers


def carry_templates(session: Session, organization_ids: Collection[UUID]) -> None:
    """Bring the copies in these organizations up to date."""
    given = {"ids": list(organization_ids)}
    session.execute(text(_ADDED), given)
    while session.execute(text(_TAKEN_NAMES), given).rowcount:  # type: ignore[attr-defined]
        pass  # a template that keeps its name keeps another one from taking it
    for statement in _REST:
        session.execute(text(statement), given)


COUNTED = """
SELECT system_key, count(*) AS copies, count(*) FILTER (WHERE overrides <> '{}' OR is_hidden) AS own
FROM templates WHERE system_key IS NOT NULL GROUP BY system_key
"""
_IN_USE = """EXISTS (SELECT 1 FROM auto_response_rules r
  WHERE r.organization_id = t.organization_id AND r.template_id = t.id)"""
USED = f"SELECT count(*) FROM templates t WHERE t.system_key = :key AND (t.overrides <> '{{}}' OR {_IN_USE})"
# It comes without a name, as if it were renamed.
_ADDED = f"""
INSERT INTO templates
  (organization_id, id, name, kind, used_for, system_key, is_custom, is_hidden, overrides, updated_at)
SELECT o.id, {offers.NEW_ID}, chr(1) || s.key, s.kind, s.used_for, s.key, false, false,
       ARRAY[]::text[], s.updated_at
FROM organizations o CROSS JOIN system_templates s
WHERE o.id = ANY(:ids) AND NOT EXISTS (SELECT 1 FROM templates c
                                       WHERE c.organization_id = o.id AND c.system_key = s.key)
ON CONFLICT DO NOTHING
"""
_COPY = "FROM system_templates s WHERE t.organization_id = ANY(:ids) AND t.system_key = s.key"
_RENAMED = "NOT 'name' = ANY(t.overrides) AND t.name <> s.name"
_TAKEN_NAMES = f"""
UPDATE templates t SET overrides = t.overrides || ARRAY['name'] {_COPY} AND {_RENAMED}
  AND EXISTS (SELECT 1 FROM templates o LEFT JOIN system_templates os ON os.key = o.system_key
              WHERE o.organization_id = t.organization_id AND o.id <> t.id AND NOT o.is_custom
                AND o.name = s.name AND (os.key IS NULL OR 'name' = ANY(o.overrides) OR o.name = os.name))
"""
_NAMED = f"UPDATE templates t SET name = {{name}} {_COPY} AND {_RENAMED}"
# One whose name is taken gets a number.
_NUMBERED = f"""
UPDATE templates t SET name = (
  SELECT s.name || ' ' || number FROM generate_series(2, 1000) number
  WHERE NOT EXISTS (SELECT 1 FROM templates o WHERE o.organization_id = t.organization_id
                    AND NOT o.is_custom AND o.name = s.name || ' ' || number)
  ORDER BY number LIMIT 1) {_COPY} AND starts_with(t.name, chr(1))
"""
# Texts of its own would be read as the wrong type: they keep theirs.
_KEPT_KINDS = f"""
UPDATE templates t SET overrides = t.overrides || ARRAY['kind'] {_COPY} AND t.kind <> s.kind
  AND NOT 'kind' = ANY(t.overrides)
  AND EXISTS (SELECT 1 FROM unnest(t.overrides) o WHERE starts_with(o, 'text.'))
"""
_KINDS = (
    f"UPDATE templates t SET kind = s.kind {_COPY} AND t.kind <> s.kind AND NOT 'kind' = ANY(t.overrides)"
)
_USES = f"""
UPDATE templates t SET used_for = s.used_for {_COPY}
  AND t.used_for <> s.used_for AND NOT 'used_for' = ANY(t.overrides)
"""
_DATED = f"""
UPDATE templates t SET updated_at = s.updated_at {_COPY}
  AND t.updated_at < s.updated_at AND t.overrides = '{{}}'
"""
_FOLLOWS = "NOT ('kind' = ANY(t.overrides) OR 'text.' || {}.language = ANY(t.overrides))"
_TEXTS_GONE = f"""
DELETE FROM template_texts x USING templates t, system_templates s
WHERE t.organization_id = ANY(:ids) AND t.system_key = s.key AND x.organization_id = t.organization_id
  AND x.template_id = t.id AND {_FOLLOWS.format("x")}
  AND NOT EXISTS (SELECT 1 FROM system_template_texts y
                  WHERE y.template_key = s.key AND y.language = x.language)
"""
_TEXTS_CHANGED = f"""
UPDATE template_texts x SET subject = y.subject, content = y.content
FROM templates t, system_template_texts y
WHERE t.organization_id = ANY(:ids) AND y.template_key = t.system_key
  AND x.organization_id = t.organization_id AND x.template_id = t.id AND x.language = y.language
  AND {_FOLLOWS.format("x")}
  AND (x.subject, x.content) <> (y.subject, y.content)
"""
_TEXTS_NEW = f"""
INSERT INTO template_texts (organization_id, id, template_id, language, subject, content)
SELECT t.organization_id, {offers.NEW_ID}, t.id, y.language, y.subject, y.content
FROM templates t JOIN system_template_texts y ON y.template_key = t.system_key
WHERE t.organization_id = ANY(:ids) AND {_FOLLOWS.format("y")}
  AND NOT EXISTS (SELECT 1 FROM template_texts x WHERE x.organization_id = t.organization_id
                  AND x.template_id = t.id AND x.language = y.language)
ON CONFLICT DO NOTHING
"""
_GONE = """t.organization_id = ANY(:ids) AND t.system_key IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM system_templates s WHERE s.key = t.system_key)"""
_REMOVED = f"DELETE FROM templates t WHERE {_GONE} AND t.overrides = '{{}}' AND NOT {_IN_USE}"
_KEPT = f"UPDATE templates t SET system_key = NULL, overrides = ARRAY[]::text[] WHERE {_GONE}"
# Names are given by way of one that nobody has, so that templates can change names among themselves.
_REST = (
    _NAMED.format(name="chr(1) || t.system_key"),
    _NAMED.format(name="s.name"),
    _NUMBERED,
    _KEPT_KINDS,
    _KINDS,
    _USES,
    _TEXTS_GONE,
    _TEXTS_CHANGED,
    _TEXTS_NEW,
    _DATED,
    _REMOVED,
    _KEPT,
)
