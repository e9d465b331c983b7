-- The facilities that rows belong to, for keys that work at some facilities only (docs/rights.md). `subject` is the kind
-- of the row; a row may belong to several facilities (a payment of two visits), or to none.

CREATE VIEW visit_subject (organization_id, subject, id, visit_id) WITH (security_invoker = true) AS
    SELECT organization_id, 'visit', id, id FROM visit
    UNION ALL SELECT organization_id, 'patient', patient_id, visit_id FROM visit_account
    -- The visits of a merged patient are those of the known one.
    UNION ALL SELECT patient.organization_id, 'patient', patient.id, account.visit_id
        FROM patient
        JOIN visit_account AS account
            ON account.organization_id = patient.organization_id AND account.patient_id = patient.merged_into
    UNION ALL SELECT organization_id, 'invoice', id, visit_id FROM invoice
    UNION ALL SELECT target.organization_id, 'intent', target.intent_id, invoice.visit_id
        FROM intent_invoice AS target
        JOIN invoice ON invoice.organization_id = target.organization_id AND invoice.id = target.invoice_id
    UNION ALL SELECT intent.organization_id, 'intent', intent.id, deposit.visit_id
        FROM intent
        JOIN deposit ON deposit.organization_id = intent.organization_id AND deposit.id = intent.deposit_id
    UNION ALL SELECT allocation.organization_id, 'payment', allocation.payment_id, invoice.visit_id
        FROM allocation
        JOIN invoice ON invoice.organization_id = allocation.organization_id AND invoice.id = allocation.invoice_id
    UNION ALL SELECT allocation.organization_id, 'payment', allocation.payment_id, deposit.visit_id
        FROM allocation
        JOIN deposit ON deposit.organization_id = allocation.organization_id AND deposit.id = allocation.deposit_id
    -- Money that came late under a code is on no visit: its code names one.
    UNION ALL SELECT payment.organization_id, 'payment', payment.id, invoice.visit_id
        FROM payment
        JOIN intent_invoice AS target
            ON target.organization_id = payment.organization_id AND target.intent_id = payment.intent_id
        JOIN invoice ON invoice.organization_id = target.organization_id AND invoice.id = target.invoice_id
    UNION ALL SELECT payment.organization_id, 'payment', payment.id, deposit.visit_id
        FROM payment
        JOIN intent ON intent.organization_id = payment.organization_id AND intent.id = payment.intent_id
        JOIN deposit ON deposit.organization_id = intent.organization_id AND deposit.id = intent.deposit_id
    UNION ALL SELECT organization_id, 'refund', id, visit_id FROM refund WHERE visit_id IS NOT NULL
    UNION ALL SELECT part.organization_id, 'refund', part.refund_id, coalesce(deposit.visit_id, invoice.visit_id)
        FROM refund_part AS part
        JOIN allocation ON allocation.organization_id = part.organization_id AND allocation.payment_id = part.payment_id
        LEFT JOIN deposit ON deposit.organization_id = part.organization_id AND deposit.id = allocation.deposit_id
        LEFT JOIN invoice ON invoice.organization_id = part.organization_id AND invoice.id = allocation.invoice_id
        WHERE allocation.deposit_id IS NOT NULL OR allocation.invoice_id IS NOT NULL
    UNION ALL SELECT line.organization_id, 'payment_order', line.payment_order_id, refund.visit_id
        FROM payment_order_line AS line
        JOIN refund ON refund.organization_id = line.organization_id AND refund.id = line.refund_id
    UNION ALL SELECT request.organization_id, 'deposit_request', request.id, deposit.visit_id
        FROM deposit_request AS request
        JOIN deposit ON deposit.organization_id = request.organization_id AND deposit.id = request.deposit_id
    UNION ALL SELECT organization_id, 'guarantee', id, visit_id FROM guarantee
    UNION ALL SELECT organization_id, 'debt', id, visit_id FROM debt
    UNION ALL SELECT approval.organization_id, 'approval', approval.id, exemption.visit_id
        FROM approval
        JOIN exemption ON exemption.organization_id = approval.organization_id AND exemption.id = approval.subject_id
    UNION ALL SELECT approval.organization_id, 'approval', approval.id, debt.visit_id
        FROM approval
        JOIN debt ON debt.organization_id = approval.organization_id AND debt.id = approval.subject_id
    UNION ALL SELECT approval.organization_id, 'approval', approval.id, refund.visit_id
        FROM approval
        JOIN refund ON refund.organization_id = approval.organization_id AND refund.id = approval.subject_id
    UNION ALL SELECT organization_id, 'receipt', id, visit_id FROM receipt WHERE visit_id IS NOT NULL;
GRANT SELECT ON visit_subject TO vienphi_app;

CREATE VIEW facility_subject (organization_id, subject, id, facility_id) WITH (security_invoker = true) AS
    SELECT subject.organization_id, subject.subject, subject.id, visit.facility_id
        FROM visit_subject AS subject
        LEFT JOIN visit ON visit.organization_id = subject.organization_id AND visit.id = subject.visit_id
    UNION ALL SELECT organization_id, 'desk', id, facility_id FROM desk
    UNION ALL SELECT shift.organization_id, 'shift', shift.id, desk.facility_id
        FROM shift JOIN desk ON desk.organization_id = shift.organization_id AND desk.id = shift.desk_id
    UNION ALL SELECT one.organization_id, 'hand_over', one.id, desk.facility_id
        FROM hand_over AS one
        JOIN shift ON shift.organization_id = one.organization_id AND shift.id = one.shift_id
        JOIN desk ON desk.organization_id = shift.organization_id AND desk.id = shift.desk_id
    UNION ALL SELECT one.organization_id, 'receipt', one.id, desk.facility_id
        FROM receipt AS one
        JOIN shift ON shift.organization_id = one.organization_id AND shift.id = one.shift_id
        JOIN desk ON desk.organization_id = shift.organization_id AND desk.id = shift.desk_id
    UNION ALL SELECT payment.organization_id, 'payment', payment.id, desk.facility_id
        FROM payment
        JOIN shift ON shift.organization_id = payment.organization_id AND shift.id = payment.shift_id
        JOIN desk ON desk.organization_id = shift.organization_id AND desk.id = shift.desk_id
    UNION ALL SELECT block.organization_id, 'receipt_block', block.id, desk.facility_id
        FROM receipt_block AS block
        JOIN desk ON desk.organization_id = block.organization_id AND desk.id = block.desk_id
    UNION ALL SELECT organization_id, 'card_terminal', id, facility_id FROM card_terminal
    UNION ALL SELECT batch.organization_id, 'card_batch', batch.id, terminal.facility_id
        FROM card_batch AS batch
        JOIN card_terminal AS terminal
            ON terminal.organization_id = batch.organization_id AND terminal.id = batch.terminal_id
    UNION ALL SELECT organization_id, 'message', id, facility_id FROM integration_message WHERE facility_id IS NOT NULL
    UNION ALL SELECT organization_id, 'facility_pricing', id, facility_id FROM facility_pricing
    UNION ALL SELECT organization_id, 'facility_policy', id, facility_id FROM facility_policy
    UNION ALL SELECT approval.organization_id, 'approval', approval.id, setting.facility_id
        FROM approval
        JOIN facility_pricing AS setting
            ON setting.organization_id = approval.organization_id AND setting.id = approval.subject_id
    UNION ALL SELECT approval.organization_id, 'approval', approval.id, policy.facility_id
        FROM approval
        JOIN facility_policy AS policy
            ON policy.organization_id = approval.organization_id AND policy.id = approval.subject_id;
GRANT SELECT ON facility_subject TO vienphi_app;
