-- Single payments of several deliveries in one transaction. Source: docs/design.md §5, Single payments;
-- docs/decisions/0020-shared-commits.md.
--
-- The service calls vienphi_try_single_payment() once for each delivery of a group, all in one transaction. Each call
-- sets its own organization, so row security shows it the rows of that organization and no others. A refused call rolls back
-- its own rows and returns false; the others of the group are committed.

-- vienphi_write_single_payment(); returns whether it wrote. It does not wait for the closing of a day, and waits at most
-- 100 ms for a row that another transaction holds: the deliveries of other organizations would wait with it.
CREATE FUNCTION vienphi_try_single_payment(
    organization int, recorded_at timestamptz,
    event_key text, fingerprint bytea, movement_accounts uuid[], movement_keys text[],
    reference_account_id uuid, reference text, reference_source text, reference_name text, reference_day date,
    reference_codes text[], outflow_code text, outflow_keys text[],
    delivery_id uuid, account_id uuid, received_at timestamptz, verdict text, notices int, method text,
    path_suffix text, query text, headers text, body bytea, source_address text,
    payment_id uuid, bank_account_id uuid, amount bigint, provider_reference text, bank_reference text,
    occurred_at timestamptz, transfer_text text, payer_name text, payer_account text, payer_bank text,
    allocation_id uuid, allocation_reason text,
    invoice_id uuid, invoice_version_before int, invoice_version int, invoice_allocated bigint, invoice_owed bigint,
    intent_id uuid, intent_version_before int, intent_version int, intent_state text, intent_received bigint,
    entry_id uuid, entry_kind text, accounting_date date, debit_account_id uuid, credit_account_id uuid,
    visit_id uuid, payer text,
    message_ids uuid[], topics text[], payloads jsonb[], audit_id uuid, audit_action text
) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '100ms' AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared(1, organization) THEN
        RETURN false;
    END IF;
    PERFORM public.vienphi_write_single_payment(
        organization, recorded_at, event_key, fingerprint, movement_accounts, movement_keys,
        reference_account_id, reference, reference_source, reference_name, reference_day, reference_codes,
        outflow_code, outflow_keys, delivery_id, account_id, received_at, verdict, notices, method, path_suffix,
        query, headers, body, source_address, payment_id, bank_account_id, amount, provider_reference,
        bank_reference, occurred_at, transfer_text, payer_name, payer_account, payer_bank, allocation_id,
        allocation_reason, invoice_id, invoice_version_before, invoice_version, invoice_allocated, invoice_owed,
        intent_id, intent_version_before, intent_version, intent_state, intent_received, entry_id, entry_kind,
        accounting_date, debit_account_id, credit_account_id, visit_id, payer, message_ids, topics, payloads,
        audit_id, audit_action);
    RETURN true;
EXCEPTION
    WHEN serialization_failure OR integrity_constraint_violation OR lock_not_available THEN
        RETURN false;
END $$;
DO $$ BEGIN
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', 'vienphi_try_single_payment'::regproc::regprocedure);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO vienphi_app', 'vienphi_try_single_payment'::regproc::regprocedure);
END $$;
