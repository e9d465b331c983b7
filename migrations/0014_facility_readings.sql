-- How a facility reads the rules the law leaves open, from a day on: proposed by one person, in force once another
-- approves it. A row is the whole set from its day on; a reading it does not name keeps its default. The column this
-- takes the place of was read by nothing, and could be set by one person alone.
CREATE TABLE facility_policy (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    valid_from date NOT NULL,
    options jsonb NOT NULL CHECK (jsonb_typeof(options) = 'object'),
    proposed_by uuid NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by uuid,
    approved_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, proposed_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, approved_by) REFERENCES person (organization_id, id),
    CONSTRAINT policy_of_two_persons CHECK (approved_by <> proposed_by),
    CONSTRAINT approved_has_time CHECK ((approved_by IS NULL) = (approved_at IS NULL))
);
CREATE INDEX ON facility_policy (organization_id, facility_id, valid_from);
SELECT vienphi_isolate_tenant('facility_policy');
GRANT INSERT, UPDATE (approved_by, approved_at) ON facility_policy TO vienphi_app;
CREATE TRIGGER approved_once BEFORE UPDATE ON facility_policy FOR EACH ROW EXECUTE FUNCTION vienphi_approved_once();

ALTER TABLE facility_terms DROP COLUMN policy;
