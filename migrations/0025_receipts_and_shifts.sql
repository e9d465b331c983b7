-- Cash: shifts with their drawer, hand-overs to the treasurer, numbered receipts, and card terminals. Source:
-- docs/design.md §2; docs/reference/hospital-money.md §4 (C-001 … C-006).

-- open → ended (the cashier is gone, the cash is counted) → closed (another person has audited it). `expected_float` is
-- what the last close of the desk left. `counted` maps each denomination to a number of notes.
CREATE TABLE shift (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    desk_id uuid NOT NULL,
    cashier_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'ended', 'closed')),
    version int NOT NULL CHECK (version > 0),
    expected_float bigint NOT NULL CHECK (expected_float >= 0),
    opening_float bigint NOT NULL CHECK (opening_float >= 0),
    opened_at timestamptz NOT NULL,
    counted jsonb,
    counted_cash bigint CHECK (counted_cash >= 0),
    expected_cash bigint CHECK (expected_cash >= 0),
    difference_reason text NOT NULL DEFAULT '',
    is_forced boolean NOT NULL DEFAULT false,
    ended_at timestamptz,
    ended_by uuid,
    closed_at timestamptz,
    closed_by uuid,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, desk_id) REFERENCES desk (organization_id, id),
    FOREIGN KEY (organization_id, cashier_id) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, ended_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, closed_by) REFERENCES person (organization_id, id),
    CONSTRAINT ended_is_counted CHECK (
        (state = 'open') = (ended_at IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)
        AND (ended_at IS NULL) = (counted_cash IS NULL) AND (ended_at IS NULL) = (expected_cash IS NULL)),
    CONSTRAINT closed_has_person CHECK (
        (state = 'closed') = (closed_at IS NOT NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT difference_has_reason CHECK (
        counted_cash IS NULL OR counted_cash = expected_cash OR length(difference_reason) >= 3)
);
CREATE UNIQUE INDEX shift_one_open_of_desk ON shift (organization_id, desk_id) WHERE state = 'open';
CREATE UNIQUE INDEX shift_one_open_of_cashier ON shift (organization_id, cashier_id) WHERE state = 'open';
SELECT vienphi_guard_states('shift', ARRAY['open'], ARRAY['open>ended', 'ended>closed']);
SELECT vienphi_guard_once('shift', 'closed_at', 'closed_by');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON shift
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('cashier_id', 'closed_by', 'closed');
SELECT vienphi_isolate_tenant('shift');
SELECT vienphi_grant_insert_except('shift', 'counted', 'counted_cash', 'expected_cash', 'difference_reason', 'is_forced',
    'ended_at', 'ended_by', 'closed_at', 'closed_by');
GRANT UPDATE (state, version, counted, counted_cash, expected_cash, difference_reason, is_forced, ended_at, ended_by,
    closed_at, closed_by) ON shift TO vienphi_app;

-- Every movement of cash in a drawer: positive into it. The drawer is their sum.
CREATE TABLE shift_event (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    shift_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN (
        'float', 'float_difference', 'collection', 'refund', 'void', 'paid_in', 'paid_out', 'rounding', 'hand_over',
        'hand_over_rejected', 'over', 'short')),
    amount bigint NOT NULL CHECK (amount <> 0),
    receipt_id uuid,
    reason text NOT NULL DEFAULT '',
    entry_id uuid,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    recorded_at timestamptz NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, shift_id) REFERENCES shift (organization_id, id)
);
CREATE INDEX ON shift_event (organization_id, shift_id);
CREATE INDEX ON shift_event (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('shift_event');
SELECT vienphi_append_only('shift_event');
SELECT vienphi_grant_insert_except('shift_event', 'transaction_id');

-- The cash of a shift on its way to the treasurer.
CREATE TABLE hand_over (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    shift_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    state text NOT NULL CHECK (state IN ('pending', 'accepted', 'rejected')),
    notes text NOT NULL DEFAULT '',
    requested_by uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    decision_reason text NOT NULL DEFAULT '',
    decided_by uuid,
    decided_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, shift_id) REFERENCES shift (organization_id, id),
    FOREIGN KEY (organization_id, requested_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, decided_by) REFERENCES person (organization_id, id),
    CONSTRAINT decision_is_complete CHECK (
        (state = 'pending') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT two_persons_decide CHECK (decided_by <> requested_by),
    CONSTRAINT rejected_has_reason CHECK (state <> 'rejected' OR length(decision_reason) >= 3)
);
CREATE INDEX ON hand_over (organization_id, shift_id);
SELECT vienphi_guard_states('hand_over', ARRAY['pending'], ARRAY['pending>accepted', 'pending>rejected']);
SELECT vienphi_guard_once('hand_over', 'decided_by', 'decided_at');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON hand_over
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('requested_by', 'decided_by');
SELECT vienphi_isolate_tenant('hand_over');
SELECT vienphi_grant_insert_except('hand_over', 'decision_reason', 'decided_by', 'decided_at');
GRANT UPDATE (state, decision_reason, decided_by, decided_at) ON hand_over TO vienphi_app;

-- A block of numbers of a series, reserved for paper while the server is away. The block is entered later, under its
-- own numbers. Its numbers are taken from `series`, so that the series has no gap.
CREATE TABLE receipt_block (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    desk_id uuid NOT NULL,
    series text NOT NULL,
    year int NOT NULL,
    first_number bigint NOT NULL CHECK (first_number > 0),
    last_number bigint NOT NULL,
    reserved_by uuid NOT NULL,
    reserved_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, desk_id) REFERENCES desk (organization_id, id),
    FOREIGN KEY (organization_id, reserved_by) REFERENCES person (organization_id, id),
    CONSTRAINT is_a_range CHECK (last_number >= first_number AND last_number < first_number + 1000)
);
CREATE INDEX ON receipt_block (organization_id, series, year);
SELECT vienphi_isolate_tenant('receipt_block');
SELECT vienphi_append_only('receipt_block');
GRANT INSERT ON receipt_block TO vienphi_app;

