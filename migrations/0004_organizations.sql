-- Organizations (the tenants) with their reference-code prefixes, facilities, desks and number series.
-- Source: docs/design.md §1, Tenant; §8.

CREATE TABLE organization (
    id int PRIMARY KEY CHECK (id > 0),
    name text NOT NULL CHECK (name <> ''),
    tax_code text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    help_phone text NOT NULL DEFAULT '' CHECK (help_phone ~ '^[0-9+ .()-]{0,30}$')
);
SELECT vienphi_isolate_tenant('organization', 'id');

-- The ids of all organizations: the background loops open one transaction for each. Only the owner reads them all.
DO $$ BEGIN
    EXECUTE format('CREATE POLICY installation ON organization FOR SELECT TO %I USING (true)', current_user);
END $$;
CREATE FUNCTION vienphi_organizations() RETURNS SETOF int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT id FROM public.organization ORDER BY id;
END;
REVOKE EXECUTE ON FUNCTION vienphi_organizations() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vienphi_organizations() TO vienphi_app;

-- The first two characters of reference codes. A prefix is never assigned to another organization.
CREATE TABLE organization_prefix (
    prefix char(2) PRIMARY KEY CHECK (prefix ~ '^[2-9A-HJ-NP-Z]{2}$'),
    organization_id int NOT NULL REFERENCES organization (id),
    assigned_at timestamptz NOT NULL
);
CREATE INDEX ON organization_prefix (organization_id);
SELECT vienphi_isolate_tenant('organization_prefix');

-- `phone` is the phone of the payment desk that the payment page shows. Empty: the phone of the organization.
CREATE TABLE facility (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    code text NOT NULL CHECK (code ~ '^[0-9A-Z]{5}$'),
    name text NOT NULL,
    phone text NOT NULL DEFAULT '' CHECK (phone ~ '^[0-9+ .()-]{0,30}$'),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, code)
);
SELECT vienphi_isolate_tenant('facility');

-- The properties of a facility that change with time: rank, former tier and the facility lists that claims are checked
-- against (stents, contained prices, holidays, the four-hour rule; parsed by `visits/formats/visit_facts_json.py`).
-- is_provisionally_ranked NULL: unknown.
CREATE TABLE facility_terms (
    organization_id int NOT NULL,
    facility_id uuid NOT NULL,
    valid_from date NOT NULL,
    technical_level text NOT NULL CHECK (technical_level IN ('initial', 'basic', 'specialised')),
    ranking_points int CHECK (ranking_points BETWEEN 0 AND 100),
    is_provisionally_ranked boolean,
    former_tier text CHECK (former_tier IN ('commune', 'district', 'province', 'central')),
    claim_lists jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (organization_id, facility_id, valid_from),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id)
);
SELECT vienphi_isolate_tenant('facility_terms');

CREATE TABLE desk (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, facility_id, name),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id)
);
SELECT vienphi_isolate_tenant('desk');

-- Gapless numbers: the row of the series is locked, after all other locks but those of ledger accounts (design §5).
CREATE TABLE series (
    organization_id int NOT NULL REFERENCES organization (id),
    name text NOT NULL,
    year int NOT NULL,
    last_number bigint NOT NULL CHECK (last_number >= 0),
    PRIMARY KEY (organization_id, name, year)
);
CREATE TRIGGER number_grows BEFORE UPDATE ON series FOR EACH ROW WHEN (NEW.last_number <= OLD.last_number)
    EXECUTE FUNCTION vienphi_reject_row('a number is given out once');
SELECT vienphi_isolate_tenant('series');
GRANT INSERT, UPDATE (last_number) ON series TO vienphi_app;
