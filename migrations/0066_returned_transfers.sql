-- Money that left and came back: a refund that the bank returns, an outflow without a payment that is returned.
-- Source: docs/reconciliation.md, Returned transfers.

-- A returned refund was done: its money is owed again where it came from.
ALTER TABLE refund DROP CONSTRAINT refund_state_check,
    ADD CONSTRAINT refund_state_check CHECK (state IN (
        'requested', 'approved', 'refused', 'cancelled', 'sent', 'unknown', 'done', 'failed', 'returned')),
    DROP CONSTRAINT sent_has_time,
    ADD CONSTRAINT sent_has_time CHECK (
        state NOT IN ('sent', 'unknown', 'done', 'failed', 'returned') OR sent_at IS NOT NULL),
    DROP CONSTRAINT ended_has_time,
    ADD CONSTRAINT ended_has_time CHECK (
        (state IN ('refused', 'cancelled', 'done', 'failed', 'returned')) = (ended_at IS NOT NULL)),
    ADD COLUMN returned_at timestamptz,
    ADD CONSTRAINT returned_has_time CHECK ((state = 'returned') = (returned_at IS NOT NULL));
DROP TRIGGER state_is_first ON refund;
DROP TRIGGER state_transition ON refund;
SELECT vienphi_guard_states('refund', ARRAY['requested'], ARRAY[
    'requested>approved', 'requested>refused', 'requested>cancelled', 'approved>cancelled', 'approved>sent',
    'approved>done', 'sent>unknown', 'sent>done', 'sent>failed', 'unknown>sent', 'unknown>done', 'unknown>failed',
    'done>returned']);
GRANT UPDATE (returned_at) ON refund TO vienphi_app;

-- The bank's reference of a transfer that was returned names that transfer for good.
DROP INDEX refund_one_of_bank_reference;
CREATE UNIQUE INDEX refund_one_of_bank_reference ON refund (organization_id, bank_account_id, bank_reference)
    WHERE way = 'manual_transfer' AND state IN ('done', 'returned') AND bank_reference <> '';

-- An outflow without a payment that came back waits for no payment.
ALTER TABLE unmatched_outflow ADD COLUMN returned_at timestamptz,
    ADD CONSTRAINT returned_has_no_payment CHECK (returned_at IS NULL OR payment_id IS NULL);
SELECT vienphi_guard_once('unmatched_outflow', 'returned_at');
GRANT UPDATE (returned_at) ON unmatched_outflow TO vienphi_app;

-- The line of a transfer that was returned is expected as before.
CREATE OR REPLACE VIEW bank_item (organization_id, item_kind, item_id, bank_account_id, provider_account_id,
        clearing_subject, amount, day, bank_reference, code, virtual_account) WITH (security_invoker = true) AS
SELECT payment.organization_id, 'payment', payment.id, payment.bank_account_id, payment.provider_account_id,
    coalesce(payment.provider_account_id, payment.bank_account_id), payment.amount,
    (payment.occurred_at AT TIME ZONE interval '7 hours')::date, payment.bank_reference,
    coalesce(intent.reference_code, ''), coalesce(intent.instruction ->> 'account_number', '')
FROM payment
LEFT JOIN intent ON intent.organization_id = payment.organization_id AND intent.id = payment.intent_id
LEFT JOIN provider_channel AS channel ON channel.organization_id = payment.organization_id
    AND channel.provider_account_id = payment.provider_account_id
WHERE payment.method IN ('provider', 'transfer') AND payment.bank_account_id IS NOT NULL
    AND channel.pays_out IS NOT TRUE
    AND NOT EXISTS (SELECT FROM declared_duplicate AS declared WHERE declared.organization_id = payment.organization_id
        AND declared.payment_id = payment.id)
UNION ALL
SELECT stated.organization_id, 'payout', stated.payout_id, stated.bank_account_id, stated.provider_account_id,
    stated.provider_account_id, stated.net, stated.paid_out_on, '', '', ''
FROM payout_amount AS stated
JOIN provider_channel AS channel ON channel.organization_id = stated.organization_id
    AND channel.provider_account_id = stated.provider_account_id
WHERE stated.bank_account_id IS NOT NULL AND stated.net <> 0 AND channel.pays_out
UNION ALL
SELECT refund.organization_id, 'refund', refund.id, coalesce(refund.bank_account_id, channel.bank_account_id),
    refund.provider_account_id,
    coalesce(refund.provider_account_id, CASE WHEN refund.ended_by IS NULL THEN (
        -- A provider reported the outflow and completed the refund: it left the clearing account of the provider.
        SELECT account.id FROM movement_key AS named
        JOIN provider_account AS account ON account.organization_id = named.organization_id
            AND account.id = named.account_id
        WHERE named.organization_id = refund.organization_id AND named.movement_id = refund.outflow_id
            AND named.movement <> 'received' LIMIT 1) END, refund.bank_account_id),
    -refund.amount,
    (refund.sent_at AT TIME ZONE interval '7 hours')::date, refund.bank_reference, refund.reference, ''
