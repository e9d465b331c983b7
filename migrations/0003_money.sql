-- Money received and where it belongs; the double-entry journal; the days of the books.

CREATE TABLE payment (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    bank_account_id uuid,
    delivery_id uuid NOT NULL,
    intent_id uuid,
    amount bigint NOT NULL CHECK (amount > 0),
    provider_reference text NOT NULL,
    bank_reference text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id)
);
CREATE INDEX ON payment (organization_id, intent_id) WHERE intent_id IS NOT NULL;
-- One transfer may be told by two channels of one bank account without a shared reference: equal amount, near moment.
CREATE INDEX ON payment (organization_id, bank_account_id, amount, occurred_at);
SELECT vienphi_isolate_tenant('payment');
SELECT vienphi_append_only('payment');
GRANT INSERT ON payment TO vienphi_app;

-- Personal: who paid and what their bank wrote. Erased after its retention.
CREATE TABLE payment_origin (
    organization_id int NOT NULL,
    payment_id uuid NOT NULL,
    transfer_text text NOT NULL,
    payer_name text NOT NULL,
    payer_account text NOT NULL,
    payer_bank text NOT NULL,
    PRIMARY KEY (organization_id, payment_id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id)
);
SELECT vienphi_isolate_tenant('payment_origin', is_personal => true);
GRANT INSERT ON payment_origin TO vienphi_app;

