"""Database triggers that keep published versions as they were, whoever writes."""

import pgtrigger

_FROZEN_ROW = """
    IF TG_OP = 'UPDATE' AND
       to_jsonb(NEW) - '{state,retired_at}'::text[] =
           to_jsonb(OLD) - '{state,retired_at}'::text[] AND
       (OLD.state, NEW.state) IN (('live', 'retired'), ('live', 'live'), ('retired', 'retired'))
    THEN
        RETURN NEW;
    END IF;
    -- What watches may still be scheduled, approved or withdrawn; what it says stays.
    IF TG_OP = 'UPDATE' AND OLD.state = 'shadow' AND NEW.state <> 'draft' AND
       to_jsonb(NEW) - shadow_steps = to_jsonb(OLD) - shadow_steps
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rule set version % is published and cannot be changed', OLD.version
        USING ERRCODE = 'check_violation';
"""

_SHADOW_STEPS = [
    (
        "shadow_steps",
        "text[] := '{state,approved_by,live_at,retired_at,publish_at,scheduled_by,"
        "scheduled_digest}'",
    )
]

RULESET_FROZEN = pgtrigger.Trigger(
    name="ruleset_frozen",
    operation=pgtrigger.Update,
    when=pgtrigger.Before,
    condition=~pgtrigger.Q(old__state="draft"),
    declare=_SHADOW_STEPS,
    func=_FROZEN_ROW,
)
RULESET_KEPT = pgtrigger.Trigger(
    name="ruleset_kept",
    operation=pgtrigger.Delete,
    when=pgtrigger.Before,
    condition=~pgtrigger.Q(old__state="draft"),
    declare=_SHADOW_STEPS,
    func=_FROZEN_ROW,
)

# A rule of a published version may only lose its author, when that account is deleted. A version
# restored from an earlier one is born published; its rules are written in the transaction that
# names it in `sluice.restored_ruleset`.
RULE_FROZEN = pgtrigger.Trigger(
    name="rule_frozen",
    operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
    when=pgtrigger.Before,
    declare=[("owner_id", "bigint")],
    func="""
        IF TG_OP = 'UPDATE' AND
           (to_jsonb(NEW) - 'author_id') = (to_jsonb(OLD) - 'author_id') THEN
            RETURN NEW;
        END IF;
        IF TG_OP = 'INSERT' AND
           current_setting('sluice.restored_ruleset', true) = NEW.ruleset_id::text THEN
            RETURN NEW;
        END IF;
        FOREACH owner_id IN ARRAY CASE TG_OP
            WHEN 'INSERT' THEN ARRAY[NEW.ruleset_id]
            WHEN 'DELETE' THEN ARRAY[OLD.ruleset_id]
            ELSE ARRAY[OLD.ruleset_id, NEW.ruleset_id] END
        LOOP
            IF EXISTS (SELECT 1 FROM rules_ruleset WHERE id = owner_id AND state <> 'draft') THEN
                RAISE EXCEPTION 'rules of a published version cannot be changed'
                    USING ERRCODE = 'check_violation';
            END IF;
        END LOOP;
        RETURN COALESCE(NEW, OLD);
    """,
)


def frozen_with_its_rule(name: str) -> pgtrigger.Trigger:
    """A trigger for a table of rows that belong to a rule."""
    return pgtrigger.Trigger(
        name=name,
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        when=pgtrigger.Before,
        declare=[("owner_id", "bigint")],
        func="""
            FOREACH owner_id IN ARRAY CASE TG_OP
                WHEN 'INSERT' THEN ARRAY[NEW.rule_id]
                WHEN 'DELETE' THEN ARRAY[OLD.rule_id]
                ELSE ARRAY[OLD.rule_id, NEW.rule_id] END
            LOOP
                IF EXISTS (
                    SELECT 1 FROM rules_rule r JOIN rules_ruleset s ON s.id = r.ruleset_id
                    WHERE r.id = owner_id AND s.state <> 'draft' AND NOT (
                        TG_OP = 'INSERT' AND
                        COALESCE(current_setting('sluice.restored_ruleset', true), '') = s.id::text
                    )
                ) THEN
                    RAISE EXCEPTION 'rules of a published version cannot be changed'
                        USING ERRCODE = 'check_violation';
                END IF;
            END LOOP;
            RETURN COALESCE(NEW, OLD);
        """,
    )
