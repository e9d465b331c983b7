-- What a cashier's desk shows: the visit and the payment codes that it opened, for the customer display and for live
-- updates. A card is found by its insurance number. Source: docs/visit-accounts.md, The desk.

-- `insurance_number` is the last ten digits of the newest insurance card of the person.
ALTER TABLE patient_identity ADD COLUMN insurance_number text NOT NULL DEFAULT '';
CREATE INDEX ON patient_identity (organization_id, insurance_number) WHERE insurance_number <> '';
GRANT UPDATE (insurance_number) ON patient_identity TO vienphi_app;

-- One row for each desk that has shown anything. `amount` is what is to be collected, in đồng. `version` grows with every
-- change of the row; an open page compares it. The row is no evidence of money.
CREATE TABLE desk_screen (
    organization_id int NOT NULL,
    desk_id uuid NOT NULL,
    visit_id uuid,
    intent_id uuid,
    amount bigint NOT NULL DEFAULT 0 CHECK (amount >= 0),
    version bigint NOT NULL CHECK (version > 0),
    shown_by uuid NOT NULL,
    shown_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, desk_id),
    FOREIGN KEY (organization_id, desk_id) REFERENCES desk (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id),
    FOREIGN KEY (organization_id, shown_by) REFERENCES person (organization_id, id)
);
CREATE INDEX ON desk_screen (organization_id, visit_id);
SELECT vienphi_isolate_tenant('desk_screen');
GRANT INSERT, UPDATE (visit_id, intent_id, amount, version, shown_by, shown_at) ON desk_screen TO vienphi_app;

-- A payment code that a desk opened. It waits there in the background until it is put away: its receipt was issued, or
-- the cashier collected otherwise. Money under it is booked in any case.
CREATE TABLE desk_code (
    organization_id int NOT NULL,
    intent_id uuid NOT NULL,
    desk_id uuid NOT NULL,
    visit_id uuid NOT NULL,
    opened_by uuid NOT NULL,
    opened_at timestamptz NOT NULL,
    put_away_at timestamptz,
    PRIMARY KEY (organization_id, intent_id),
    FOREIGN KEY (organization_id, intent_id) REFERENCES intent (organization_id, id),
    FOREIGN KEY (organization_id, desk_id) REFERENCES desk (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, opened_by) REFERENCES person (organization_id, id)
);
CREATE INDEX desk_code_waiting ON desk_code (organization_id, desk_id, opened_at) WHERE put_away_at IS NULL;
CREATE INDEX ON desk_code (organization_id, visit_id);
SELECT vienphi_guard_once('desk_code', 'put_away_at');
SELECT vienphi_isolate_tenant('desk_code');
SELECT vienphi_grant_insert_except('desk_code', 'put_away_at');
GRANT UPDATE (put_away_at) ON desk_code TO vienphi_app;
