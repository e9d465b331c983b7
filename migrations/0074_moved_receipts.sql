-- A receipt that was issued in the wrong shift is moved to another open shift. Source: docs/visit-accounts.md, Cash.

-- `moved_to` is the shift that has the receipt now, NULL: the one that issued it. The sealed columns stay as issued.
ALTER TABLE receipt ADD COLUMN moved_to uuid,
    ADD FOREIGN KEY (organization_id, moved_to) REFERENCES shift (organization_id, id);
CREATE INDEX ON receipt (organization_id, moved_to) WHERE moved_to IS NOT NULL;
GRANT UPDATE (moved_to) ON receipt TO vienphi_app;

-- Each move, by a person other than the cashier who had the receipt. Its cash is a pair of events of the two shifts.
CREATE TABLE receipt_move (
    organization_id int NOT NULL,
    id uuid NOT NULL,
    receipt_id uuid NOT NULL,
    from_shift_id uuid NOT NULL,
    to_shift_id uuid NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 3 AND 1000),
    moved_by uuid NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, receipt_id) REFERENCES receipt (organization_id, id),
    FOREIGN KEY (organization_id, from_shift_id) REFERENCES shift (organization_id, id),
    FOREIGN KEY (organization_id, to_shift_id) REFERENCES shift (organization_id, id),
    FOREIGN KEY (organization_id, moved_by) REFERENCES person (organization_id, id),
    CONSTRAINT two_shifts CHECK (from_shift_id <> to_shift_id)
);
CREATE INDEX ON receipt_move (organization_id, receipt_id);
SELECT vienphi_isolate_tenant('receipt_move');
SELECT vienphi_append_only('receipt_move');
GRANT INSERT ON receipt_move TO vienphi_app;

ALTER TABLE shift_event DROP CONSTRAINT shift_event_kind_check, ADD CONSTRAINT shift_event_kind_check CHECK (kind IN (
    'float', 'float_difference', 'collection', 'refund', 'void', 'paid_in', 'paid_out', 'rounding', 'hand_over',
    'hand_over_rejected', 'over', 'short', 'moved_in', 'moved_out'));
