-- The ledger: accounts, days, journal entries and postings. Source: docs/design.md §4, Journal, Accounts and Days.

-- `role` states the purpose of an account; `subject` distinguishes the accounts of one role (a provider account, a desk).
CREATE TABLE ledger_account (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    role text NOT NULL,
    subject text NOT NULL DEFAULT '',
    kind text NOT NULL CHECK (kind IN ('inline', 'rollup')),
    normal_side text NOT NULL CHECK (normal_side IN ('debit', 'credit')),
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, role, subject)
);
CREATE INDEX ON ledger_account (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('ledger_account');
SELECT vienphi_append_only('ledger_account');
SELECT vienphi_grant_insert_except('ledger_account', 'transaction_id');

-- The chart of accounts of the chief accountant: a dated number for a stable account.
CREATE TABLE ledger_number (
    organization_id int NOT NULL,
    account_id uuid NOT NULL,
    valid_from date NOT NULL,
    number text NOT NULL,
    name text NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, account_id, valid_from),
    FOREIGN KEY (organization_id, account_id) REFERENCES ledger_account (organization_id, id)
);
CREATE INDEX ON ledger_number (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('ledger_number');

-- The balance of an inline account on its normal side, in one locked row; the database checks its floor.
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
SELECT vienphi_grant_insert_except('inline_balance', 'balance', 'floor');
GRANT UPDATE (balance) ON inline_balance TO vienphi_app;

-- A business day. A posting transaction holds the shared advisory lock of its organization's day; closing takes the lock
-- exclusively, so no entry is posted into a day while it closes.
CREATE TABLE business_day (
    organization_id int NOT NULL REFERENCES organization (id),
    day date NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (organization_id, day),
    CONSTRAINT closed_has_time CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);

-- The clock that limits a new day, in a function of its own so that an owner can correct it.
CREATE FUNCTION vienphi_clock() RETURNS timestamptz
LANGUAGE sql STABLE RETURN clock_timestamp();

-- A new day is open, has begun (by its own column and by the clock, with one minute for clocks that differ), and is later
-- than every closed day. A closed day is unchanged, and days close in order. A day of tomorrow is a fault of a clock and
-- not of the delivery that caused the row: 55000, not an integrity violation.
CREATE FUNCTION vienphi_guard_day() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = 'closed' THEN
            RAISE EXCEPTION 'a closed day stays as it is' USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state = 'closed' AND EXISTS (
            SELECT FROM public.business_day AS earlier
            WHERE earlier.organization_id = NEW.organization_id AND earlier.day < NEW.day AND earlier.state = 'open'
        ) THEN
            RAISE EXCEPTION 'an earlier day is open' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state <> 'open' THEN
        RAISE EXCEPTION 'a new day is open' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.day > (NEW.opened_at AT TIME ZONE interval '7 hours')::date
        OR NEW.day > ((public.vienphi_clock() + interval '1 minute') AT TIME ZONE interval '7 hours')::date THEN
        RAISE EXCEPTION 'the day % has not begun', NEW.day USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF EXISTS (SELECT FROM public.business_day AS later WHERE later.organization_id = NEW.organization_id
            AND later.day > NEW.day AND later.state = 'closed') THEN
        RAISE EXCEPTION 'a later day is closed already' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER days_in_order BEFORE INSERT OR UPDATE ON business_day
    FOR EACH ROW EXECUTE FUNCTION vienphi_guard_day();
SELECT vienphi_isolate_tenant('business_day');
SELECT vienphi_grant_insert_except('business_day', 'closed_at');
GRANT UPDATE (state, closed_at) ON business_day TO vienphi_app;

-- The closing of a day, once: who closed it, and its totals.
CREATE TABLE day_closing (
    organization_id int NOT NULL,
    day date NOT NULL,
    closed_at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    entries int NOT NULL CHECK (entries >= 0),
    amount bigint NOT NULL CHECK (amount >= 0),
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, day),
    FOREIGN KEY (organization_id, day) REFERENCES business_day (organization_id, day)
);
CREATE INDEX ON day_closing (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('day_closing');
SELECT vienphi_append_only('day_closing');
SELECT vienphi_grant_insert_except('day_closing', 'transaction_id');

-- An entry is one business event.
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
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, accounting_date) REFERENCES business_day (organization_id, day)
);
CREATE INDEX ON journal_entry (organization_id, transaction_id);
-- For statements of account and the totals of a day.
CREATE INDEX ON journal_entry (organization_id, accounting_date, id);
SELECT vienphi_isolate_tenant('journal_entry');
SELECT vienphi_append_only('journal_entry');
SELECT vienphi_grant_insert_except('journal_entry', 'transaction_id');

-- No entry is posted into a day that is not open. Checked once for each statement, not for each row.
CREATE FUNCTION vienphi_reject_closed_day() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added
        JOIN public.business_day ON business_day.organization_id = added.organization_id
            AND business_day.day = added.accounting_date
        WHERE business_day.state <> 'open'
    ) THEN
        RAISE EXCEPTION 'the day of an entry is closed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER day_is_open AFTER INSERT ON journal_entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION vienphi_reject_closed_day();

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
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
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
SELECT vienphi_grant_insert_except('posting', 'transaction_id');

-- The correction of an entry: at most one full reversal of each entry.
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
