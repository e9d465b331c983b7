-- Invoices with their lines, price snapshots and price differences. Source: docs/design.md §2, Invoice; §6.

-- owed = patient share + corrections - active allocations: a column of the locked row (design §5, Where money goes).
-- `private_share` is the part that a private insurer guarantees (bảo lãnh viện phí) and owes to the hospital; without a
-- guarantee the patient pays it (rules B-090, B-091).
CREATE TABLE invoice (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    visit_version int NOT NULL,
    number text NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'issued', 'discarded')),
    version int NOT NULL CHECK (version > 0),
    patient_share bigint NOT NULL CHECK (patient_share >= 0),
    other_share bigint NOT NULL CHECK (other_share >= 0),
    insurer_share bigint NOT NULL CHECK (insurer_share >= 0),
    private_share bigint NOT NULL DEFAULT 0 CHECK (private_share >= 0),
    guarantor text NOT NULL DEFAULT '' CHECK (length(guarantor) <= 100),
    corrections bigint NOT NULL DEFAULT 0,
    allocated bigint NOT NULL DEFAULT 0 CHECK (allocated >= 0),
    owed bigint NOT NULL CHECK (owed >= 0),
    issued_at timestamptz,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, number),
    FOREIGN KEY (organization_id, visit_id, visit_version)
        REFERENCES visit_version (organization_id, visit_id, version),
    CONSTRAINT owed_is_share_less_allocations CHECK (owed = patient_share + corrections - allocated),
    CONSTRAINT private_share_has_guarantor CHECK (private_share = 0 OR guarantor <> ''),
    CONSTRAINT issued_has_time CHECK ((state = 'issued') = (issued_at IS NOT NULL))
);
CREATE INDEX ON invoice (organization_id, visit_id);
CREATE INDEX ON invoice (organization_id, transaction_id);
SELECT vienphi_guard_states('invoice', ARRAY['draft', 'issued'], ARRAY['draft>issued', 'draft>discarded']);
CREATE TRIGGER allocated_is_zero BEFORE INSERT ON invoice FOR EACH ROW
    WHEN (NEW.allocated <> 0 OR NEW.corrections <> 0)
    EXECUTE FUNCTION vienphi_reject_row('a new invoice has no allocation and no correction');
SELECT vienphi_isolate_tenant('invoice');
SELECT vienphi_grant_insert_except('invoice', 'corrections', 'allocated', 'transaction_id');
GRANT UPDATE (state, version, corrections, allocated, owed, issued_at) ON invoice TO vienphi_app;

-- The state of an invoice, the one list of columns that is read: `billing/invoices/store/invoice_rows.py` reads its rows
-- by name. Row security and grants are those of the reader. A later column is appended with CREATE OR REPLACE VIEW.
CREATE VIEW invoice_state WITH (security_invoker = true) AS
    SELECT organization_id, id, visit_id, visit_version, number, state, version, patient_share, other_share,
        insurer_share, private_share, patient_share + other_share + insurer_share + private_share AS total, guarantor,
        corrections, allocated, owed, issued_at
    FROM invoice;
GRANT SELECT ON invoice_state TO vienphi_app, vienphi_auditor;
GRANT UPDATE (version) ON invoice_state TO vienphi_app;  -- for FOR NO KEY UPDATE, which locks the row of `invoice`

-- Amounts of the data standard, with two decimals. The parts sum to the amount of the hospital.
CREATE TABLE invoice_line (
    organization_id int NOT NULL,
    invoice_id uuid NOT NULL,
    line int NOT NULL,
    source_table text NOT NULL CHECK (source_table IN ('XML2', 'XML3')),
    stt int NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    cost_group int NOT NULL,
    department text NOT NULL,
    quantity numeric NOT NULL,
    hospital_amount numeric(17, 2) NOT NULL,
    insured_amount numeric(17, 2) NOT NULL,
    level numeric(5, 2) NOT NULL,
    self_pay numeric(17, 2) NOT NULL CHECK (self_pay >= 0),
    copay numeric(17, 2) NOT NULL CHECK (copay >= 0),
    fund numeric(17, 2) NOT NULL CHECK (fund >= 0),
    other_funds numeric(17, 2) NOT NULL CHECK (other_funds >= 0),
    reasons jsonb NOT NULL,
    PRIMARY KEY (organization_id, invoice_id, line),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    CONSTRAINT parts_sum_to_line CHECK (self_pay + copay + fund + other_funds = hospital_amount)
);
SELECT vienphi_isolate_tenant('invoice_line');
SELECT vienphi_append_only('invoice_line');
GRANT INSERT ON invoice_line TO vienphi_app;

-- The price snapshot: the inputs of the price, without the numbers of the patient. Invoices are repriced from it.
CREATE TABLE invoice_snapshot (
    organization_id int NOT NULL,
    invoice_id uuid NOT NULL,
    document text NOT NULL,
    document_hash bytea NOT NULL CHECK (octet_length(document_hash) = 32),
    policy_version text NOT NULL,
    code_version text NOT NULL,
    reasons jsonb NOT NULL,
    PRIMARY KEY (organization_id, invoice_id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id)
);
SELECT vienphi_isolate_tenant('invoice_snapshot');
SELECT vienphi_append_only('invoice_snapshot');
GRANT INSERT ON invoice_snapshot TO vienphi_app;

-- A difference between the amount of the HIS, which was collected, and the amount of vienphi. Each difference of a visit
-- is listed once, also if further invoices follow.
CREATE TABLE price_difference (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    visit_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    source_table text NOT NULL CHECK (source_table IN ('XML2', 'XML3')),
    stt int NOT NULL,
    code text NOT NULL,
    field text NOT NULL,
    his_value numeric,
    vienphi_value numeric,
    rules text[] NOT NULL CHECK (cardinality(rules) > 0),
    vendor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE NULLS NOT DISTINCT (organization_id, visit_id, source_table, stt, field, his_value, vienphi_value),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    CONSTRAINT differs CHECK (his_value IS DISTINCT FROM vienphi_value)
);
CREATE INDEX ON price_difference (organization_id, invoice_id);
SELECT vienphi_isolate_tenant('price_difference');
SELECT vienphi_append_only('price_difference');
GRANT INSERT ON price_difference TO vienphi_app;
