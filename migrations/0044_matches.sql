-- Matches of statement lines, settlement lines and items of the ledger. Source: docs/reconciliation.md, Tables.

-- The tolerances and terms of matching, in versions; a run names the version that it used. Amounts are đồng.
CREATE TABLE match_rule_set (
    organization_id int NOT NULL REFERENCES organization (id),
    version int NOT NULL CHECK (version > 0),
    rules jsonb NOT NULL CHECK (jsonb_typeof(rules) = 'object'),
    created_by uuid,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, version),
    FOREIGN KEY (organization_id, created_by) REFERENCES person (organization_id, id)
);
SELECT vienphi_isolate_tenant('match_rule_set');
SELECT vienphi_append_only('match_rule_set');
GRANT INSERT ON match_rule_set TO vienphi_app;

-- A recorded link between items of the sides. `rule` names what linked them; `difference` is bank − expected, in đồng,
-- within the tolerance. `entry_id` is the journal entry that moved the amount from clearing (113) to bank (1121); one
-- entry serves all matches of a run, clearing account and day. A match ends once: reverted by a person, or superseded
-- by a later run.
CREATE TABLE match (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    rule text NOT NULL CHECK (rule ~ '^[a-z][a-z_]{0,39}$'),
    rule_set int NOT NULL,
    run_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('live', 'reverted', 'superseded')),
    difference bigint NOT NULL DEFAULT 0,
    entry_id uuid,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    matched_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by uuid,
    ended_reason text NOT NULL DEFAULT '',
    ending_entry_id uuid,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, rule_set) REFERENCES match_rule_set (organization_id, version),
    FOREIGN KEY (organization_id, entry_id) REFERENCES journal_entry (organization_id, id),
    FOREIGN KEY (organization_id, ending_entry_id) REFERENCES journal_entry (organization_id, id),
    FOREIGN KEY (organization_id, ended_by) REFERENCES person (organization_id, id),
    CONSTRAINT ended_has_time CHECK ((state = 'live') = (ended_at IS NULL))
);
CREATE INDEX ON match (organization_id, run_id);
CREATE INDEX ON match (organization_id, entry_id) WHERE entry_id IS NOT NULL;
SELECT vienphi_guard_states('match', ARRAY['live'], ARRAY['live>reverted', 'live>superseded']);
SELECT vienphi_guard_once('match', 'ended_at', 'ended_by', 'ending_entry_id');
SELECT vienphi_isolate_tenant('match');
SELECT vienphi_grant_insert_except('match', 'ended_at', 'ended_by', 'ended_reason', 'ending_entry_id');
GRANT UPDATE (state, difference, entry_id, ended_at, ended_by, ended_reason, ending_entry_id) ON match TO vienphi_app;

-- One item of a match. `amount` has the sign of the bank account: positive for money in. An item is in at most one live
-- match. A match takes further items while it is live (a settlement line today, its statement line tomorrow).
CREATE TABLE match_item (
    organization_id int NOT NULL,
    match_id uuid NOT NULL,
    item_kind text NOT NULL CHECK (item_kind IN (
        'statement_line', 'settlement_line', 'payout', 'payment', 'outflow', 'refund', 'card_batch', 'bank_deposit')),
    item_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    is_live boolean NOT NULL DEFAULT true,
    PRIMARY KEY (organization_id, match_id, item_kind, item_id),
    FOREIGN KEY (organization_id, match_id) REFERENCES match (organization_id, id)
);
CREATE UNIQUE INDEX match_item_in_one_live_match ON match_item (organization_id, item_kind, item_id) WHERE is_live;
SELECT vienphi_isolate_tenant('match_item');
SELECT vienphi_grant_insert_except('match_item', 'is_live');
GRANT UPDATE (is_live) ON match_item TO vienphi_app;
