-- The bill: visits as they were told, invoices as they were frozen. Personal data stands in tables of its own.

CREATE TABLE visit (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    ma_lk text NOT NULL CHECK (length(ma_lk) BETWEEN 1 AND 100),
    version int NOT NULL CHECK (version > 0),
    admitted_at timestamptz NOT NULL,
    discharged_at timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, facility_id, ma_lk),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id)
);
SELECT vienphi_isolate_tenant('visit');
GRANT INSERT, UPDATE (version, admitted_at, discharged_at) ON visit TO vienphi_app;

-- Personal: a claim file as it was received, for its signature covers the bytes. Erased after its retention, so
-- nothing refers to it by a foreign key.
CREATE TABLE claim_file (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    content bytea NOT NULL,
    signature text NOT NULL CHECK (signature IN ('unsigned', 'signed, not verified')),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
SELECT vienphi_isolate_tenant('claim_file', is_personal => true);
GRANT INSERT ON claim_file TO vienphi_app;

-- Each telling of a visit; the same content again makes no new version.
CREATE TABLE visit_version (
    organization_id int NOT NULL,
    visit_id uuid NOT NULL,
    version int NOT NULL,
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    source text NOT NULL CHECK (source IN ('xml130', 'json')),
    claim_file_id uuid,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, visit_id, version),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id)
);
SELECT vienphi_isolate_tenant('visit_version');
SELECT vienphi_append_only('visit_version');
GRANT INSERT ON visit_version TO vienphi_app;

-- Personal: card numbers, charge items, what the source sent. Erased after its retention.
CREATE TABLE visit_document (
    organization_id int NOT NULL,
    visit_id uuid NOT NULL,
    version int NOT NULL,
    document jsonb NOT NULL,
    PRIMARY KEY (organization_id, visit_id, version),
    FOREIGN KEY (organization_id, visit_id, version) REFERENCES visit_version (organization_id, visit_id, version)
);
SELECT vienphi_isolate_tenant('visit_document', is_personal => true);
GRANT INSERT ON visit_document TO vienphi_app;

CREATE TABLE visit_patient (
    organization_id int NOT NULL,
    visit_id uuid NOT NULL,
    name text NOT NULL,
    birth text NOT NULL,
    sex text NOT NULL,
    citizen_number text NOT NULL,
    hospital_number text NOT NULL,
    address text NOT NULL,
    phone text NOT NULL,
    PRIMARY KEY (organization_id, visit_id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id)
);
SELECT vienphi_isolate_tenant('visit_patient', is_personal => true);
GRANT INSERT, UPDATE ON visit_patient TO vienphi_app;

-- What a person or a program should look at in what a source told; never a reason to stop the desk.
CREATE TABLE visit_finding (
    organization_id int NOT NULL,
    visit_id uuid NOT NULL,
    version int NOT NULL,
    number int NOT NULL,
    code text NOT NULL,
    finding jsonb NOT NULL,
    PRIMARY KEY (organization_id, visit_id, version, number),
    FOREIGN KEY (organization_id, visit_id, version) REFERENCES visit_version (organization_id, visit_id, version)
);
SELECT vienphi_isolate_tenant('visit_finding');
GRANT INSERT ON visit_finding TO vienphi_app;

-- owed = patient's share + corrections - live allocations, kept in the row that is locked.
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
    corrections bigint NOT NULL DEFAULT 0,
    allocated bigint NOT NULL DEFAULT 0 CHECK (allocated >= 0),
    owed bigint NOT NULL CHECK (owed >= 0),
    issued_at timestamptz,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, number),
    FOREIGN KEY (organization_id, visit_id, visit_version)
        REFERENCES visit_version (organization_id, visit_id, version),
    CONSTRAINT owed_is_share_less_allocations CHECK (owed = patient_share + corrections - allocated),
    CONSTRAINT issued_has_time CHECK ((state = 'issued') = (issued_at IS NOT NULL))
);
CREATE INDEX ON invoice (organization_id, visit_id);
SELECT vienphi_isolate_tenant('invoice');
GRANT INSERT, UPDATE (state, version, corrections, allocated, owed, issued_at) ON invoice TO vienphi_app;

-- Amounts of the data standard, two decimals. The parts sum to the hospital's amount.
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

-- What the price was computed from, without the patient's number: recomputed and replayed later.
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

-- Our wish to collect one amount. received counts the money that came under its code.
CREATE TABLE intent (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    reference_code text NOT NULL CHECK (reference_code ~ '^[2-9A-HJ-NP-Z]{9}$'),
    state text NOT NULL
        CHECK (state IN ('created', 'pending', 'unknown', 'failed', 'cancelled', 'expired', 'succeeded')),
    version int NOT NULL CHECK (version > 0),
    amount bigint NOT NULL CHECK (amount > 0),
    received bigint NOT NULL DEFAULT 0 CHECK (received >= 0),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    instruction jsonb,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, reference_code),
    FOREIGN KEY (organization_id, provider_account_id) REFERENCES provider_account (organization_id, id),
    CONSTRAINT succeeded_when_received CHECK (state <> 'succeeded' OR received >= amount)
);
SELECT vienphi_isolate_tenant('intent');
GRANT INSERT, UPDATE (state, version, received, instruction) ON intent TO vienphi_app;

-- What an intent collects for, in the order in which money is used.
CREATE TABLE intent_invoice (
    organization_id int NOT NULL,
    intent_id uuid NOT NULL,
    position int NOT NULL CHECK (position > 0),
    invoice_id uuid NOT NULL,
    PRIMARY KEY (organization_id, intent_id, position),
    UNIQUE (organization_id, intent_id, invoice_id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id)
);
CREATE INDEX ON intent_invoice (organization_id, invoice_id);
SELECT vienphi_isolate_tenant('intent_invoice');
SELECT vienphi_append_only('intent_invoice');
GRANT INSERT ON intent_invoice TO vienphi_app;
