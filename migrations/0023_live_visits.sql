-- Visits while they are open: the account of a visit, its charge items, its patient, and the integration inbox. Source:
-- docs/design.md §2; docs/visit-accounts.md.
--
-- `visit` (0008) keeps one row for each MA_LK of a facility; its versions are frozen for pricing. The rows here change
-- with every message of the sender. Lock order: visit account, charge items by line, invoice, deposit, request.

-- A person as the facility knows them. An unknown patient is identified later, or merged into a known one.
CREATE TABLE patient (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    is_unknown boolean NOT NULL,
    guardian_of uuid,
    merged_into uuid,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, guardian_of) REFERENCES patient (organization_id, id),
    FOREIGN KEY (organization_id, merged_into) REFERENCES patient (organization_id, id),
    CONSTRAINT not_merged_into_itself CHECK (merged_into <> id)
);
SELECT vienphi_guard_once('patient', 'merged_into');
SELECT vienphi_isolate_tenant('patient');
SELECT vienphi_grant_insert_except('patient', 'merged_into');
GRANT UPDATE (is_unknown, guardian_of, merged_into) ON patient TO vienphi_app;

-- `document` has the fields HO_TEN, NGAY_SINH, GIOI_TINH, SO_CCCD, MA_BN, DIA_CHI, DIEN_THOAI, nationality, guardian.
CREATE TABLE patient_identity (
    organization_id int NOT NULL,
    patient_id uuid NOT NULL,
    citizen_number text NOT NULL,
    hospital_number text NOT NULL,
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
    PRIMARY KEY (organization_id, patient_id),
    FOREIGN KEY (organization_id, patient_id) REFERENCES patient (organization_id, id)
);
CREATE INDEX ON patient_identity (organization_id, citizen_number) WHERE citizen_number <> '';
CREATE INDEX ON patient_identity (organization_id, hospital_number) WHERE hospital_number <> '';
SELECT vienphi_isolate_tenant('patient_identity', is_personal => true);
GRANT INSERT, UPDATE (citizen_number, hospital_number, document), DELETE ON patient_identity TO vienphi_app;

CREATE TABLE patient_merge (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    merged_into uuid NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    merged_by uuid NOT NULL,
    merged_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, patient_id) REFERENCES patient (organization_id, id),
    FOREIGN KEY (organization_id, merged_into) REFERENCES patient (organization_id, id),
    FOREIGN KEY (organization_id, merged_by) REFERENCES person (organization_id, id)
);
CREATE INDEX ON patient_merge (organization_id, patient_id);
SELECT vienphi_isolate_tenant('patient_merge');
SELECT vienphi_append_only('patient_merge');
GRANT INSERT ON patient_merge TO vienphi_app;

-- The account of a visit. `sender_version` is the newest version of the header from the sender, `version` our own
-- counter of changes. The amounts are the price of all charges that are not cancelled, as of `priced_at`; shares are in
-- whole đồng. `is_provisional`: papers are awaited, and the lower share is collected. A visit is closed by its final
-- bill and opened again by a reopening.
CREATE TABLE visit_account (
    organization_id int NOT NULL,
    visit_id uuid NOT NULL,
    facility_id uuid NOT NULL,
    ma_lk text NOT NULL CHECK (length(ma_lk) BETWEEN 1 AND 100),
    patient_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    version int NOT NULL CHECK (version > 0),
    sender_version bigint NOT NULL CHECK (sender_version > 0),
    is_inpatient boolean NOT NULL,
    is_emergency boolean NOT NULL DEFAULT false,
    is_provisional boolean NOT NULL DEFAULT false,
    department text NOT NULL DEFAULT '',
    hospital_amount bigint NOT NULL DEFAULT 0 CHECK (hospital_amount >= 0),
    patient_share bigint NOT NULL DEFAULT 0 CHECK (patient_share >= 0),
    insurer_share bigint NOT NULL DEFAULT 0 CHECK (insurer_share >= 0),
    other_share bigint NOT NULL DEFAULT 0 CHECK (other_share >= 0),
    private_share bigint NOT NULL DEFAULT 0 CHECK (private_share >= 0),
    price_error text NOT NULL DEFAULT '',
    priced_at timestamptz,
    opened_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, visit_id),
    UNIQUE (organization_id, facility_id, ma_lk),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, patient_id) REFERENCES patient (organization_id, id),
    CONSTRAINT ended_has_time CHECK ((state = 'closed') = (ended_at IS NOT NULL)),
    CONSTRAINT shares_sum_to_cost CHECK (
        priced_at IS NULL OR patient_share + insurer_share + other_share + private_share = hospital_amount)
);
CREATE INDEX ON visit_account (organization_id, facility_id, opened_at) WHERE state = 'open';
CREATE INDEX ON visit_account (organization_id, patient_id);
SELECT vienphi_guard_states('visit_account', ARRAY['open'], ARRAY['open>closed', 'closed>open']);
SELECT vienphi_isolate_tenant('visit_account');
GRANT INSERT, UPDATE (patient_id, state, version, sender_version, is_inpatient, is_emergency, is_provisional, department,
    hospital_amount, patient_share, insurer_share, other_share, private_share, price_error, priced_at, ended_at)
    ON visit_account TO vienphi_app;

