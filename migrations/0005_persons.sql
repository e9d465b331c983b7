-- Persons, the comparison of two persons, approvals, and API keys. Source: docs/design.md §3.5; docs/database.md.

-- The key of a name, by which two rows are recognised as one human. It is computed here only, so that the service, the
-- commands of the owner and the guards agree. Invisible characters (default-ignorable, bidirectional controls) are
-- removed, compatibility forms decomposed, case removed, spaces collapsed, and homographs (Ð for Đ, Cyrillic and Greek
-- capitals) read as the Latin letter of the same form. The tone mark moves to the end of its syllable: hòa and hoà are
-- one spelling. The key does not depend on the locale of the database: after NFKD only ASCII letters have a case, except
-- those named in translate().
CREATE FUNCTION vienphi_name_key(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN btrim(regexp_replace(
    regexp_replace(
        lower(translate(
            normalize(
                regexp_replace(
                    name COLLATE "C",
                    '[\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F'
                    '\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A'
                    '\U000E0000-\U000E0FFF]',
                    '', 'g'),
                NFKD),
            U&'\0110\00D0\0189\00F0\0256\00C6\00D8\0152\0141\00DE\1E9E\0131\0237\0251\0261\0410\0412\0415\041A'
            '\041C\041D\041E\0420\0421\0422\0423\0425\0430\0435\043E\0440\0441\0443\0445\0406\0456\0408\0458'
            '\0405\0455\04BA\04BB\0501\051A\051B\051C\051D\0475\0391\0392\0395\0396\0397\0399\039A\039C\039D'
            '\039F\03A1\03A4\03A5\03A7\03B1\03B9\03BD\03BF',
            U&'\0111\0111\0111\0111\0111\00E6\00F8\0153\0142\00FE\00DFijagabekmhopctyxaeopcyxiijjsshhdqqwwvabe'
            'zhikmnoptyxaivo'
        )),
        '([\u0300\u0301\u0303\u0309\u0323])([a-z\u0111\u0302\u0306\u031B]+)', '\2\1', 'g'),
    '[\u0001-\u0020\u0085\u1680\u2028\u2029\u2800]+', ' ', 'g'));

-- `duplicate_of` names the first row of the same human where a second one was added.
CREATE TABLE person (
    organization_id int NOT NULL REFERENCES organization (id),
    id uuid NOT NULL,
    name text NOT NULL,
    roles text[] NOT NULL DEFAULT '{}',
    name_key text GENERATED ALWAYS AS (vienphi_name_key(name)) STORED,
    duplicate_of uuid,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, duplicate_of) REFERENCES person (organization_id, id),
    CONSTRAINT name_is_readable CHECK (name_key <> '')
);
CREATE UNIQUE INDEX person_one_of_each_name ON person (organization_id, name_key) WHERE duplicate_of IS NULL;
SELECT vienphi_isolate_tenant('person');

-- Whether two rows are one human: the same row, or the same name.
CREATE FUNCTION vienphi_same_human(organization int, one uuid, other uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN one = other OR EXISTS (
    SELECT FROM public.person AS a
    JOIN public.person AS b ON b.organization_id = a.organization_id AND b.name_key = a.name_key
    WHERE a.organization_id = organization AND a.id = one AND b.id = other);

-- The guard of every table that records an approval: vienphi_two_humans(proposer's column, approver's column[, state in
-- which the second counts]). It compares when the second person is written, after the CHECKs of the table.
CREATE FUNCTION vienphi_two_humans() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added jsonb := to_jsonb(NEW);
    former jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) END;
BEGIN
    IF added ->> TG_ARGV[1] IS NULL OR (TG_NARGS > 2 AND added ->> 'state' <> TG_ARGV[2]) THEN
        RETURN NULL;
    END IF;
    IF former IS NOT NULL AND former ->> TG_ARGV[0] = added ->> TG_ARGV[0]
        AND former ->> TG_ARGV[1] = added ->> TG_ARGV[1] AND former ->> 'state' IS NOT DISTINCT FROM added ->> 'state'
    THEN
        RETURN NULL;
    END IF;
    IF public.vienphi_same_human(
        NEW.organization_id, (added ->> TG_ARGV[0])::uuid, (added ->> TG_ARGV[1])::uuid)
    THEN
        RAISE EXCEPTION '%: the second person is the first', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'two_humans';
    END IF;
    RETURN NULL;
END $$;

