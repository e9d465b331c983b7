-- What a payer owes for a guarantee that a final bill counted, and the money with which it pays. Source:
-- docs/visit-accounts.md, Guarantees; docs/reference/hospital-money.md, section 5.

-- `billed` is what the final bills of the visit moved from the patient to the payer. owed = billed − paid − written_off.
-- `billed_on` is the day of the first of them: the age of the receivable counts from it.
CREATE TABLE guarantee_receivable (
    organization_id int NOT NULL,
    guarantee_id uuid NOT NULL,
    visit_id uuid NOT NULL,
    payer text NOT NULL,
    version int NOT NULL CHECK (version > 0),
    billed bigint NOT NULL CHECK (billed >= 0),
    paid bigint NOT NULL DEFAULT 0 CHECK (paid >= 0),
    written_off bigint NOT NULL DEFAULT 0 CHECK (written_off >= 0),
    owed bigint NOT NULL CHECK (owed >= 0),
    billed_on date NOT NULL,
    PRIMARY KEY (organization_id, guarantee_id),
    FOREIGN KEY (organization_id, guarantee_id) REFERENCES guarantee (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id),
    CONSTRAINT owed_is_billed_less_paid CHECK (owed = billed - paid - written_off)
);
CREATE INDEX ON guarantee_receivable (organization_id, visit_id);
CREATE INDEX guarantee_receivable_owed ON guarantee_receivable (organization_id, payer, billed_on) WHERE owed > 0;

-- Guarantees that were counted before. The owner reads the rows of all organizations here.
ALTER TABLE correction NO FORCE ROW LEVEL SECURITY;
ALTER TABLE guarantee NO FORCE ROW LEVEL SECURITY;
INSERT INTO guarantee_receivable (organization_id, guarantee_id, visit_id, payer, version, billed, owed, billed_on)
    SELECT given.organization_id, given.id, given.visit_id, given.payer, 1, -sum(correction.patient),
        -sum(correction.patient), min((correction.recorded_at AT TIME ZONE INTERVAL '07:00')::date)
    FROM guarantee AS given
    JOIN correction ON correction.organization_id = given.organization_id AND correction.guarantee_id = given.id
    GROUP BY given.organization_id, given.id;
ALTER TABLE correction FORCE ROW LEVEL SECURITY;
ALTER TABLE guarantee FORCE ROW LEVEL SECURITY;

CREATE TRIGGER receivable_is_unpaid BEFORE INSERT ON guarantee_receivable FOR EACH ROW
    WHEN (NEW.paid + NEW.written_off <> 0) EXECUTE FUNCTION vienphi_reject_row('a new receivable is not paid');
SELECT vienphi_isolate_tenant('guarantee_receivable');
SELECT vienphi_grant_insert_except('guarantee_receivable', 'paid', 'written_off');
GRANT UPDATE (version, billed, paid, written_off, owed) ON guarantee_receivable TO vienphi_app;

-- A part of a payment pays a guarantee. The seals keep the id in the place of the deposit.
ALTER TABLE allocation
    ADD COLUMN guarantee_id uuid,
    ADD FOREIGN KEY (organization_id, guarantee_id) REFERENCES guarantee_receivable (organization_id, guarantee_id),
    DROP CONSTRAINT allocation_target_check,
    ADD CONSTRAINT allocation_target_check
        CHECK (target IN ('invoice', 'deposit', 'guarantee', 'credit', 'unallocated', 'refund')),
    ADD CONSTRAINT guarantee_named CHECK ((target = 'guarantee') = (guarantee_id IS NOT NULL));
CREATE INDEX ON allocation (organization_id, guarantee_id) WHERE guarantee_id IS NOT NULL;
SELECT vienphi_grant_insert_except('allocation', 'transaction_id');

ALTER TABLE payment_position
    ADD COLUMN on_guarantees bigint NOT NULL DEFAULT 0 CHECK (on_guarantees >= 0),
    DROP CONSTRAINT parts_sum_to_payment,
    ADD CONSTRAINT parts_sum_to_payment CHECK (
        amount = on_invoices + on_deposits + on_guarantees + credit + unallocated + refund_reserved + refunded);
GRANT UPDATE (on_guarantees) ON payment_position TO vienphi_app;

-- The money of a payer: its rest is credit of the payer. The row goes when its assignment is reverted.
CREATE TABLE guarantee_payment (
    organization_id int NOT NULL,
    payment_id uuid NOT NULL,
    payer text NOT NULL CHECK (length(payer) BETWEEN 1 AND 200),
    receipt_id uuid,
    recorded_by uuid,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, payment_id),
    FOREIGN KEY (organization_id, payment_id) REFERENCES payment (organization_id, id),
    FOREIGN KEY (organization_id, receipt_id) REFERENCES receipt (organization_id, id),
    FOREIGN KEY (organization_id, recorded_by) REFERENCES person (organization_id, id)
);
CREATE INDEX ON guarantee_payment (organization_id, payer);
SELECT vienphi_isolate_tenant('guarantee_payment');
GRANT INSERT, DELETE ON guarantee_payment TO vienphi_app;

ALTER TABLE receipt DROP CONSTRAINT receipt_purpose_check,
    ADD CONSTRAINT receipt_purpose_check
        CHECK (purpose IN ('deposit', 'invoice', 'guarantee', 'refund', 'returned_deposit', 'cash'));

-- A receivable is written off by two persons, as often as something is owed again.
ALTER TABLE approval DROP CONSTRAINT approval_kind_check,
    ADD CONSTRAINT approval_kind_check CHECK (kind IN ('tariff', 'facility_pricing', 'facility_policy', 'account_change',
        'dead_letter_closing', 'exemption', 'write_off', 'refund', 'chart', 'refund_limit', 'opening_balances',
        'exception_difference', 'guarantee_write_off'));
DROP INDEX approval_one_approved;
CREATE UNIQUE INDEX approval_one_approved ON approval (organization_id, kind, subject_id)
    WHERE state = 'approved'
        AND kind NOT IN ('account_change', 'chart', 'refund_limit', 'exception_difference', 'guarantee_write_off');

CREATE FUNCTION vienphi_guard_guarantee_write_off() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.guarantee_receivable WHERE organization_id = NEW.organization_id
            AND guarantee_id = NEW.subject_id AND owed > 0)
    THEN
        RAISE EXCEPTION 'the subject of a % cannot be proposed', NEW.kind USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guarantee_is_owed BEFORE INSERT ON approval FOR EACH ROW WHEN (NEW.kind = 'guarantee_write_off')
    EXECUTE FUNCTION vienphi_guard_guarantee_write_off();

CREATE FUNCTION vienphi_require_guarantee_write_off() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.approval WHERE organization_id = NEW.organization_id AND kind = 'guarantee_write_off'
            AND subject_id = NEW.guarantee_id AND state = 'approved')
    THEN
        RAISE EXCEPTION 'a receivable is written off by two persons' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approved_by_two BEFORE UPDATE ON guarantee_receivable FOR EACH ROW
    WHEN (NEW.written_off > OLD.written_off) EXECUTE FUNCTION vienphi_require_guarantee_write_off();
