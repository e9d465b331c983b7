-- Dead letters: deliveries that could not be written because of their data. They were acknowledged, so each keeps what is
-- needed to book it later without any credential: the verified notices, and when and how they were verified. A dead
-- letter ends by a retry that books it, or is closed with a reason by two persons. Until then its day stays open.

ALTER TABLE poison_delivery RENAME TO dead_letter;
ALTER TABLE dead_letter RENAME COLUMN replayed_at TO retried_at;
ALTER TABLE dead_letter RENAME COLUMN replayed_as TO retried_as;
ALTER TABLE dead_letter RENAME CONSTRAINT replayed_as_a_delivery TO retried_as_a_delivery;
ALTER TABLE dead_letter RENAME CONSTRAINT poison_delivery_pkey TO dead_letter_pkey;
ALTER TABLE dead_letter RENAME CONSTRAINT poison_delivery_organization_id_provider_account_id_fkey
    TO dead_letter_organization_id_provider_account_id_fkey;

-- `notices` is canonical JSON (providers/notice_json.py), as bytes: a text of a notice may hold what jsonb cannot, and
-- that may be the very fault. Rows of before have none: they are read again from their raw message, or closed.
ALTER TABLE dead_letter
    ADD COLUMN notices bytea,
    ADD COLUMN verified_at timestamptz,
    ADD COLUMN verified_by text,
    ADD COLUMN close_reason text,
    ADD COLUMN close_proposed_by uuid,
    ADD COLUMN close_proposed_at timestamptz,
    ADD COLUMN closed_by uuid,
    ADD COLUMN closed_at timestamptz,
    ADD CONSTRAINT verification_is_complete CHECK (num_nulls(notices, verified_at, verified_by) IN (0, 3)),
    ADD CONSTRAINT close_reason_length CHECK (length(close_reason) BETWEEN 3 AND 1000),
    ADD CONSTRAINT close_proposal_is_complete CHECK (num_nulls(close_reason, close_proposed_by, close_proposed_at) IN (0, 3)),
    ADD CONSTRAINT closing_is_complete CHECK (num_nulls(closed_by, closed_at) IN (0, 2)),
    ADD CONSTRAINT closed_as_proposed CHECK (closed_by IS NULL OR close_proposed_by IS NOT NULL),
    ADD CONSTRAINT two_persons_close CHECK (closed_by <> close_proposed_by),
    ADD CONSTRAINT ended_once CHECK (retried_at IS NULL OR closed_at IS NULL),
    ADD FOREIGN KEY (organization_id, close_proposed_by) REFERENCES person (organization_id, id),
    ADD FOREIGN KEY (organization_id, closed_by) REFERENCES person (organization_id, id);
GRANT UPDATE (notices, close_reason, close_proposed_by, close_proposed_at, closed_by, closed_at) ON dead_letter TO vienphi_app;

DROP INDEX poison_delivery_organization_id_received_at_idx;
CREATE INDEX dead_letter_waiting ON dead_letter (organization_id, received_at)
    WHERE retried_at IS NULL AND closed_at IS NULL;

-- A dead letter begins waiting and whole, ends once, and is closed by a human who did not propose it. Persons are
-- compared by vienphi_same_human, which a later migration adds: the name is looked up when the trigger runs.
CREATE FUNCTION vienphi_guard_dead_letter() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.notices IS NULL OR num_nonnulls(NEW.retried_at, NEW.close_proposed_at, NEW.closed_at) > 0 THEN
            RAISE EXCEPTION 'a dead letter begins with its notices and waits' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF num_nonnulls(OLD.retried_at, OLD.closed_at) > 0
        AND (NEW.retried_at, NEW.retried_as, NEW.close_reason, NEW.close_proposed_by, NEW.closed_by, NEW.closed_at)
            IS DISTINCT FROM
            (OLD.retried_at, OLD.retried_as, OLD.close_reason, OLD.close_proposed_by, OLD.closed_by, OLD.closed_at)
    THEN
        RAISE EXCEPTION 'a dead letter ends once' USING ERRCODE = 'restrict_violation';
    END IF;
    -- Notices are evidence until then; afterwards they may be erased, and nothing else.
    IF NEW.notices IS DISTINCT FROM OLD.notices
        AND (num_nonnulls(OLD.retried_at, OLD.closed_at) = 0 OR NEW.notices <> '')
    THEN
        RAISE EXCEPTION 'the notices of a dead letter are kept until it ends' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.closed_by IS NOT NULL AND NEW.close_proposed_by IS DISTINCT FROM OLD.close_proposed_by THEN
        RAISE EXCEPTION 'a dead letter is proposed for closing first' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.closed_by IS NOT NULL
        AND public.vienphi_same_human(NEW.organization_id, NEW.close_proposed_by, NEW.closed_by)
    THEN
        RAISE EXCEPTION 'a dead letter is closed by two persons' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guarded BEFORE INSERT OR UPDATE ON dead_letter
    FOR EACH ROW EXECUTE FUNCTION vienphi_guard_dead_letter();
