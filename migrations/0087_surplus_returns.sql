-- A payer's wish that an excess is returned is a request that finance accepts, as a refund, or declines. A facility may
-- state a term in days: after it the excess is kept. Source: docs/ux.md, Patient page; docs/visit-accounts.md, Refunds.

-- `chosen_by` term: nobody chose within the term. A payer changes the choice 20 times at most: the page is anonymous.
-- Finance accepts or declines a request once.
ALTER TABLE surplus_choice
    ADD COLUMN chosen_by text NOT NULL DEFAULT 'payer' CHECK (chosen_by IN ('payer', 'term')),
    ADD COLUMN changes int NOT NULL DEFAULT 1 CHECK (changes BETWEEN 1 AND 20),
    ADD COLUMN accepted_at timestamptz,
    ADD COLUMN accepted_by uuid,
    ADD COLUMN declined_at timestamptz,
    ADD COLUMN declined_by uuid,
    ADD COLUMN decline_reason text CHECK (length(decline_reason) BETWEEN 3 AND 1000),
    ADD FOREIGN KEY (organization_id, accepted_by) REFERENCES person (organization_id, id),
    ADD FOREIGN KEY (organization_id, declined_by) REFERENCES person (organization_id, id),
    ADD CONSTRAINT term_keeps CHECK (chosen_by = 'payer' OR choice = 'keep'),
    ADD CONSTRAINT decision_is_complete CHECK (
        (accepted_at IS NULL) = (accepted_by IS NULL) AND (declined_at IS NULL) = (declined_by IS NULL)
        AND (declined_at IS NULL) = (decline_reason IS NULL)),
    ADD CONSTRAINT decision_is_of_return CHECK (
        num_nonnulls(accepted_at, declined_at) = 0 OR choice = 'return' AND num_nonnulls(accepted_at, declined_at) = 1);
SELECT vienphi_guard_once('surplus_choice', 'accepted_at', 'accepted_by', 'declined_at', 'declined_by', 'decline_reason');
GRANT UPDATE (chosen_by, changes, accepted_at, accepted_by, declined_at, declined_by, decline_reason)
    ON surplus_choice TO vienphi_app;

-- NULL: no term is stated.
ALTER TABLE deposit_setting ADD COLUMN return_days int CHECK (return_days BETWEEN 1 AND 3650);
GRANT UPDATE (return_days) ON deposit_setting TO vienphi_app;

-- What is in excess under a code: for invoices the credit of its payments; for a deposit request what its payments hold
-- above the requested amount and was not returned. A standing code has no excess. `return_days` of several facilities is
-- the longest, and there is none if one of them states none; `last_received_at` is when the last money under the code was
-- recorded.
CREATE VIEW intent_surplus WITH (security_invoker = true) AS
    SELECT intent.organization_id, intent.id AS intent_id,
        CASE WHEN intent.is_standing THEN 0
            WHEN intent.deposit_id IS NULL THEN held.credit
            ELSE greatest(0, least(intent.received - intent.amount - held.returned, held.on_deposits + held.credit))
        END AS surplus,
        held.last_received_at,
        (SELECT CASE WHEN bool_and(setting.return_days IS NOT NULL) THEN max(setting.return_days) END
            FROM (
                SELECT visit.facility_id FROM deposit
                JOIN visit ON visit.organization_id = intent.organization_id AND visit.id = deposit.visit_id
                WHERE deposit.organization_id = intent.organization_id AND deposit.id = intent.deposit_id
                UNION ALL
                SELECT visit.facility_id FROM intent_invoice AS target
                JOIN invoice ON invoice.organization_id = intent.organization_id AND invoice.id = target.invoice_id
                JOIN visit ON visit.organization_id = intent.organization_id AND visit.id = invoice.visit_id
                WHERE target.organization_id = intent.organization_id AND target.intent_id = intent.id
            ) AS billed
            LEFT JOIN deposit_setting AS setting ON setting.organization_id = intent.organization_id
                AND setting.facility_id = billed.facility_id
        ) AS return_days
    FROM intent
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(position.credit), 0)::bigint AS credit,
            coalesce(sum(position.on_deposits), 0)::bigint AS on_deposits,
            coalesce(sum(position.refund_reserved + position.refunded), 0)::bigint AS returned,
            max(payment.recorded_at) AS last_received_at
        FROM payment
        JOIN payment_position AS position ON position.organization_id = intent.organization_id
            AND position.payment_id = payment.id
        WHERE payment.organization_id = intent.organization_id AND payment.intent_id = intent.id
    ) AS held;
GRANT SELECT ON intent_surplus TO vienphi_app, vienphi_auditor;