FROM refund
LEFT JOIN provider_channel AS channel ON channel.organization_id = refund.organization_id
    AND channel.provider_account_id = refund.provider_account_id
WHERE refund.way <> 'cash' AND refund.state IN ('sent', 'unknown', 'done', 'returned')
    AND channel.pays_out IS NOT TRUE
    AND coalesce(refund.bank_account_id, channel.bank_account_id) IS NOT NULL
UNION ALL
SELECT used.organization_id, 'outflow', used.payment_id, used.account_id, used.provider_account_id,
    used.provider_account_id, -used.amount, used.booked_on, used.reference, '', ''
FROM bank_reference AS used
JOIN provider_channel AS channel ON channel.organization_id = used.organization_id
    AND channel.provider_account_id = used.provider_account_id AND channel.bank_account_id = used.account_id
WHERE used.movement <> 'received' AND used.number = 1 AND NOT channel.pays_out
    AND NOT EXISTS (SELECT FROM refund WHERE refund.organization_id = used.organization_id
        AND refund.outflow_id = used.payment_id)
UNION ALL
SELECT batch.organization_id, 'card_batch', batch.id, terminal.bank_account_id, NULL, terminal.bank_account_id,
    batch.net, batch.day, '', batch.batch_number, ''
FROM card_batch AS batch
JOIN card_terminal AS terminal ON terminal.organization_id = batch.organization_id AND terminal.id = batch.terminal_id
WHERE terminal.bank_account_id IS NOT NULL AND batch.net > 0
UNION ALL
SELECT deposit.organization_id, 'bank_deposit', deposit.id, deposit.bank_account_id, NULL, deposit.bank_account_id,
    deposit.amount, (deposit.recorded_at AT TIME ZONE interval '7 hours')::date, deposit.slip, deposit.slip, ''
FROM bank_deposit AS deposit;

-- Money of ours at a bank that may come back, and money received that may go back, with the names that a line of the
-- bank may state; `amount` has the sign of the bank account. A line of the opposite amount returns it.
CREATE VIEW returnable_item (organization_id, item_kind, item_id, bank_account_id, provider_account_id, amount, day, names)
    WITH (security_invoker = true) AS
SELECT item.organization_id, item.item_kind, item.item_id, item.bank_account_id, item.provider_account_id, item.amount,
    item.day, ARRAY[refund.reference, refund.bank_reference, refund.provider_reference]
FROM bank_item AS item
JOIN refund ON refund.organization_id = item.organization_id AND refund.id = item.item_id
WHERE item.item_kind = 'refund' AND refund.state = 'done'
UNION ALL
SELECT outflow.organization_id, 'outflow', outflow.id, account.bank_account_id, account.id, -outflow.amount,
    (outflow.occurred_at AT TIME ZONE interval '7 hours')::date,
    ARRAY(SELECT regexp_replace(key, '^[^/]*/[a-z]+:', '') FROM unnest(outflow.keys) AS key)
FROM unmatched_outflow AS outflow
JOIN provider_account AS account ON account.organization_id = outflow.organization_id
    AND account.id = outflow.provider_account_id
WHERE outflow.payment_id IS NULL AND outflow.returned_at IS NULL AND account.bank_account_id IS NOT NULL
UNION ALL
SELECT charge.organization_id, 'statement_line', charge.id, charge.bank_account_id, NULL, charge.amount,
    charge.booked_on, ARRAY[charge.bank_reference]
FROM match
JOIN match_item AS item ON item.organization_id = match.organization_id AND item.match_id = match.id
    AND item.item_kind = 'statement_line'
JOIN statement_line AS charge ON charge.organization_id = match.organization_id AND charge.id = item.item_id
WHERE match.state = 'live' AND match.rule = 'bank_charge'
UNION ALL
SELECT payment.organization_id, 'payment', payment.id, payment.bank_account_id, payment.provider_account_id,
    payment.amount, (payment.occurred_at AT TIME ZONE interval '7 hours')::date,
    ARRAY[payment.bank_reference, payment.provider_reference]
FROM payment
JOIN provider_channel AS channel ON channel.organization_id = payment.organization_id
    AND channel.provider_account_id = payment.provider_account_id AND NOT channel.pays_out
WHERE payment.method = 'provider' AND payment.bank_account_id IS NOT NULL;
GRANT SELECT ON returnable_item TO vienphi_app, vienphi_auditor;
