-- A private insurer that has guaranteed its part (bảo lãnh viện phí) owes it to the hospital: a payer of its own beside
-- the patient, the fund and other funds, with a receivable of its own. Without a guarantee the patient pays it and
-- claims it back, and nothing of it stands here. Source: rules B-090, B-091.
ALTER TABLE invoice
    ADD COLUMN private_share bigint NOT NULL DEFAULT 0 CHECK (private_share >= 0),
    ADD COLUMN guarantor text NOT NULL DEFAULT '' CHECK (length(guarantor) <= 100),
    ADD CONSTRAINT private_share_has_guarantor CHECK (private_share = 0 OR guarantor <> '');

DO $$
DECLARE
    organization int;
BEGIN
    -- Row security is forced on the owner too, so each organization is reached by itself.
    FOR organization IN SELECT vienphi_organizations() LOOP
        PERFORM set_config('vienphi.organization', organization::text, true);
        INSERT INTO ledger_account (organization_id, id, role, subject, kind, normal_side)
        VALUES (organization, gen_random_uuid(), 'receivable_private', '', 'rollup', 'debit');
        INSERT INTO ledger_number (organization_id, account_id, valid_from, number, name)
        SELECT organization, account.id, coalesce((SELECT min(valid_from) FROM ledger_number), current_date), '131',
            'Phải thu bảo hiểm tư nhân'
        FROM ledger_account AS account WHERE account.role = 'receivable_private';
    END LOOP;
    PERFORM set_config('vienphi.organization', '', true);
END $$;