-- The numbered paper for money in (phiếu thu) or out (phiếu chi). A void keeps number, reason and approver. A number of
-- a block that was never used is entered as void, with reason `unused`.
CREATE TABLE receipt (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    series text NOT NULL,
    year int NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    direction text NOT NULL CHECK (direction IN ('in', 'out')),
    purpose text NOT NULL CHECK (purpose IN ('deposit', 'invoice', 'refund', 'returned_deposit', 'cash')),
    state text NOT NULL CHECK (state IN ('valid', 'void')),
    visit_id uuid,
    shift_id uuid,
    block_id uuid,
    amount bigint NOT NULL CHECK (amount >= 0),
    issued_at timestamptz NOT NULL,
    issued_by uuid,
    void_reason text NOT NULL DEFAULT '',
    voided_at timestamptz,
    voided_by uuid,
    reprints int NOT NULL DEFAULT 0 CHECK (reprints >= 0),
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, series, year, number),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, shift_id) REFERENCES shift (organization_id, id),
    FOREIGN KEY (organization_id, block_id) REFERENCES receipt_block (organization_id, id),
    FOREIGN KEY (organization_id, issued_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, voided_by) REFERENCES person (organization_id, id),
    CONSTRAINT void_is_complete CHECK (
        (state = 'void') = (voided_at IS NOT NULL) AND (voided_at IS NULL) = (voided_by IS NULL)
        AND (state = 'valid' OR length(void_reason) >= 3))
);
CREATE INDEX ON receipt (organization_id, visit_id) WHERE visit_id IS NOT NULL;
CREATE INDEX ON receipt (organization_id, shift_id) WHERE shift_id IS NOT NULL;
CREATE INDEX ON receipt (organization_id, transaction_id);
SELECT vienphi_guard_states('receipt', ARRAY['valid', 'void'], ARRAY['valid>void']);
CREATE TRIGGER reprints_grow BEFORE UPDATE ON receipt FOR EACH ROW WHEN (NEW.reprints < OLD.reprints)
    EXECUTE FUNCTION vienphi_reject_row('reprints are counted');
SELECT vienphi_isolate_tenant('receipt');
SELECT vienphi_grant_insert_except('receipt', 'reprints', 'transaction_id');
GRANT UPDATE (state, void_reason, voided_at, voided_by, reprints) ON receipt TO vienphi_app;

