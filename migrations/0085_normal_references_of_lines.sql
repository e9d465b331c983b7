-- compatible-from: 0083
-- The lines that were imported before 0084, in a transaction of its own: the table is read and written meanwhile.
DO $$
DECLARE
    own text := current_setting('vienphi.organization', true);
    organization int;
BEGIN
    FOR organization IN SELECT vienphi_organizations() LOOP
        PERFORM set_config('vienphi.organization', organization::text, true);
        UPDATE statement_line SET normal_reference = vienphi_normal_reference(bank_reference)
        WHERE organization_id = organization AND normal_reference IS NULL
            AND bank_reference <> vienphi_normal_reference(bank_reference);
    END LOOP;
    PERFORM set_config('vienphi.organization', coalesce(own, ''), true);
END $$;
