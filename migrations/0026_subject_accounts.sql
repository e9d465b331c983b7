-- Ledger accounts that exist once for each subject (a desk, a card terminal, a bank account, a fund) are added with it.
-- The service may add an account with the number that its role proposes; it may not number an account that exists.

CREATE FUNCTION vienphi_add_ledger_account(
    account_id uuid, role text, subject text, kind text, normal_side text, number text, name text, valid_from date
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    organization int := NULLIF(current_setting('vienphi.organization', true), '')::int;
BEGIN
    INSERT INTO public.ledger_account (organization_id, id, role, subject, kind, normal_side)
        VALUES (organization, account_id, vienphi_add_ledger_account.role, vienphi_add_ledger_account.subject,
            vienphi_add_ledger_account.kind, vienphi_add_ledger_account.normal_side)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF vienphi_add_ledger_account.kind = 'inline' THEN
        INSERT INTO public.inline_balance (organization_id, account_id)
            VALUES (organization, vienphi_add_ledger_account.account_id);
    END IF;
    INSERT INTO public.ledger_number (organization_id, account_id, valid_from, number, name)
        VALUES (organization, vienphi_add_ledger_account.account_id, vienphi_add_ledger_account.valid_from,
            vienphi_add_ledger_account.number, vienphi_add_ledger_account.name);
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_add_ledger_account(uuid, text, text, text, text, text, text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_add_ledger_account(uuid, text, text, text, text, text, text, date) TO vienphi_app;
