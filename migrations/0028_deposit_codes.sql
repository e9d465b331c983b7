-- Payment codes of deposits: what is due under an intent, and what a tax document states about an advance. Source:
-- docs/visit-accounts.md; docs/reference/hospital-money.md, M-003.

-- The amount that the target of an intent still owes by any code, the amount received under the intent that is allocated
-- to neither invoice nor deposit, and whether the target collects no more. A deposit owes what its request still
-- requests; it is closed when the visit has its final bill, or the request is withdrawn or superseded.
CREATE VIEW intent_due WITH (security_invoker = true) AS
    SELECT intent.organization_id, intent.id AS intent_id,
        CASE WHEN intent.deposit_id IS NULL THEN (
            SELECT coalesce(sum(invoice.owed), 0)::bigint FROM intent_invoice
            JOIN invoice ON invoice.organization_id = intent.organization_id AND invoice.id = intent_invoice.invoice_id
            WHERE intent_invoice.organization_id = intent.organization_id AND intent_invoice.intent_id = intent.id)
        ELSE (
            SELECT coalesce(sum(greatest(0, request.amount - request.received)), 0)::bigint FROM deposit_request AS request
            JOIN deposit ON deposit.organization_id = intent.organization_id AND deposit.id = request.deposit_id
            WHERE request.organization_id = intent.organization_id AND request.id = intent.deposit_request_id
                AND request.state IN ('requested', 'partly') AND deposit.state = 'open')
        END AS owed,
        CASE WHEN intent.deposit_id IS NULL THEN (
            SELECT coalesce(sum(position.credit), 0)::bigint FROM payment
            JOIN payment_position AS position ON position.organization_id = intent.organization_id
                AND position.payment_id = payment.id
            WHERE payment.organization_id = intent.organization_id AND payment.intent_id = intent.id)
        ELSE 0 END AS credit,
        intent.deposit_id IS NOT NULL AND (
            EXISTS (SELECT FROM deposit WHERE deposit.organization_id = intent.organization_id
                AND deposit.id = intent.deposit_id AND deposit.state = 'closed')
            OR EXISTS (SELECT FROM deposit_request AS request WHERE request.organization_id = intent.organization_id
                AND request.id = intent.deposit_request_id AND request.state IN ('withdrawn', 'superseded')))
        AS is_closed
    FROM intent;
GRANT SELECT ON intent_due TO vienphi_app, vienphi_auditor;

-- Whether an advance secures the contract or is a payment in advance: a later tax document depends on it. Facilities
-- without a row take guarantee deposits.
CREATE TABLE deposit_setting (
    organization_id int NOT NULL,
    facility_id uuid NOT NULL,
    advance_type text NOT NULL CHECK (advance_type IN ('guarantee_deposit', 'prepayment')),
    PRIMARY KEY (organization_id, facility_id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id)
);
SELECT vienphi_isolate_tenant('deposit_setting');
GRANT INSERT, UPDATE (advance_type) ON deposit_setting TO vienphi_app;

-- The setting when the intent or the receipt was made; NULL where it collects no deposit.
ALTER TABLE intent ADD COLUMN advance_type text CHECK (advance_type IN ('guarantee_deposit', 'prepayment')),
    ADD CONSTRAINT deposit_has_advance_type CHECK (deposit_id IS NOT NULL OR advance_type IS NULL);
SELECT vienphi_grant_insert_except('intent', 'instruction');
ALTER TABLE receipt ADD COLUMN advance_type text CHECK (advance_type IN ('guarantee_deposit', 'prepayment'));
SELECT vienphi_grant_insert_except('receipt', 'reprints', 'transaction_id');