-- The header of a visit as the sender stated it last: the fields of the visit document except `lines`, with
-- `departments` and `leave_days`.
CREATE TABLE visit_header (
    organization_id int NOT NULL,
    visit_id uuid NOT NULL,
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
    PRIMARY KEY (organization_id, visit_id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id)
);
SELECT vienphi_isolate_tenant('visit_header', is_personal => true);
GRANT INSERT, UPDATE (document), DELETE ON visit_header TO vienphi_app;

-- One service, drug, supply or bed day of an open visit. `line` is the sender's stable id of the line, `stt` the number
-- it has in the visit document. `document` is the charge item as JSON with the field names of the data standard; it has
-- no personal data. `stage` is the logistic progress of a drug or a sample. `version` is the sender's version;
-- `gap_since`: a version was skipped, and the missing one has not arrived. Amounts are the price in two decimals; NULL
-- where the line has no price.
CREATE TABLE charge_item (
    organization_id int NOT NULL,
    visit_id uuid NOT NULL,
    line text NOT NULL CHECK (length(line) BETWEEN 1 AND 100),
    facility_id uuid NOT NULL,
    order_number text NOT NULL CHECK (length(order_number) <= 100),
    version bigint NOT NULL CHECK (version > 0),
    gap_since timestamptz,
    kind text NOT NULL CHECK (kind IN ('service', 'drug', 'supply', 'bed')),
    state text NOT NULL CHECK (state IN ('ordered', 'cleared', 'started', 'performed', 'cancelled')),
    stage text NOT NULL DEFAULT '' CHECK (stage IN ('', 'requested', 'issued', 'returning', 'received', 'sample_due')),
    is_elective boolean NOT NULL DEFAULT false,
    is_emergency boolean NOT NULL DEFAULT false,
    department text NOT NULL DEFAULT '' CHECK (length(department) <= 100),
    stt int NOT NULL CHECK (stt > 0),
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
    hospital_amount numeric(17, 2) CHECK (hospital_amount >= 0),
    patient_amount numeric(17, 2) CHECK (patient_amount >= 0),
    insurer_amount numeric(17, 2) CHECK (insurer_amount >= 0),
    other_amount numeric(17, 2) CHECK (other_amount >= 0),
    ordered_at timestamptz NOT NULL,
    cleared_at timestamptz,
    started_at timestamptz,
    performed_at timestamptz,
    cancelled_at timestamptz,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, visit_id, line),
    UNIQUE (organization_id, visit_id, stt),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id),
    CONSTRAINT state_has_time CHECK (
        CASE state WHEN 'cleared' THEN cleared_at IS NOT NULL WHEN 'started' THEN started_at IS NOT NULL
            WHEN 'performed' THEN performed_at IS NOT NULL WHEN 'cancelled' THEN cancelled_at IS NOT NULL
            ELSE true END)
);
CREATE INDEX ON charge_item (organization_id, facility_id, order_number) WHERE order_number <> '';
SELECT vienphi_guard_states('charge_item', ARRAY['ordered', 'cleared', 'started', 'performed'], ARRAY[
    'ordered>cleared', 'ordered>started', 'ordered>performed', 'ordered>cancelled', 'cleared>ordered',
    'cleared>started', 'cleared>performed', 'cleared>cancelled', 'started>performed', 'started>cancelled',
    'performed>cancelled']);
