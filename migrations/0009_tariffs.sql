-- Price lists. Source: docs/prices.md; rule B-080.
--
-- The list of a facility (or, without a facility, of every facility that has no list of its own) is in force from its
-- first day until the day before the next effective list begins. Two lists can only overlap if they begin on the same
-- day, which a unique index rejects.

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
    activated_by uuid,
    activated_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, facility_id) REFERENCES facility (organization_id, id),
    FOREIGN KEY (organization_id, drafted_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, activated_by) REFERENCES person (organization_id, id),
    CONSTRAINT activated_has_time CHECK ((activated_by IS NULL) = (activated_at IS NULL)),
    CONSTRAINT approved_is_complete CHECK (state IN ('draft', 'discarded') OR completed_at IS NOT NULL),
    CONSTRAINT effective_is_activated CHECK ((state IN ('effective', 'replaced')) = (activated_by IS NOT NULL))
);
CREATE UNIQUE INDEX tariff_one_in_force ON tariff (organization_id, facility_id, valid_from) NULLS NOT DISTINCT
    WHERE state = 'effective';
CREATE INDEX tariff_incomplete ON tariff (organization_id, content_hash) WHERE completed_at IS NULL AND state = 'draft';
SELECT vienphi_isolate_tenant('tariff');
SELECT vienphi_grant_insert_except('tariff', 'completed_at', 'activated_by', 'activated_at');
GRANT UPDATE (state, completed_at, activated_by, activated_at) ON tariff TO vienphi_app;

-- Prices in đồng per unit, with up to three decimals; NULL where the list has no price of that kind.
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

-- A new list is a draft. A list is completed, approved and activated once, in this order. A complete list has all its
-- items. It becomes approved only with an approved proposal of 0005.
CREATE FUNCTION vienphi_guard_tariff() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    items bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF num_nonnulls(NEW.activated_by, NEW.activated_at) > 0 THEN
            RAISE EXCEPTION 'a new price list is not activated' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.completed_at IS NOT NULL AND NEW.completed_at IS DISTINCT FROM OLD.completed_at
        OR OLD.activated_by IS NOT NULL
            AND (NEW.activated_by, NEW.activated_at) IS DISTINCT FROM (OLD.activated_by, OLD.activated_at)
        OR NEW.state = 'approved' AND NEW.activated_by IS NOT NULL THEN
        RAISE EXCEPTION 'a price list that is % does not become %', OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'draft' AND NEW.state = 'approved' AND NOT EXISTS (
        SELECT FROM public.approval
        WHERE organization_id = NEW.organization_id AND kind = 'tariff' AND subject_id = NEW.id AND state = 'approved'
    ) THEN
        RAISE EXCEPTION 'a price list is approved by two persons' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.completed_at IS NULL AND NEW.completed_at IS NOT NULL THEN
        SELECT count(*) INTO items FROM public.tariff_item
        WHERE organization_id = NEW.organization_id AND tariff_id = NEW.id;
        IF items <> NEW.items_expected THEN
            RAISE EXCEPTION 'a price list of % rows is not complete with %', NEW.items_expected, items
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tariff_guarded BEFORE INSERT OR UPDATE ON tariff
    FOR EACH ROW EXECUTE FUNCTION vienphi_guard_tariff();
SELECT vienphi_guard_states('tariff', ARRAY['draft'], ARRAY[
    'draft>approved', 'approved>effective', 'effective>replaced', 'draft>discarded', 'approved>discarded']);

-- A list that two persons compare gets no further items.
CREATE FUNCTION vienphi_reject_complete_tariff() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
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
CREATE TRIGGER tariff_is_incomplete AFTER INSERT ON tariff_item REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION vienphi_reject_complete_tariff();
