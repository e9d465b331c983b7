-- Two persons are two humans: a name has one key per organization, and approvals compare persons by id and by that key.
--
-- The key is computed here alone, so that the service, the owner's commands and these guards cannot disagree. Invisible
-- characters (default-ignorable, bidirectional controls) are removed, compatibility forms decomposed, case removed,
-- spaces collapsed, and homographs (Ð for Đ, Cyrillic and Greek capitals) read as the Latin letter they look like. The
-- tone mark moves to the end of its syllable: hòa and hoà are one spelling. Nothing depends on the locale of the
-- database: after NFKD only ASCII letters have a case, but for those named in translate().
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

ALTER TABLE person ADD COLUMN name_key text GENERATED ALWAYS AS (vienphi_name_key(name)) STORED;
ALTER TABLE person ADD COLUMN duplicate_of uuid;
ALTER TABLE person ADD FOREIGN KEY (organization_id, duplicate_of) REFERENCES person (organization_id, id);

-- Persons who were added twice under one name stay, since approvals and keys name them. The first of a name keeps it and
-- the others point to it: they count as one human, and can no longer approve each other. A warning names each;
-- `vienphi person list` shows them, `vienphi person rename` gives a second human a name of their own.
DO $$
DECLARE
    organization int;
    found record;
BEGIN
    FOR organization IN SELECT vienphi_organizations() LOOP
        PERFORM set_config('vienphi.organization', organization::text, true);
        FOR found IN
            UPDATE person SET duplicate_of = first.id
            FROM (SELECT DISTINCT ON (name_key) name_key, id FROM person
                  WHERE organization_id = organization ORDER BY name_key, id) AS first
            WHERE person.organization_id = organization AND person.name_key = first.name_key AND person.id <> first.id
            RETURNING person.id, person.duplicate_of
        LOOP
            RAISE WARNING 'organization %: persons % and % have the same name and count as one human; if they are two, '
                'rename one: vienphi person rename', organization, found.duplicate_of, found.id;
        END LOOP;
    END LOOP;
    PERFORM set_config('vienphi.organization', '', true);
END $$;

-- Not looked for in the rows of before: a name of invisible characters alone is refused from here on.
ALTER TABLE person ADD CONSTRAINT name_is_readable CHECK (name_key <> '') NOT VALID;
CREATE UNIQUE INDEX person_one_of_each_name ON person (organization_id, name_key) WHERE duplicate_of IS NULL;

