-- Rows that an organization has left in a cell may be deleted there: `vienphi organization clear`.
-- Source: docs/decisions/0025-cells.md.

-- Facts of the state `left`: when the deletion of the rows began, and when none was left. Only then may the organization
-- arrive here again.
ALTER TABLE organization_move
    ADD COLUMN clearing_at timestamptz,
    ADD COLUMN cleared_at timestamptz,
    ADD CHECK (clearing_at IS NULL OR state = 'left'),
    ADD CHECK (cleared_at IS NULL OR clearing_at IS NOT NULL);

DROP TRIGGER state_is_first ON organization_move;
DROP TRIGGER state_transition ON organization_move;
SELECT vienphi_guard_states('organization_move', ARRAY['leaving', 'arriving'], ARRAY[
    'leaving>left', 'arriving>ready', 'ready>arriving', 'ready>arrived', 'arrived>leaving', 'left>arriving']);
CREATE TRIGGER rows_are_cleared BEFORE UPDATE ON organization_move FOR EACH ROW
    WHEN (OLD.state = 'left' AND NEW.state <> 'left' AND OLD.cleared_at IS NULL)
    EXECUTE FUNCTION vienphi_reject_row('the rows that the organization has left here are cleared first');
