-- Final bills: guarantees of payers, exemptions, corrections of invoices, reopenings, line refunds and debts. Source:
-- docs/design.md §2, Correction, Final bill; docs/visit-accounts.md, Final bill; reference/hospital-money.md C-002, C-007.

-- A payer undertakes to pay for the patient up to a limit (bảo lãnh). The patient's amount falls when it is confirmed;
-- payers pay in the order of `position`. `confirmed_amount` may be lower than the limit.
CREATE TABLE guarantee (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    payer text NOT NULL CHECK (length(payer) BETWEEN 1 AND 200),
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 100),
    limit_amount bigint NOT NULL CHECK (limit_amount > 0),
    valid_until date,
    confirmed_amount bigint NOT NULL DEFAULT 0,
    position int NOT NULL CHECK (position > 0),
    state text NOT NULL CHECK (state IN ('requested', 'confirmed', 'rejected', 'withdrawn', 'expired')),
    version int NOT NULL CHECK (version > 0),
    created_by uuid,
    created_at timestamptz NOT NULL,
    changed_by uuid,
    changed_at timestamptz NOT NULL,
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 1000),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, visit_id, position),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id),
    FOREIGN KEY (organization_id, created_by) REFERENCES person (organization_id, id),
    FOREIGN KEY (organization_id, changed_by) REFERENCES person (organization_id, id),
    CONSTRAINT confirmed_is_within_limit CHECK (confirmed_amount BETWEEN 0 AND limit_amount),
    CONSTRAINT confirmed_has_amount CHECK ((state = 'confirmed') <= (confirmed_amount > 0))
);
CREATE UNIQUE INDEX guarantee_one_active_reference ON guarantee (organization_id, visit_id, payer, reference)
    WHERE state IN ('requested', 'confirmed');
CREATE INDEX guarantee_requested ON guarantee (organization_id, valid_until) WHERE state = 'requested';
SELECT vienphi_guard_states('guarantee', ARRAY['requested'], ARRAY[
    'requested>confirmed', 'requested>rejected', 'requested>withdrawn', 'requested>expired', 'confirmed>withdrawn',
    'confirmed>expired']);
SELECT vienphi_isolate_tenant('guarantee');
SELECT vienphi_grant_insert_except('guarantee', 'confirmed_amount');
GRANT UPDATE (confirmed_amount, state, version, changed_by, changed_at, reason) ON guarantee TO vienphi_app;

-- An exemption (miễn giảm) by decision of two persons, at the expense of a fund. It lowers what the patient owes at the
-- final bill, never the base of the insurer.
CREATE TABLE exemption (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    fund text NOT NULL CHECK (fund ~ '^[a-z0-9][a-z0-9_]{0,39}$'),
    amount bigint NOT NULL CHECK (amount > 0),
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    state text NOT NULL CHECK (state IN ('proposed', 'approved', 'rejected')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id)
);
CREATE INDEX ON exemption (organization_id, visit_id);
SELECT vienphi_guard_states('exemption', ARRAY['proposed'], ARRAY['proposed>approved', 'proposed>rejected']);
SELECT vienphi_isolate_tenant('exemption');
GRANT INSERT, UPDATE (state) ON exemption TO vienphi_app;

-- One closing of a visit account, in đồng, for the visit as a whole. `guaranteed` and `exempted` are the parts of the
-- patient share that guarantors pay and funds bear; `owed` is still owed, `released` is the surplus that became credit.
CREATE TABLE final_bill (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    number int NOT NULL CHECK (number > 0),
    account_version int NOT NULL CHECK (account_version > 0),
    visit_version int NOT NULL CHECK (visit_version > 0),
    invoice_id uuid,
    patient_share bigint NOT NULL CHECK (patient_share >= 0),
    other_share bigint NOT NULL CHECK (other_share >= 0),
    insurer_share bigint NOT NULL CHECK (insurer_share >= 0),
    private_share bigint NOT NULL CHECK (private_share >= 0),
    guaranteed bigint NOT NULL CHECK (guaranteed >= 0),
    exempted bigint NOT NULL CHECK (exempted >= 0),
    written_off bigint NOT NULL CHECK (written_off >= 0),
    paid bigint NOT NULL CHECK (paid >= 0),
    owed bigint NOT NULL CHECK (owed >= 0),
    released bigint NOT NULL CHECK (released >= 0),
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    recorded_at timestamptz NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, visit_id, number),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    CONSTRAINT share_is_borne CHECK (patient_share = guaranteed + exempted + written_off + paid + owed)
);
SELECT vienphi_isolate_tenant('final_bill');
SELECT vienphi_append_only('final_bill');
SELECT vienphi_grant_insert_except('final_bill', 'transaction_id');