-- Whether two rows are one human: the same row, or the same name.
CREATE FUNCTION vienphi_same_human(organization int, one uuid, other uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN one = other OR EXISTS (
    SELECT FROM public.person AS a
    JOIN public.person AS b ON b.organization_id = a.organization_id AND b.name_key = a.name_key
    WHERE a.organization_id = organization AND a.id = one AND b.id = other);

-- Guard of every table that records an approval: vienphi_two_humans(proposer's column, approver's column[, state in
-- which the second counts]). It looks when the second person is written, after the table's own CHECKs.
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

CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON tariff
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('drafted_by', 'approved_by');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON facility_pricing
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('proposed_by', 'approved_by');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON facility_policy
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('proposed_by', 'approved_by');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON account_change
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('proposed_by', 'decided_by', 'approved');
CREATE TRIGGER two_humans AFTER INSERT OR UPDATE ON dead_letter
    FOR EACH ROW EXECUTE FUNCTION vienphi_two_humans('close_proposed_by', 'closed_by');

-- Personal data leaves after its retention (billing/domain/retention.py), and a patient's at once where that is requested
-- for. Only tables that hold nothing of the books: payments, invoices, entries, seals and audit hold ids and amounts.
GRANT DELETE ON payment_origin, visit_document, visit_patient, claim_file, delivery_body, pay_page TO vienphi_app;
GRANT UPDATE (content, signature) ON claim_file TO vienphi_app;
GRANT UPDATE (path_suffix, query, headers, body, source_address) ON dead_letter TO vienphi_app;
CREATE INDEX ON visit_version (organization_id, claim_file_id) WHERE claim_file_id IS NOT NULL;
CREATE INDEX ON visit_patient (organization_id, citizen_number) WHERE citizen_number <> '';
CREATE INDEX ON visit_patient (organization_id, hospital_number) WHERE hospital_number <> '';
CREATE INDEX ON idempotency_key (organization_id, recorded_at);
CREATE INDEX ON claim_file (organization_id, received_at);

-- An idempotency key is never changed, but leaves; which one may is the service's to say.
CREATE FUNCTION vienphi_reject_update() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is never changed: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER append_only ON idempotency_key;
CREATE TRIGGER never_changed BEFORE UPDATE OR TRUNCATE ON idempotency_key
    FOR EACH STATEMENT EXECUTE FUNCTION vienphi_reject_update();
GRANT DELETE ON idempotency_key TO vienphi_app;

-- The monthly partitions of a table that end before a day, detached so that the owner can archive and drop them; with
-- `drops`, dropped. One stays as long as somebody needs a row of it: an outbox message that was not handed out, a body
-- that was not erased. The audit is sealed and never leaves.
CREATE FUNCTION vienphi_detach_partitions(parent text, before date, drops boolean) RETURNS SETOF text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    partition text;
    starts date;
    ends date;
    organization int;
    is_needed boolean;
BEGIN
    IF parent NOT IN ('delivery', 'delivery_body', 'outbox') THEN
        RAISE EXCEPTION 'partitions of % stay: the seals cover them', parent USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('vienphi_make_partitions'));
    FOR partition IN
        SELECT child.relname FROM pg_inherits AS link JOIN pg_class AS child ON child.oid = link.inhrelid
        WHERE link.inhparent = ('public.' || parent)::regclass AND child.relname ~ '_[0-9]{6}$'
            AND (to_date(right(child.relname, 6), 'YYYYMM') + interval '1 month')::date <= before
        ORDER BY child.relname
    LOOP
        starts := to_date(right(partition, 6), 'YYYYMM');
        ends := (starts + interval '1 month')::date;
        is_needed := false;
        FOR organization IN SELECT public.vienphi_organizations() LOOP
            PERFORM set_config('vienphi.organization', organization::text, true);
            -- Through the parent: a partition has row security and no policy, so it shows nothing by itself.
            IF parent = 'delivery_body' THEN
                is_needed := EXISTS (SELECT FROM public.delivery_body AS body WHERE body.organization_id = organization
                    AND body.id >= public.vienphi_first_id(starts) AND body.id < public.vienphi_first_id(ends));
            ELSIF parent = 'outbox' THEN
                is_needed := EXISTS (SELECT FROM public.outbox AS message WHERE message.organization_id = organization
                    AND message.id >= public.vienphi_first_id(starts) AND message.id < public.vienphi_first_id(ends)
                    AND NOT EXISTS (SELECT FROM public.webhook_cursor AS cursor
                        WHERE cursor.organization_id = organization AND
                            (cursor.transaction_id, cursor.message_id) >= (message.transaction_id, message.id)));
            END IF;
            EXIT WHEN is_needed;
        END LOOP;
        PERFORM set_config('vienphi.organization', '', true);
        CONTINUE WHEN is_needed;
        EXECUTE format('ALTER TABLE public.%I DETACH PARTITION public.%I', parent, partition);
        -- What is detached is the owner's alone, who can then archive it: nobody else has a grant on it.
        EXECUTE format('ALTER TABLE public.%I NO FORCE ROW LEVEL SECURITY', partition);
        IF drops THEN
            EXECUTE format('DROP TABLE public.%I', partition);
        END IF;
        RETURN NEXT partition;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_detach_partitions(text, date, boolean) FROM PUBLIC;