-- The parts of a receipt by method: one payment in, or one refund out, each.
CREATE TABLE receipt_part (
    organization_id int NOT NULL,
    receipt_id uuid NOT NULL,
    part int NOT NULL CHECK (part > 0),
    method text NOT NULL CHECK (method IN ('cash', 'card', 'provider', 'transfer', 'rounding')),
    amount bigint NOT NULL CHECK (amount <> 0),
    payment_id uuid,
    refund_id uuid,
    PRIMARY KEY (organization_id, receipt_id, part),
    FOREIGN KEY (organization_id, receipt_id) REFERENCES receipt (organization_id, id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id)
);
CREATE INDEX ON receipt_part (organization_id, payment_id) WHERE payment_id IS NOT NULL;
SELECT vienphi_isolate_tenant('receipt_part');
SELECT vienphi_append_only('receipt_part');
GRANT INSERT ON receipt_part TO vienphi_app;

-- A receipt as it was printed: names, lines and amounts. A reprint prints this again.
CREATE TABLE receipt_print (
    organization_id int NOT NULL,
    receipt_id uuid NOT NULL,
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
    PRIMARY KEY (organization_id, receipt_id),
    FOREIGN KEY (organization_id, receipt_id) REFERENCES receipt (organization_id, id)
);
SELECT vienphi_isolate_tenant('receipt_print', is_personal => true);
GRANT INSERT, DELETE ON receipt_print TO vienphi_app;

CREATE TABLE card_terminal (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    terminal_number text NOT NULL CHECK (length(terminal_number) BETWEEN 1 AND 40),
    bank_account_id uuid,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, terminal_number),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('card_terminal');
GRANT INSERT ON card_terminal TO vienphi_app;

CREATE TABLE card_batch (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    terminal_id uuid NOT NULL,
    day date NOT NULL,
    batch_number text NOT NULL CHECK (length(batch_number) BETWEEN 1 AND 40),
    slips int NOT NULL CHECK (slips > 0),
    gross bigint NOT NULL CHECK (gross > 0),
    fee bigint NOT NULL CHECK (fee >= 0),
    net bigint NOT NULL CHECK (net >= 0),
    recorded_by uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, terminal_id, day, batch_number),
    FOREIGN KEY (organization_id, terminal_id) REFERENCES card_terminal (organization_id, id),
    FOREIGN KEY (organization_id, recorded_by) REFERENCES person (organization_id, id),
    CONSTRAINT net_is_gross_less_fee CHECK (net = gross - fee)
);
SELECT vienphi_isolate_tenant('card_batch');
SELECT vienphi_append_only('card_batch');
GRANT INSERT ON card_batch TO vienphi_app;

-- One card payment at a terminal. Its approval code identifies it in the batch of its terminal and day.
CREATE TABLE card_slip (
    organization_id int NOT NULL,
    payment_id uuid NOT NULL,
    terminal_id uuid NOT NULL,
    shift_id uuid NOT NULL,
    day date NOT NULL,
    approval_code text NOT NULL CHECK (length(approval_code) BETWEEN 1 AND 40),
    amount bigint NOT NULL CHECK (amount > 0),
    batch_id uuid,
    PRIMARY KEY (organization_id, payment_id),
    UNIQUE (organization_id, terminal_id, day, approval_code),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    FOREIGN KEY (organization_id, terminal_id) REFERENCES card_terminal (organization_id, id),
    FOREIGN KEY (organization_id, shift_id) REFERENCES shift (organization_id, id),
    FOREIGN KEY (organization_id, batch_id) REFERENCES card_batch (organization_id, id)
);
CREATE INDEX ON card_slip (organization_id, batch_id) WHERE batch_id IS NOT NULL;
SELECT vienphi_guard_once('card_slip', 'batch_id');
SELECT vienphi_isolate_tenant('card_slip');
SELECT vienphi_grant_insert_except('card_slip', 'batch_id');
GRANT UPDATE (batch_id) ON card_slip TO vienphi_app;

ALTER TABLE payment ADD FOREIGN KEY (organization_id, shift_id) REFERENCES shift (organization_id, id);
