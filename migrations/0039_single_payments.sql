-- One delivery that pays one invoice under one code, in two round trips. Source: docs/design.md §5, Single payments;
-- docs/decisions/0019-single-payments.md.
--
-- The service reads without a lock, decides as for a batch (`payments/domain/apply_events.py`), and writes with
-- vienphi_write_single_payment(), which takes every lock in the order of design §5 and refuses with 40001 or a unique
-- violation if anything that decided is different by then. The service then applies the delivery in the general way.
-- A call is a transaction of its own, so the function sets the organization for that transaction first: row security
-- shows the rows of this organization and no others, and the setting ends with the transaction.

-- The rows of one payment: those of `payments/store/booking_statement.py` for one delivery, one payment, one allocation
-- to one invoice, one intent, one entry of one posting, three messages and one audit line.
CREATE FUNCTION vienphi_write_single_payment(
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
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM set_config('vienphi.organization', organization::text, true);
    PERFORM pg_advisory_xact_lock_shared(1, organization);

    INSERT INTO public.event_key (organization_id, provider_account_id, key, fingerprint, delivery_id)
    VALUES (organization, account_id, event_key, fingerprint, delivery_id);
    FOR place IN 1 .. cardinality(movement_keys) LOOP
        INSERT INTO public.movement_key (organization_id, account_id, movement, key, movement_id, amount)
        VALUES (organization, movement_accounts[place], 'received', movement_keys[place], payment_id, amount);
    END LOOP;
    IF reference IS NOT NULL THEN
        INSERT INTO public.bank_reference (organization_id, account_id, movement, reference, number, payment_id,
            provider_account_id, source, name, amount, booked_on, codes)
        VALUES (organization, reference_account_id, 'received', reference, 1, payment_id, account_id, reference_source,
            reference_name, amount, reference_day, reference_codes);
    END IF;

    UPDATE public.invoice SET allocated = invoice_allocated, owed = invoice_owed, version = invoice_version
    WHERE invoice.organization_id = organization AND invoice.id = invoice_id
        AND invoice.version = invoice_version_before;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the invoice has changed' USING ERRCODE = 'serialization_failure';
    END IF;
    UPDATE public.intent SET state = intent_state, received = intent_received, version = intent_version
    WHERE intent.organization_id = organization AND intent.id = intent_id AND intent.version = intent_version_before;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the intent has changed' USING ERRCODE = 'serialization_failure';
    END IF;

    -- Money of a bank account with several channels is compared with theirs, and an outflow that waits is matched.
    IF bank_account_id IS NOT NULL AND ((SELECT count(*) FROM (
            SELECT FROM public.provider_account
            WHERE provider_account.organization_id = organization
                AND provider_account.bank_account_id = vienphi_write_single_payment.bank_account_id LIMIT 2
        ) AS channels) > 1 OR EXISTS (
            SELECT FROM public.payment WHERE payment.organization_id = organization AND payment.method = 'transfer'
                AND payment.bank_account_id = vienphi_write_single_payment.bank_account_id))
        OR EXISTS (
            SELECT FROM public.unmatched_outflow
            WHERE unmatched_outflow.organization_id = organization AND unmatched_outflow.payment_id IS NULL
                AND unmatched_outflow.code <> '' AND unmatched_outflow.code = outflow_code)
        OR EXISTS (
            SELECT FROM public.unmatched_outflow
            WHERE unmatched_outflow.organization_id = organization AND unmatched_outflow.payment_id IS NULL
                AND unmatched_outflow.keys && outflow_keys)
    THEN
        RAISE EXCEPTION 'the payment concerns another one' USING ERRCODE = 'serialization_failure';
    END IF;

    INSERT INTO public.delivery (organization_id, id, provider_account_id, received_at, verdict, receipt_id, notices)
    VALUES (organization, delivery_id, account_id, received_at, verdict, delivery_id, notices);
    INSERT INTO public.delivery_body (organization_id, id, method, path_suffix, query, headers, body, source_address)
    VALUES (organization, delivery_id, method, path_suffix, query, headers::jsonb, body, source_address);
    INSERT INTO public.payment (organization_id, id, provider_account_id, bank_account_id, delivery_id, intent_id,
        amount, provider_reference, bank_reference, occurred_at, recorded_at)
    VALUES (organization, payment_id, account_id, bank_account_id, delivery_id, intent_id, amount, provider_reference,
        bank_reference, occurred_at, recorded_at);
    INSERT INTO public.payment_position (organization_id, payment_id, amount, on_invoices)
    VALUES (organization, payment_id, amount, amount);
    INSERT INTO public.payment_origin (organization_id, payment_id, transfer_text, payer_name, payer_account,
        payer_bank)
    VALUES (organization, payment_id, transfer_text, payer_name, payer_account, payer_bank);
    INSERT INTO public.allocation (organization_id, id, payment_id, target, invoice_id, amount, reason, recorded_at)
    VALUES (organization, allocation_id, payment_id, 'invoice', invoice_id, amount, allocation_reason, recorded_at);
    INSERT INTO public.journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date,
        actor_kind, actor_id)
    VALUES (organization, entry_id, entry_kind, occurred_at, recorded_at, accounting_date, 'provider', account_id);
    INSERT INTO public.posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount, visit_id,
        invoice_id, payment_id, payer)
    VALUES (organization, entry_id, 1, debit_account_id, credit_account_id, amount, visit_id, invoice_id, payment_id,
        payer);
    FOR place IN 1 .. cardinality(message_ids) LOOP
        INSERT INTO public.outbox (organization_id, id, topic, payload)
        VALUES (organization, message_ids[place], topics[place], payloads[place]);
    END LOOP;
    INSERT INTO public.audit (organization_id, id, recorded_at, actor_kind, actor_id, action, subject_kind, subject_id)
    VALUES (organization, audit_id, recorded_at, 'provider', account_id, audit_action, 'payment', payment_id);
END $$;
DO $$ BEGIN
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', 'vienphi_write_single_payment'::regproc::regprocedure);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO vienphi_app', 'vienphi_write_single_payment'::regproc::regprocedure);
END $$;
