-- The ground: roles, walls between organizations, append-only tables, partitions; then organizations and who acts.
--
-- Every tenant table has organization_id as the first column of every primary, unique and foreign key and goes
-- through vienphi_isolate_tenant(). Installation-wide tables are: schema_migration, organization, organization_prefix,
-- bank_account_owner. Roles are cluster-wide, so they may exist already.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['vienphi_app', 'vienphi_auditor'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of this cluster made it
        END;
    END LOOP;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO vienphi_app, vienphi_auditor;

-- Row security for one table: rows of another organization do not exist, not even for the table's owner. NULLIF, since
-- the plain cast of an organization that was never named fails. Personal tables are not the auditor's to read.
CREATE FUNCTION vienphi_isolate_tenant(
    secured regclass, organization_column name DEFAULT 'organization_id', is_personal boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', secured);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', secured);
    EXECUTE format(
        'CREATE POLICY tenant_isolation ON %s USING (%I = NULLIF(current_setting(''vienphi.organization'', true), '''')::int)',
        secured, organization_column);
    EXECUTE format('GRANT SELECT ON %s TO vienphi_app', secured);
    IF NOT is_personal THEN
        EXECUTE format('GRANT SELECT ON %s TO vienphi_auditor', secured);
    END IF;
END $$;

CREATE FUNCTION vienphi_reject_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

-- Rows of an append-only table are never changed, by anyone; the app role lacks the grant as well.
CREATE FUNCTION vienphi_append_only(kept regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s '
        'FOR EACH STATEMENT EXECUTE FUNCTION vienphi_reject_change()', kept);
END $$;

-- The smallest UUIDv7 of a day: partitions are ranges of ids, and ids carry their moment.
CREATE FUNCTION vienphi_first_id(day date) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT
RETURN (lpad(to_hex((extract(epoch FROM day::timestamp) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

CREATE TABLE organization (
    id int PRIMARY KEY CHECK (id > 0),
    name text NOT NULL CHECK (name <> ''),
    tax_code text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);
SELECT vienphi_isolate_tenant('organization', 'id');

-- First two characters of reference codes. A prefix is never given to another organization.
CREATE TABLE organization_prefix (
    prefix char(2) PRIMARY KEY CHECK (prefix ~ '^[2-9A-HJ-NP-Z]{2}$'),
    organization_id int NOT NULL REFERENCES organization (id),
    assigned_at timestamptz NOT NULL
);
CREATE INDEX ON organization_prefix (organization_id);
SELECT vienphi_isolate_tenant('organization_prefix');

-- A bank account (BIN, number) belongs to one organization.
CREATE TABLE bank_account_owner (
    bank_bin text NOT NULL CHECK (bank_bin ~ '^[0-9]{6}$'),
    account_number text NOT NULL CHECK (account_number ~ '^[0-9A-Za-z]{1,19}$'),
    organization_id int NOT NULL REFERENCES organization (id),
    PRIMARY KEY (bank_bin, account_number),
    UNIQUE (organization_id, bank_bin, account_number)
);
SELECT vienphi_isolate_tenant('bank_account_owner');

CREATE TABLE facility (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    code text NOT NULL CHECK (code ~ '^[0-9A-Z]{5}$'),
    name text NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, code)
);
SELECT vienphi_isolate_tenant('facility');

-- What may change with time: rank, former line, readings of open rules, who computes the price.
CREATE TABLE facility_terms (
    organization_id int NOT NULL,
    facility_id uuid NOT NULL,
    valid_from date NOT NULL,
    technical_level text NOT NULL CHECK (technical_level IN ('initial', 'basic', 'specialised')),
    ranking_points int CHECK (ranking_points BETWEEN 0 AND 100),
    former_tier text CHECK (former_tier IN ('commune', 'district', 'province', 'central')),
    pricing_authority text NOT NULL DEFAULT 'vienphi' CHECK (pricing_authority IN ('his', 'vienphi')),
    policy jsonb NOT NULL DEFAULT '{}',
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

CREATE TABLE person (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    name text NOT NULL,
    roles text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (organization_id, id)
);
SELECT vienphi_isolate_tenant('person');

-- A key acts for one named person; only the hash of its secret is kept.
CREATE TABLE api_key (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, secret_hash),
    FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id)
);
SELECT vienphi_isolate_tenant('api_key', is_personal => true);

CREATE TABLE bank_account (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    bank_bin text NOT NULL,
    account_number text NOT NULL,
    holder text NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, bank_bin, account_number),
    FOREIGN KEY (organization_id, bank_bin, account_number)
        REFERENCES bank_account_owner (organization_id, bank_bin, account_number)
);
SELECT vienphi_isolate_tenant('bank_account');

-- A contract with a provider. Settings hold no secret: `secret_name` says where the running service finds it.
CREATE TABLE provider_account (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    provider text NOT NULL,
    bank_account_id uuid,
    settings jsonb NOT NULL,
    secret_name text,
    is_active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, name),
    FOREIGN KEY (organization_id, bank_account_id) REFERENCES bank_account (organization_id, id)
);
SELECT vienphi_isolate_tenant('provider_account');

-- Gapless numbers: one row is locked, last of all locks but accounts.
CREATE TABLE series (
    organization_id int NOT NULL REFERENCES organization (id),
    name text NOT NULL,
    year int NOT NULL,
    last_number bigint NOT NULL CHECK (last_number >= 0),
    PRIMARY KEY (organization_id, name, year)
);
SELECT vienphi_isolate_tenant('series');
GRANT INSERT, UPDATE (last_number) ON series TO vienphi_app;
