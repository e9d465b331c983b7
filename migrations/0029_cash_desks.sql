-- Desks that an administrator adds, cash settings of a facility, targets and voids of receipts, bank deposits. Source:
-- docs/visit-accounts.md, Cash.

GRANT INSERT ON desk TO vienphi_app;

-- `rounding_step`: cash is rounded to a multiple of it, in đồng; 1 is no rounding. `hides_expected_cash`: cashiers see
-- what they took only after they have counted it.
CREATE TABLE cash_setting (
    organization_id int NOT NULL,
    facility_id uuid NOT NULL,
    rounding_step int NOT NULL DEFAULT 1 CHECK (rounding_step IN (1, 100, 200, 500, 1000)),
    hides_expected_cash boolean NOT NULL DEFAULT false,
    PRIMARY KEY (organization_id, facility_id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id)
);
SELECT vienphi_isolate_tenant('cash_setting');
GRANT INSERT, UPDATE (rounding_step, hides_expected_cash) ON cash_setting TO vienphi_app;

ALTER TABLE shift ADD COLUMN forced_reason text NOT NULL DEFAULT '',
    ADD CONSTRAINT forced_has_reason CHECK (NOT is_forced OR length(forced_reason) >= 3);
SELECT vienphi_grant_insert_except('shift', 'counted', 'counted_cash', 'expected_cash', 'difference_reason', 'is_forced',
    'forced_reason', 'ended_at', 'ended_by', 'closed_at', 'closed_by');
GRANT UPDATE (forced_reason) ON shift TO vienphi_app;
CREATE INDEX ON shift (organization_id, desk_id, id);
CREATE INDEX ON shift (organization_id, cashier_id, id);
CREATE INDEX ON hand_over (organization_id, requested_at);

-- What the money of a receipt was collected for.
ALTER TABLE receipt
    ADD COLUMN deposit_id uuid,
    ADD COLUMN deposit_request_id uuid,
    ADD COLUMN invoice_id uuid,
    ADD FOREIGN KEY (organization_id, deposit_id) REFERENCES deposit (organization_id, id),
    ADD FOREIGN KEY (organization_id, deposit_request_id) REFERENCES deposit_request (organization_id, id),
    ADD FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    ADD CONSTRAINT request_is_of_deposit CHECK (deposit_request_id IS NULL OR deposit_id IS NOT NULL);
SELECT vienphi_grant_insert_except('receipt', 'reprints', 'transaction_id');

-- The void of a receipt with the id of its transaction, so that it is sealed.
CREATE TABLE receipt_void (
    organization_id int NOT NULL,
    receipt_id uuid NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    voided_at timestamptz NOT NULL,
    voided_by uuid NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, receipt_id),
    FOREIGN KEY (organization_id, receipt_id) REFERENCES receipt (organization_id, id),
    FOREIGN KEY (organization_id, voided_by) REFERENCES person (organization_id, id)
);
CREATE INDEX ON receipt_void (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('receipt_void');
SELECT vienphi_append_only('receipt_void');
SELECT vienphi_grant_insert_except('receipt_void', 'transaction_id');

-- `differences` between the slips of the batch and ours: missing here, missing in the batch, other amount.
ALTER TABLE card_batch
    ADD COLUMN differences jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(differences) = 'array');

-- Cash of the safe that was paid into a bank account, with the number of the bank's slip.
CREATE TABLE bank_deposit (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    bank_account_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    slip text NOT NULL CHECK (length(slip) BETWEEN 1 AND 100),
    recorded_by uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, bank_account_id, slip),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id),
    FOREIGN KEY (organization_id, recorded_by) REFERENCES person (organization_id, id)
);
SELECT vienphi_isolate_tenant('bank_deposit');
SELECT vienphi_append_only('bank_deposit');
GRANT INSERT ON bank_deposit TO vienphi_app;
