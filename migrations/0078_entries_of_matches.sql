-- One statement writes matches with the ids of the entries that move their amounts; the entries are posted after it, in
-- the same transaction. Source: docs/reconciliation.md, Matching.
ALTER TABLE match ALTER CONSTRAINT match_organization_id_entry_id_fkey DEFERRABLE INITIALLY DEFERRED;

-- The payments that were booked from statement lines, which their reports name by the bank reference. Few rows are in
-- the index, and callbacks do not pay for it.
CREATE INDEX bank_reference_of_statement ON bank_reference (organization_id, account_id, reference)
    WHERE source = 'statement';
