-- Visits with their versions, documents, patients and findings. Personal data is stored in tables of its own and deleted
-- after its retention (ops/retention.py). Source: docs/design.md §2, Visit; §4, Personal data.

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
CREATE INDEX ON visit (organization_id, ma_lk);
SELECT vienphi_isolate_tenant('visit');
GRANT INSERT, UPDATE (version, admitted_at, discharged_at) ON visit TO vienphi_app;

-- Personal: a claim file as received, because its signature covers the bytes. No foreign key names it, so that it can be
-- deleted.
CREATE TABLE claim_file (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    content bytea NOT NULL,
    signature text NOT NULL CHECK (signature IN ('unsigned', 'signed, not verified')),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX ON claim_file (organization_id, received_at);
SELECT vienphi_isolate_tenant('claim_file', is_personal => true);
GRANT INSERT, UPDATE (content, signature), DELETE ON claim_file TO vienphi_app;

-- One version for each submission of a visit whose content differs from the version before.
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
CREATE INDEX ON visit_version (organization_id, claim_file_id) WHERE claim_file_id IS NOT NULL;
SELECT vienphi_isolate_tenant('visit_version');
SELECT vienphi_append_only('visit_version');
GRANT INSERT ON visit_version TO vienphi_app;

-- Personal: card numbers, charge items, the document of the source.
CREATE TABLE visit_document (
    organization_id int NOT NULL,
    visit_id uuid NOT NULL,
    version int NOT NULL,
    document jsonb NOT NULL,
    PRIMARY KEY (organization_id, visit_id, version),
    FOREIGN KEY (organization_id, visit_id, version) REFERENCES visit_version (organization_id, visit_id, version)
);
SELECT vienphi_isolate_tenant('visit_document', is_personal => true);
GRANT INSERT, DELETE ON visit_document TO vienphi_app;

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
CREATE INDEX ON visit_patient (organization_id, citizen_number) WHERE citizen_number <> '';
CREATE INDEX ON visit_patient (organization_id, hospital_number) WHERE hospital_number <> '';
SELECT vienphi_isolate_tenant('visit_patient', is_personal => true);
GRANT INSERT, UPDATE (name, birth, sex, citizen_number, hospital_number, address, phone), DELETE ON visit_patient
    TO vienphi_app;

-- Findings of a version. A finding never stops the desk.
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
