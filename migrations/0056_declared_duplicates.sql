-- A payment that was declared the duplicate of another is the same money: the bank shows it once, under the other one.
-- Source: docs/reconciliation.md, Exceptions and Matching.

-- The payments whose last decision declared them duplicates; reverted decisions count them as money again.
CREATE VIEW declared_duplicate (organization_id, payment_id) WITH (security_invoker = true) AS
SELECT hold.organization_id, hold.payment_id
FROM payment_hold AS hold
WHERE hold.released_at IS NOT NULL AND 'declared_duplicate' = (
    SELECT part.reason FROM allocation AS part
    WHERE part.organization_id = hold.organization_id AND part.payment_id = hold.payment_id
        AND part.reason IN ('declared_duplicate', 'duplicate_reverted')
    ORDER BY part.recorded_at DESC, part.id DESC LIMIT 1);

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
WHERE refund.way <> 'cash' AND refund.state IN ('sent', 'unknown', 'done') AND channel.pays_out IS NOT TRUE
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

GRANT SELECT ON declared_duplicate TO vienphi_app, vienphi_auditor;