-- A visit is opened again after a final bill, with a reason; each final bill is reopened at most once.
CREATE TABLE visit_reopening (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    final_bill_id uuid NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, final_bill_id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id),
    FOREIGN KEY (organization_id, final_bill_id) REFERENCES final_bill (organization_id, id)
);
CREATE INDEX ON visit_reopening (organization_id, visit_id);
SELECT vienphi_isolate_tenant('visit_reopening');
SELECT vienphi_append_only('visit_reopening');
GRANT INSERT ON visit_reopening TO vienphi_app;

-- Money that a patient owes when the visit closes (nợ viện phí), by agreement with a person who is liable for it.
CREATE TABLE debt (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    due_on date NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    state text NOT NULL CHECK (state IN ('agreed', 'withdrawn', 'written_off')),
    written_off bigint NOT NULL DEFAULT 0 CHECK (written_off >= 0),
    created_by uuid,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, visit_id) REFERENCES visit_account (organization_id, visit_id),
    FOREIGN KEY (organization_id, created_by) REFERENCES person (organization_id, id),
    CONSTRAINT written_off_has_amount CHECK ((state = 'written_off') = (written_off > 0))
);
CREATE UNIQUE INDEX debt_one_agreed ON debt (organization_id, visit_id) WHERE state = 'agreed';
CREATE INDEX ON debt (organization_id, due_on);
SELECT vienphi_guard_states('debt', ARRAY['agreed'], ARRAY['agreed>withdrawn', 'agreed>written_off']);
SELECT vienphi_isolate_tenant('debt');
SELECT vienphi_grant_insert_except('debt', 'written_off');
GRANT UPDATE (state, written_off) ON debt TO vienphi_app;

-- Who is liable for a debt: name, relation, citizen number, phone and address.
CREATE TABLE debt_guarantor (
    organization_id int NOT NULL,
    debt_id uuid NOT NULL,
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
    PRIMARY KEY (organization_id, debt_id),
    FOREIGN KEY (organization_id, debt_id) REFERENCES debt (organization_id, id)
);
SELECT vienphi_isolate_tenant('debt_guarantor', is_personal => true);
GRANT INSERT, DELETE ON debt_guarantor TO vienphi_app;

-- A signed change of an issued invoice, for each payer. `price` changes the shares, with lines; `guarantee`, `exemption`
-- and `write_off` move a part of the patient share to the guarantor, a fund or the cost of bad debts, and a positive
-- amount takes it back. invoice.corrections is the sum of `patient`.
CREATE TABLE correction (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    final_bill_id uuid,
    kind text NOT NULL CHECK (kind IN ('price', 'guarantee', 'exemption', 'write_off')),
    guarantee_id uuid,
    exemption_id uuid,
    debt_id uuid,
    patient bigint NOT NULL,
    other bigint NOT NULL DEFAULT 0,
    insurer bigint NOT NULL DEFAULT 0,
    private bigint NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT vienphi_transaction_id(),
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoice (organization_id, id),
    FOREIGN KEY (organization_id, final_bill_id) REFERENCES final_bill (organization_id, id) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (organization_id, guarantee_id) REFERENCES guarantee (organization_id, id),
    FOREIGN KEY (organization_id, exemption_id) REFERENCES exemption (organization_id, id),
    FOREIGN KEY (organization_id, debt_id) REFERENCES debt (organization_id, id),
    CONSTRAINT changes_something CHECK (patient <> 0 OR other <> 0 OR insurer <> 0 OR private <> 0),
    CONSTRAINT only_a_price_changes_other_payers CHECK (
        kind = 'price' OR (other = 0 AND insurer = 0 AND private = 0)),
    CONSTRAINT names_its_source CHECK (
        (kind = 'guarantee') = (guarantee_id IS NOT NULL) AND (kind = 'exemption') = (exemption_id IS NOT NULL)
        AND (kind = 'write_off') = (debt_id IS NOT NULL))
);
CREATE INDEX ON correction (organization_id, invoice_id);
CREATE INDEX ON correction (organization_id, transaction_id);
SELECT vienphi_isolate_tenant('correction');
SELECT vienphi_append_only('correction');
SELECT vienphi_grant_insert_except('correction', 'transaction_id');

