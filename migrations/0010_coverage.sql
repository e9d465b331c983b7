-- Settings of a facility that decide prices: the pricing authority and the policy options. A row is what one person
-- proposed; it is in force from its day on once an approved proposal (0005) stands for it, and it is never changed.
-- Source: docs/design.md §3.5, §6.

-- The pricing authority: whose amounts the facility collects, from a day on.
CREATE TABLE facility_pricing (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    valid_from date NOT NULL,
    authority text NOT NULL CHECK (authority IN ('his', 'vienphi')),
    price_day text NOT NULL CHECK (price_day IN ('ordered', 'admitted')),
    vendor text NOT NULL CHECK (length(vendor) <= 100),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    CONSTRAINT his_has_a_vendor CHECK (authority <> 'his' OR vendor <> '')
);
CREATE INDEX ON facility_pricing (organization_id, facility_id, valid_from);
SELECT vienphi_isolate_tenant('facility_pricing');
SELECT vienphi_append_only('facility_pricing');
GRANT INSERT ON facility_pricing TO vienphi_app;

-- The facility policy: all policy options of the facility from a day on. An option that it does not name has its
-- default.
CREATE TABLE facility_policy (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    valid_from date NOT NULL,
    options jsonb NOT NULL CHECK (jsonb_typeof(options) = 'object'),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id)
);
CREATE INDEX ON facility_policy (organization_id, facility_id, valid_from);
SELECT vienphi_isolate_tenant('facility_policy');
SELECT vienphi_append_only('facility_policy');
GRANT INSERT ON facility_policy TO vienphi_app;
