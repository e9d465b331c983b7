-- Clearance: the policy by which orders may be performed before they are paid, and overrides of discharge blockers.
-- Source: docs/design.md §2; docs/visit-accounts.md.

-- When the orders of a department are paid, from a day on. The department '' is every department of the facility that
-- has no policy of its own. An order keeps the policy of the day it was ordered on. `deposit_exhausted` is what happens
-- to orders that need no payment in advance once the deposit is used up: a warning, or elective orders stop.
CREATE TABLE clearance_policy (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    department text NOT NULL CHECK (length(department) <= 100),
    valid_from date NOT NULL,
    term text NOT NULL CHECK (term IN ('pay_before', 'pay_after', 'insured_at_end')),
    deposit_exhausted text NOT NULL CHECK (deposit_exhausted IN ('warn', 'stop_elective')),
    set_by uuid NOT NULL,
    set_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, set_by) REFERENCES person (organization_id, id)
);
CREATE INDEX ON clearance_policy (organization_id, facility_id, department, valid_from);
SELECT vienphi_isolate_tenant('clearance_policy');
SELECT vienphi_append_only('clearance_policy');
GRANT INSERT ON clearance_policy TO vienphi_app;

-- A person lets a visit be billed although something is unfinished. The row covers the blocker as it was: of this kind,
-- about this line (or request, intent, guarantee or bed day) in this version.
CREATE TABLE discharge_override (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 100),
    line text NOT NULL CHECK (length(line) BETWEEN 1 AND 100),
    version bigint NOT NULL CHECK (version >= 0),
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    overridden_by uuid NOT NULL,
    overridden_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, visit_id, kind, line, version),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id),
    FOREIGN KEY (organization_id, overridden_by) REFERENCES person (organization_id, id)
);
SELECT vienphi_isolate_tenant('discharge_override');
SELECT vienphi_append_only('discharge_override');
GRANT INSERT ON discharge_override TO vienphi_app;
