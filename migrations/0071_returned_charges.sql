-- A charge that the bank gave back is given back once, and its booking stays. Source: docs/reconciliation.md, Returned
-- transfers.

-- The line of the charge, and the line that returned it.
CREATE TABLE returned_charge (
    organization_id int NOT NULL,
    line_id uuid NOT NULL,
    returned_by uuid NOT NULL,
    PRIMARY KEY (organization_id, line_id),
    FOREIGN KEY (organization_id, line_id) REFERENCES statement_line (organization_id, id),
    FOREIGN KEY (organization_id, returned_by) REFERENCES statement_line (organization_id, id)
);
CREATE INDEX ON returned_charge (organization_id, returned_by);
SELECT vienphi_isolate_tenant('returned_charge');
SELECT vienphi_append_only('returned_charge');
GRANT INSERT ON returned_charge TO vienphi_app;

CREATE OR REPLACE VIEW returnable_item (organization_id, item_kind, item_id, bank_account_id, provider_account_id, amount, day, names)
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
    AND NOT EXISTS (SELECT FROM returned_charge AS returned WHERE returned.organization_id = match.organization_id
        AND returned.line_id = charge.id)
UNION ALL
SELECT payment.organization_id, 'payment', payment.id, payment.bank_account_id, payment.provider_account_id,
    payment.amount, (payment.occurred_at AT TIME ZONE interval '7 hours')::date,
    ARRAY[payment.bank_reference, payment.provider_reference]
FROM payment
JOIN provider_channel AS channel ON channel.organization_id = payment.organization_id
    AND channel.provider_account_id = payment.provider_account_id AND NOT channel.pays_out
WHERE payment.method = 'provider' AND payment.bank_account_id IS NOT NULL;
