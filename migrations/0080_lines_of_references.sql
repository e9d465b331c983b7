-- The lines of a reference are found by the reference first. An index that begins with the account looks no better than
-- those by day and amount while the table is new, and one of those would read every line of the account.
DROP INDEX statement_line_by_reference;
CREATE INDEX statement_line_by_reference ON statement_line (organization_id, bank_reference, bank_account_id)
    WHERE bank_reference <> '';
