-- What a payer wishes to become of money that was paid too much under a code, stated on the payment page: kept for the
-- patient, which is the default, or returned. It moves no money: finance decides. Source: docs/ux.md, Patient page.
CREATE TABLE surplus_choice (
    organization_id int NOT NULL,
    intent_id uuid NOT NULL,
    choice text NOT NULL CHECK (choice IN ('keep', 'return')),
    chosen_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, intent_id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id)
);
SELECT vienphi_isolate_tenant('surplus_choice');
GRANT INSERT, UPDATE (choice, chosen_at) ON surplus_choice TO vienphi_app;
