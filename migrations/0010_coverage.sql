-- Settings of a facility that decide prices: the pricing authority and the policy options. One person proposes a
-- setting; it takes effect when another person has approved it. Source: docs/design.md §3.5, §6.

-- The pricing authority: whose amounts the facility collects, from a day on.
CREATE TABLE facility_pricing (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    valid_from date NOT NULL,
    authority text NOT NULL CHECK (authority IN ('his', 'vienphi')),
    price_day text NOT NULL CHECK (price_day IN ('ordered', 'admitted')),
    vendor text NOT NULL CHECK (length(vendor) <= 100),
    proposed_by uuid NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by uuid,
    approved_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, proposed_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, approved_by) REFERENCES person (organization_id, id),
    CONSTRAINT pricing_of_two_persons CHECK (approved_by <> proposed_by),
    CONSTRAINT approved_has_time CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CONSTRAINT his_has_a_vendor CHECK (authority <> 'his' OR vendor <> '')
);
CREATE INDEX ON facility_pricing (organization_id, facility_id, valid_from);
CREATE TRIGGER approved_once BEFORE UPDATE ON facility_pricing FOR EACH ROW WHEN (OLD.approved_by IS NOT NULL)
    EXECUTE FUNCTION vienphi_reject_row('a setting is approved once');
SELECT vienphi_guard_once('facility_pricing', 'approved_by', 'approved_at');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON facility_pricing
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('proposed_by', 'approved_by');
SELECT vienphi_isolate_tenant('facility_pricing');
SELECT vienphi_grant_insert_except('facility_pricing', 'approved_by', 'approved_at');
GRANT UPDATE (approved_by, approved_at) ON facility_pricing TO vienphi_app;

-- The facility policy: all policy options of the facility from a day on. An option that it does not name has its
-- default.
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
CREATE TRIGGER approved_once BEFORE UPDATE ON facility_policy FOR EACH ROW WHEN (OLD.approved_by IS NOT NULL)
    EXECUTE FUNCTION vienphi_reject_row('a setting is approved once');
SELECT vienphi_guard_once('facility_policy', 'approved_by', 'approved_at');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON facility_policy
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('proposed_by', 'approved_by');
SELECT vienphi_isolate_tenant('facility_policy');
SELECT vienphi_grant_insert_except('facility_policy', 'approved_by', 'approved_at');
GRANT UPDATE (approved_by, approved_at) ON facility_policy TO vienphi_app;
