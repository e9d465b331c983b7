-- Price lists with periods, who decides a facility's amounts, and where two tellings of an amount differ.
--
-- A list of a facility (or, without one, of every facility that has none of its own) is in force from its day until the
-- day before the next effective one begins. So two can only meet on one day by beginning on the same day, and the unique
-- index below refuses that.

CREATE TABLE tariff (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    facility_id uuid,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    valid_from date NOT NULL,
    valid_until date CHECK (valid_until >= valid_from),
    state text NOT NULL CHECK (state IN ('draft', 'approved', 'effective', 'replaced', 'discarded')),
    items_expected int NOT NULL CHECK (items_expected > 0),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    drafted_by uuid NOT NULL,
    drafted_at timestamptz NOT NULL,
    completed_at timestamptz,
    approved_by uuid,
    approved_at timestamptz,
    activated_by uuid,
    activated_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, drafted_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, approved_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, activated_by) REFERENCES person (organization_id, id),
    CONSTRAINT tariff_of_two_persons CHECK (approved_by <> drafted_by),
    CONSTRAINT approved_has_time CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CONSTRAINT activated_has_time CHECK ((activated_by IS NULL) = (activated_at IS NULL)),
    CONSTRAINT approved_is_complete CHECK (approved_by IS NULL OR completed_at IS NOT NULL),
    CONSTRAINT beyond_draft_is_approved CHECK (state IN ('draft', 'discarded') OR approved_by IS NOT NULL),
    CONSTRAINT effective_is_activated CHECK ((state IN ('effective', 'replaced')) = (activated_by IS NOT NULL))
);
CREATE UNIQUE INDEX tariff_one_in_force ON tariff (organization_id, facility_id, valid_from) NULLS NOT DISTINCT
    WHERE state = 'effective';
CREATE INDEX tariff_incomplete ON tariff (organization_id, content_hash) WHERE completed_at IS NULL AND state = 'draft';
SELECT vienphi_isolate_tenant('tariff');
GRANT INSERT, UPDATE (state, completed_at, approved_by, approved_at, activated_by, activated_at) ON tariff TO vienphi_app;

CREATE FUNCTION vienphi_guard_tariff() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (
        ('draft', 'draft'), ('draft', 'approved'), ('approved', 'effective'), ('effective', 'replaced'),
        ('draft', 'discarded'), ('approved', 'discarded')
    ) OR (OLD.completed_at IS NOT NULL AND NEW.completed_at IS DISTINCT FROM OLD.completed_at)
        OR (OLD.approved_by IS NOT NULL AND NEW.approved_by IS DISTINCT FROM OLD.approved_by) THEN
        RAISE EXCEPTION 'a price list that is % does not become %', OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tariff_guarded BEFORE UPDATE ON tariff FOR EACH ROW EXECUTE FUNCTION vienphi_guard_tariff();

-- Đồng a unit, up to three decimals (rule B-080); NULL where the list has no price of that kind.
CREATE TABLE tariff_item (
    organization_id int NOT NULL,
    tariff_id uuid NOT NULL,
    code text NOT NULL CHECK (length(code) BETWEEN 1 AND 100),
    name text NOT NULL,
    unit text NOT NULL,
    insured_price numeric(15, 3) CHECK (insured_price >= 0),
    fee_price numeric(15, 3) CHECK (fee_price >= 0),
    on_demand_price numeric(15, 3) CHECK (on_demand_price >= 0),
    PRIMARY KEY (organization_id, tariff_id, code),
    FOREIGN KEY (organization_id, tariff_id) REFERENCES tariff (organization_id, id),
    CONSTRAINT has_a_price CHECK (num_nonnulls(insured_price, fee_price, on_demand_price) > 0)
);
SELECT vienphi_isolate_tenant('tariff_item');
SELECT vienphi_append_only('tariff_item');
GRANT INSERT ON tariff_item TO vienphi_app;

-- What two persons look at must not grow afterwards.
CREATE FUNCTION vienphi_reject_complete_tariff() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added
        JOIN tariff ON tariff.organization_id = added.organization_id AND tariff.id = added.tariff_id
        WHERE tariff.completed_at IS NOT NULL OR tariff.state <> 'draft'
    ) THEN
        RAISE EXCEPTION 'a complete price list takes no further row' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_complete_tariff AFTER INSERT ON tariff_item REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION vienphi_reject_complete_tariff();

-- Whose amounts a facility collects, from a day on. The column this takes the place of was read by nothing, and could be
-- set by one person alone.
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
SELECT vienphi_isolate_tenant('facility_pricing');
GRANT INSERT, UPDATE (approved_by, approved_at) ON facility_pricing TO vienphi_app;

CREATE FUNCTION vienphi_approved_once() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.approved_by IS NOT NULL THEN
        RAISE EXCEPTION '%: approved once and for all', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approved_once BEFORE UPDATE ON facility_pricing FOR EACH ROW EXECUTE FUNCTION vienphi_approved_once();

ALTER TABLE facility_terms DROP COLUMN pricing_authority;

-- Where an invoice was collected as the hospital's system computed it, and we came to something else. Each difference of a
-- visit is listed once, however many invoices follow.
CREATE TABLE price_difference (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    facility_id uuid NOT NULL,
    visit_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    source_table text NOT NULL CHECK (source_table IN ('XML2', 'XML3')),
    stt int NOT NULL,
    code text NOT NULL,
    field text NOT NULL,
    his_value numeric,
    vienphi_value numeric,
    rules text[] NOT NULL CHECK (cardinality(rules) > 0),
    vendor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE NULLS NOT DISTINCT (organization_id, visit_id, source_table, stt, field, his_value, vienphi_value),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    CONSTRAINT differs CHECK (his_value IS DISTINCT FROM vienphi_value)
);
CREATE INDEX ON price_difference (organization_id, invoice_id);
SELECT vienphi_isolate_tenant('price_difference');
SELECT vienphi_append_only('price_difference');
GRANT INSERT ON price_difference TO vienphi_app;
