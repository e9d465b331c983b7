-- compatible-from: 0083
-- without-transaction
-- The few lines whose reference is not in the normal form are found by it; `statement_line_by_reference` has the others.
CREATE INDEX CONCURRENTLY statement_line_by_normal_reference
    ON statement_line (organization_id, normal_reference, bank_account_id) WHERE normal_reference IS NOT NULL;