-- Where the whole of a payment stands now; the one row of it that is locked.
CREATE TABLE payment_position (
    organization_id int NOT NULL,
    payment_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    on_invoices bigint NOT NULL DEFAULT 0 CHECK (on_invoices >= 0),
    on_deposits bigint NOT NULL DEFAULT 0 CHECK (on_deposits >= 0),
    credit bigint NOT NULL DEFAULT 0 CHECK (credit >= 0),
    unallocated bigint NOT NULL DEFAULT 0 CHECK (unallocated >= 0),
    refund_reserved bigint NOT NULL DEFAULT 0 CHECK (refund_reserved >= 0),
    refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    PRIMARY KEY (organization_id, payment_id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    CONSTRAINT parts_sum_to_payment
        CHECK (amount = on_invoices + on_deposits + credit + unallocated + refund_reserved + refunded)
);
SELECT vienphi_isolate_tenant('payment_position');
GRANT INSERT, UPDATE (on_invoices, on_deposits, credit, unallocated, refund_reserved, refunded)
    ON payment_position TO vienphi_app;

-- Where a part of a payment was put. Only added; undone by a row that names it, once.
CREATE TABLE allocation (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    target text NOT NULL CHECK (target IN ('invoice', 'deposit', 'credit', 'unallocated', 'refund')),
    invoice_id uuid,
    amount bigint NOT NULL CHECK (amount > 0),
    reverses_id uuid,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, reverses_id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    FOREIGN KEY (organization_id, reverses_id) REFERENCES allocation (organization_id, id),
    CONSTRAINT invoice_named CHECK ((target = 'invoice') = (invoice_id IS NOT NULL))
);
CREATE INDEX ON allocation (organization_id, payment_id);
CREATE INDEX ON allocation (organization_id, invoice_id) WHERE invoice_id IS NOT NULL;
SELECT vienphi_isolate_tenant('allocation');
SELECT vienphi_append_only('allocation');
GRANT INSERT ON allocation TO vienphi_app;

-- A payment that is probably another one told twice: no allocation, refund or claim until it is lifted.
CREATE TABLE payment_hold (
    organization_id int NOT NULL,
    payment_id uuid NOT NULL,
    other_payment_id uuid NOT NULL,
    held_at timestamptz NOT NULL,
    released_at timestamptz,
    PRIMARY KEY (organization_id, payment_id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    FOREIGN KEY (organization_id, other_payment_id) REFERENCES payment (organization_id, id)
);
CREATE INDEX ON payment_hold (organization_id, other_payment_id);
SELECT vienphi_isolate_tenant('payment_hold');
GRANT INSERT, UPDATE (released_at) ON payment_hold TO vienphi_app;

-- role says what the account is for; subject tells accounts of one role apart (a provider account, a desk).
CREATE TABLE ledger_account (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    role text NOT NULL,
    subject text NOT NULL DEFAULT '',
    kind text NOT NULL CHECK (kind IN ('inline', 'rollup')),
    normal_side text NOT NULL CHECK (normal_side IN ('debit', 'credit')),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, role, subject)
);
SELECT vienphi_isolate_tenant('ledger_account');
SELECT vienphi_append_only('ledger_account');
GRANT INSERT ON ledger_account TO vienphi_app;

-- The chart of accounts is the chief accountant's: a dated number over a stable account.
CREATE TABLE ledger_number (
    organization_id int NOT NULL,
    account_id uuid NOT NULL,
    valid_from date NOT NULL,
    number text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (organization_id, account_id, valid_from),
    FOREIGN KEY (organization_id, account_id) REFERENCES ledger_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('ledger_number');

-- Inline accounts carry their balance in one locked row, on their normal side, with the floor checked here.
CREATE TABLE inline_balance (
    organization_id int NOT NULL,
    account_id uuid NOT NULL,
    balance bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, account_id),
    FOREIGN KEY (organization_id, account_id) REFERENCES ledger_account (organization_id, id),
    CONSTRAINT balance_not_below_floor CHECK (balance >= floor)
);
SELECT vienphi_isolate_tenant('inline_balance');
GRANT INSERT, UPDATE (balance) ON inline_balance TO vienphi_app;

-- A day of the books. A posting transaction holds the shared advisory lock of its organization's day; closing takes it
-- exclusively, so no entry slips into a day while it closes.
CREATE TABLE business_day (
    organization_id int NOT NULL REFERENCES organization (id),
    day date NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (organization_id, day),
    CONSTRAINT closed_has_time CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
SELECT vienphi_isolate_tenant('business_day');

-- A closed day stays closed, and no day is opened before one that is closed.
CREATE FUNCTION vienphi_keep_days_in_order() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = 'closed' THEN
        RAISE EXCEPTION 'a closed day stays closed' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM business_day WHERE organization_id = NEW.organization_id
            AND day > NEW.day AND state = 'closed') THEN
        RAISE EXCEPTION 'a later day is closed already' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER days_in_order BEFORE INSERT OR UPDATE ON business_day
    FOR EACH ROW EXECUTE FUNCTION vienphi_keep_days_in_order();
GRANT INSERT, UPDATE (state, closed_at) ON business_day TO vienphi_app;

-- transaction_id is the watermark's measure: readers take rows whose transaction is over for everybody.
CREATE TABLE journal_entry (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    kind text NOT NULL,
    effective_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    accounting_date date NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, accounting_date) REFERENCES business_day (organization_id, day)
);
CREATE INDEX ON journal_entry (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('journal_entry');
SELECT vienphi_append_only('journal_entry');
GRANT INSERT (organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind, actor_id, acting_for)
    ON journal_entry TO vienphi_app;  -- transaction_id is the server's to say

-- One amount moved from a credited to a debited account: balanced by construction.
CREATE TABLE posting (
    organization_id int NOT NULL,
    entry_id uuid NOT NULL,
    line int NOT NULL CHECK (line > 0),
    debit_account_id uuid NOT NULL,
    credit_account_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    visit_id uuid,
    invoice_id uuid,
    payment_id uuid,
    department text NOT NULL DEFAULT '',
    payer text NOT NULL DEFAULT '',
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (organization_id, entry_id, line),
    FOREIGN KEY (organization_id, entry_id) REFERENCES journal_entry (organization_id, id),
    FOREIGN KEY (organization_id, debit_account_id) REFERENCES ledger_account (organization_id, id),
    FOREIGN KEY (organization_id, credit_account_id) REFERENCES ledger_account (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    CONSTRAINT two_accounts CHECK (debit_account_id <> credit_account_id)
);
CREATE INDEX ON posting (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('posting');
SELECT vienphi_append_only('posting');
GRANT INSERT (organization_id, entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id,
    payment_id, department, payer) ON posting TO vienphi_app;

-- How an entry is corrected: one full reversal of each entry at most.
CREATE TABLE reversal (
    organization_id int NOT NULL,
    reversed_entry_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (organization_id, reversed_entry_id),
    UNIQUE (organization_id, entry_id),
    FOREIGN KEY (organization_id, reversed_entry_id) REFERENCES journal_entry (organization_id, id),
    FOREIGN KEY (organization_id, entry_id) REFERENCES journal_entry (organization_id, id),
    CONSTRAINT not_itself CHECK (reversed_entry_id <> entry_id)
);
SELECT vienphi_isolate_tenant('reversal');
SELECT vienphi_append_only('reversal');
GRANT INSERT ON reversal TO vienphi_app;

-- Nothing is booked into a day that is not open, whoever asks. Once a statement, not once a row.
CREATE FUNCTION vienphi_reject_closed_day() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added
        JOIN business_day ON business_day.organization_id = added.organization_id
            AND business_day.day = added.accounting_date
        WHERE business_day.state <> 'open'
    ) THEN
        RAISE EXCEPTION 'the day of an entry is closed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER day_is_open AFTER INSERT ON journal_entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION vienphi_reject_closed_day();