-- A proposal of one person that another person decides. `subject_id` is the price list, the setting or the policy of a
-- facility, the provider account, or the dead letter; `payload` is what the second person reads. An account change
-- stands in its payload whole. The guards of the subjects accept an effect only for an approved proposal.
CREATE TABLE approval (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (
        kind IN ('tariff', 'facility_pricing', 'facility_policy', 'account_change', 'dead_letter_closing')),
    subject_id uuid NOT NULL,
    payload jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
    state text NOT NULL CHECK (state IN ('proposed', 'approved', 'rejected', 'withdrawn')),
    proposed_by uuid NOT NULL,
    proposed_at timestamptz NOT NULL,
    decided_by uuid,
    decided_at timestamptz,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, proposed_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, decided_by) REFERENCES person (organization_id, id),
    CONSTRAINT decision_is_complete CHECK (
        (state = 'proposed') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT two_persons_approve CHECK (state <> 'approved' OR decided_by <> proposed_by),
    CONSTRAINT withdrawn_by_its_proposer CHECK (
        decided_by IS NULL OR (state = 'withdrawn') = (decided_by = proposed_by)),
    CONSTRAINT closing_has_a_reason CHECK (
        kind <> 'dead_letter_closing' OR coalesce(length(payload ->> 'reason'), 0) BETWEEN 3 AND 1000)
);
CREATE UNIQUE INDEX approval_one_proposed ON approval (organization_id, kind, subject_id) WHERE state = 'proposed';
-- An account is changed many times; everything else is approved once.
CREATE UNIQUE INDEX approval_one_approved ON approval (organization_id, kind, subject_id)
    WHERE state = 'approved' AND kind <> 'account_change';
CREATE INDEX ON approval (organization_id, subject_id);
CREATE INDEX ON approval (organization_id, transaction_id);

-- Only what exists and is complete is proposed, so that nothing is approved before two persons could read it. A price
-- list is proposed by the person who drafted it. The tables are created by later files: they are looked up at run time.
CREATE FUNCTION vienphi_guard_proposal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_complete boolean := CASE NEW.kind
        WHEN 'tariff' THEN EXISTS (
            SELECT FROM public.tariff WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
                AND state = 'draft' AND completed_at IS NOT NULL AND drafted_by = NEW.proposed_by)
        WHEN 'facility_pricing' THEN EXISTS (
            SELECT FROM public.facility_pricing WHERE organization_id = NEW.organization_id AND id = NEW.subject_id)
        WHEN 'facility_policy' THEN EXISTS (
            SELECT FROM public.facility_policy WHERE organization_id = NEW.organization_id AND id = NEW.subject_id)
        WHEN 'account_change' THEN EXISTS (
            SELECT FROM public.provider_account WHERE organization_id = NEW.organization_id AND id = NEW.subject_id)
        WHEN 'dead_letter_closing' THEN EXISTS (
            SELECT FROM public.dead_letter WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
                AND retried_at IS NULL AND closed_at IS NULL)
    END;
BEGIN
    IF NOT is_complete THEN
        RAISE EXCEPTION 'the subject of a % cannot be proposed', NEW.kind USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER subject_is_complete BEFORE INSERT ON approval FOR EACH ROW EXECUTE FUNCTION vienphi_guard_proposal();
CREATE TRIGGER decided_once BEFORE UPDATE ON approval FOR EACH ROW WHEN (OLD.state <> 'proposed')
    EXECUTE FUNCTION vienphi_reject_row('a proposal is decided once');
SELECT vienphi_guard_states('approval', ARRAY['proposed'], ARRAY[
    'proposed>approved', 'proposed>rejected', 'proposed>withdrawn']);
SELECT vienphi_guard_once('approval', 'decided_by', 'decided_at');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON approval
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('proposed_by', 'decided_by', 'approved');
SELECT vienphi_isolate_tenant('approval');
SELECT vienphi_grant_insert_except('approval', 'decided_by', 'decided_at', 'transaction_id');
GRANT UPDATE (state, decided_by, decided_at) ON approval TO vienphi_app;

-- The credential of a program. A key acts for one named person with some of that person's roles. Only the hash of its
-- secret is stored. During a rotation two active keys of one name exist, one in each slot.
CREATE TABLE api_key (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    name text NOT NULL,
    roles text[] NOT NULL,
    slot smallint NOT NULL CHECK (slot IN (1, 2)),
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, secret_hash),
    FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id),
    CONSTRAINT name_format CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    CONSTRAINT roles_are_known CHECK (roles <@ ARRAY['cashier', 'finance', 'integrator', 'administrator'])
);
CREATE UNIQUE INDEX api_key_two_active ON api_key (organization_id, name, slot) WHERE revoked_at IS NULL;
SELECT vienphi_guard_once('api_key', 'revoked_at');
SELECT vienphi_isolate_tenant('api_key', is_personal => true);
