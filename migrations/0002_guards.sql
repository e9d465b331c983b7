-- Guards of states and decisions: triggers that enforce the rules of the domain, whoever writes. The condition of a
-- trigger is evaluated without a call, so an allowed row costs less than a microsecond. Source: docs/design.md §2, §4.

CREATE FUNCTION vienphi_reject_state() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        RAISE EXCEPTION 'a row of % is not created as %', TG_TABLE_NAME, NEW.state USING ERRCODE = 'restrict_violation';
    END IF;
    RAISE EXCEPTION '%: % does not become %', TG_TABLE_NAME, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
END $$;

-- TG_ARGV[0] states the rule.
CREATE FUNCTION vienphi_reject_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;

-- Guards the column `state` of a table: `first_states` for new rows, `transitions` as 'from>to'.
CREATE FUNCTION vienphi_guard_states(guarded regclass, first_states text[], transitions text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER state_is_first BEFORE INSERT ON %s FOR EACH ROW '
        'WHEN (NEW.state <> ALL (%L::text[])) EXECUTE FUNCTION public.vienphi_reject_state()', guarded, first_states);
    EXECUTE format(
        'CREATE TRIGGER state_transition BEFORE UPDATE ON %s FOR EACH ROW '
        'WHEN (OLD.state <> NEW.state AND OLD.state || ''>'' || NEW.state <> ALL (%L::text[])) '
        'EXECUTE FUNCTION public.vienphi_reject_state()', guarded, transitions);
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_guard_states(regclass, text[], text[]) FROM PUBLIC;

-- Guards columns that are NULL in a new row and are set once: a revocation, a release, an approval.
CREATE FUNCTION vienphi_guard_once(guarded regclass, VARIADIC guarded_columns name[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER set_later BEFORE INSERT ON %s FOR EACH ROW WHEN (num_nonnulls(%s) > 0) '
        'EXECUTE FUNCTION public.vienphi_reject_row(%L)', guarded,
        (SELECT string_agg(format('NEW.%I', name), ', ') FROM unnest(guarded_columns) AS name),
        'a new row has no ' || array_to_string(guarded_columns, ', ') || ' yet');
    EXECUTE format(
        'CREATE TRIGGER set_once BEFORE UPDATE ON %s FOR EACH ROW WHEN (%s) '
        'EXECUTE FUNCTION public.vienphi_reject_row(%L)', guarded,
        (SELECT string_agg(format('OLD.%1$I IS NOT NULL AND NEW.%1$I IS DISTINCT FROM OLD.%1$I', name), ' OR ')
         FROM unnest(guarded_columns) AS name),
        array_to_string(guarded_columns, ', ') || ' is set once');
END $$;
REVOKE EXECUTE ON FUNCTION vienphi_guard_once(regclass, name[]) FROM PUBLIC;