SELECT vienphi_isolate_tenant('charge_item');
GRANT INSERT, UPDATE (order_number, version, gap_since, kind, state, stage, is_elective, is_emergency, department,
    document, hospital_amount, patient_amount, insurer_amount, other_amount, cleared_at, started_at, performed_at,
    cancelled_at, changed_at) ON charge_item TO vienphi_app;

-- A charge item that was started or performed is cancelled by a person's decision; the row names it.
CREATE TABLE charge_cancellation (
    organization_id int NOT NULL,
    visit_id uuid NOT NULL,
    line text NOT NULL,
    from_state text NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, visit_id, line),
    FOREIGN KEY (organization_id, visit_id, line) REFERENCES charge_item (organization_id, visit_id, line)
);
SELECT vienphi_isolate_tenant('charge_cancellation');
SELECT vienphi_append_only('charge_cancellation');
GRANT INSERT ON charge_cancellation TO vienphi_app;

-- Changes of a charge item that money was already collected for: the old and the new price of the line.
CREATE TABLE charge_change (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    line text NOT NULL,
    collected bigint NOT NULL CHECK (collected > 0),
    patient_amount_before numeric(17, 2),
    patient_amount_after numeric(17, 2),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, visit_id, line) REFERENCES charge_item (organization_id, visit_id, line)
);
CREATE INDEX ON charge_change (organization_id, visit_id);
SELECT vienphi_isolate_tenant('charge_change');
SELECT vienphi_append_only('charge_change');
GRANT INSERT ON charge_change TO vienphi_app;

-- The integration inbox: every message of another system with its outcome. `document` is in a table of its own, because
-- it may have personal data. `is_duplicate`: the same version with the same content. A rejected message may be retried;
-- `retry_of` names it.
CREATE TABLE integration_message (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid,
    channel text NOT NULL CHECK (channel IN ('http', 'folder')),
    kind text NOT NULL CHECK (kind IN ('visit', 'charge', 'charges', 'file')),
    ma_lk text NOT NULL DEFAULT '',
    line text NOT NULL DEFAULT '',
    sender_version bigint,
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'unchanged', 'rejected')),
    error_code text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    field text NOT NULL DEFAULT '',
    difference jsonb NOT NULL DEFAULT '[]',
    retry_of uuid,
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, retry_of) REFERENCES integration_message (organization_id, id),
    CONSTRAINT rejected_has_error CHECK ((outcome = 'rejected') = (error_code <> ''))
);
CREATE UNIQUE INDEX integration_message_accepted_retry ON integration_message (organization_id, retry_of)
    WHERE retry_of IS NOT NULL AND outcome <> 'rejected';
CREATE INDEX ON integration_message (organization_id, received_at);
CREATE INDEX ON integration_message (organization_id, ma_lk);
CREATE INDEX integration_message_rejected ON integration_message (organization_id, id) WHERE outcome = 'rejected';
SELECT vienphi_isolate_tenant('integration_message');
SELECT vienphi_append_only('integration_message');
GRANT INSERT ON integration_message TO vienphi_app;

CREATE TABLE integration_document (
    organization_id int NOT NULL,
    message_id uuid NOT NULL,
    document text NOT NULL,
    PRIMARY KEY (organization_id, message_id),
    FOREIGN KEY (organization_id, message_id) REFERENCES integration_message (organization_id, id)
);
SELECT vienphi_isolate_tenant('integration_document', is_personal => true);
GRANT INSERT, DELETE ON integration_document TO vienphi_app;
