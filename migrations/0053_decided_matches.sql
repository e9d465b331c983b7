-- Matches by persons: the reason of a match by hand, and the pairs that a person reverted, which no run matches again.
-- Source: docs/reconciliation.md, Matching.

ALTER TABLE match ADD COLUMN reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 1000),
    ADD CONSTRAINT manual_has_reason CHECK (rule <> 'manual' OR length(reason) >= 3);
SELECT vienphi_grant_insert_except('match', 'ended_at', 'ended_by', 'ended_reason', 'ending_entry_id');
CREATE INDEX match_reverted ON match (organization_id, id) WHERE state = 'reverted';
CREATE INDEX match_item_ended ON match_item (organization_id, item_kind, item_id) WHERE NOT is_live;