-- The change of each line of the visit, signed, in two decimals: from the former price of the visit to the new one.
CREATE TABLE correction_line (
    organization_id int NOT NULL,
    correction_id uuid NOT NULL,
    source_table text NOT NULL CHECK (source_table IN ('XML2', 'XML3')),
    stt int NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    quantity numeric NOT NULL,
    hospital_amount numeric(17, 2) NOT NULL,
    insured_amount numeric(17, 2) NOT NULL,
    self_pay numeric(17, 2) NOT NULL,
    copay numeric(17, 2) NOT NULL,
    fund numeric(17, 2) NOT NULL,
    other_funds numeric(17, 2) NOT NULL,
    PRIMARY KEY (organization_id, correction_id, source_table, stt),
    FOREIGN KEY (organization_id, correction_id) REFERENCES correction (organization_id, id),
    CONSTRAINT parts_sum_to_line CHECK (self_pay + copay + fund + other_funds = hospital_amount)
);
SELECT vienphi_isolate_tenant('correction_line');
SELECT vienphi_append_only('correction_line');
GRANT INSERT ON correction_line TO vienphi_app;

-- The room states that an ordered service was not performed; its charge is cancelled (hoàn thu dịch vụ). `freed` is the
-- part of the patient share that the new price no longer needs.
CREATE TABLE line_refund (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    visit_id uuid NOT NULL,
    line text NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    room_confirmation text NOT NULL CHECK (length(room_confirmation) BETWEEN 1 AND 200),
    freed bigint NOT NULL CHECK (freed >= 0),
    released bigint NOT NULL CHECK (released BETWEEN 0 AND freed),
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'key', 'provider', 'system')),
    actor_id uuid,
    acting_for uuid,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, visit_id, line),
    FOREIGN KEY (organization_id, visit_id, line) REFERENCES charge_item (organization_id, visit_id, line)
);
SELECT vienphi_isolate_tenant('line_refund');
SELECT vienphi_append_only('line_refund');
GRANT INSERT ON line_refund TO vienphi_app;

-- A version of a visit may come from its account at the final bill.
ALTER TABLE visit_version DROP CONSTRAINT visit_version_source_check,
    ADD CONSTRAINT visit_version_source_check CHECK (source IN ('json', 'xml130', 'account'));

-- Exemptions and write-offs are decided by two persons.
ALTER TABLE approval DROP CONSTRAINT approval_kind_check,
    ADD CONSTRAINT approval_kind_check CHECK (kind IN ('tariff', 'facility_pricing', 'facility_policy', 'account_change',
        'dead_letter_closing', 'exemption', 'write_off'));

CREATE FUNCTION vienphi_require_approval() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.approval
        WHERE organization_id = NEW.organization_id AND kind = TG_ARGV[0] AND subject_id = NEW.id AND state = 'approved'
    ) THEN
        RAISE EXCEPTION '%: % is approved by two persons', TG_TABLE_NAME, TG_ARGV[0]
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approved_by_two BEFORE UPDATE ON exemption FOR EACH ROW
    WHEN (OLD.state <> 'approved' AND NEW.state = 'approved') EXECUTE FUNCTION vienphi_require_approval('exemption');
CREATE TRIGGER approved_by_two BEFORE UPDATE ON debt FOR EACH ROW
    WHEN (OLD.state <> 'written_off' AND NEW.state = 'written_off')
    EXECUTE FUNCTION vienphi_require_approval('write_off');

CREATE OR REPLACE FUNCTION vienphi_guard_proposal() RETURNS trigger
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
        WHEN 'exemption' THEN EXISTS (
            SELECT FROM public.exemption WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
                AND state = 'proposed')
        WHEN 'write_off' THEN EXISTS (
            SELECT FROM public.debt WHERE organization_id = NEW.organization_id AND id = NEW.subject_id
                AND state = 'agreed')
    END;
BEGIN
    IF NOT is_complete THEN
        RAISE EXCEPTION 'the subject of a % cannot be proposed', NEW.kind USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
