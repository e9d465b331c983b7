-- compatible-from: 0083
-- Bank references are compared in one normal form: "FT 1", "ft1" and "FT1" name one movement.
-- Source: docs/reconciliation.md, References.

-- As `normal_reference` of billing/payments/domain/reference_links.py; tests/reconciliation/store/test_normal_references.py
-- compares the two. A letter with marks is taken apart, so that the capitals of A to Z and Đ are all capitals that are
-- needed; other alphabets stay as they are.
CREATE FUNCTION vienphi_normal_reference(reference text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN octet_length(reference) = char_length(reference)
    THEN translate(upper(reference COLLATE "C"), E' \t\n\x0b\f\r\x1c\x1d\x1e\x1f', '')
    ELSE normalize(translate(upper(normalize(reference, NFKD) COLLATE "C"),
        'đ' || E' \t\n\x0b\f\r\x1c\x1d\x1e\x1f' || U&'\0085\1680\2028\2029', 'Đ'), NFKC) END;

-- Whether a text states a name as a word: slip 1 is not in "2019". Blanks and signs may divide a name of six letters and
-- digits or more differently.
CREATE FUNCTION vienphi_names(stated text, name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ' ' || regexp_replace(upper(stated), '[^0-9A-Z]+', ' ', 'g') || ' ' ~ CASE
    WHEN length(regexp_replace(upper(name), '[^0-9A-Z]+', '', 'g')) < 6
    THEN ' ' || regexp_replace(upper(name), '[^0-9A-Z]+', ' ', 'g') || ' '
    ELSE ' ' || regexp_replace(regexp_replace(upper(name), '[^0-9A-Z]+', '', 'g'), '(.)', '\1 ?', 'g') || ' ' END;

-- Set where the reference of a line is not in the normal form, which is rare; NULL where it is.
ALTER TABLE statement_line ADD COLUMN normal_reference text;

CREATE FUNCTION vienphi_set_normal_reference() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.normal_reference := nullif(vienphi_normal_reference(NEW.bank_reference), NEW.bank_reference);
    RETURN NEW;
END $$;
CREATE TRIGGER reference_is_normal BEFORE INSERT ON statement_line FOR EACH ROW
    WHEN (NEW.normal_reference IS NOT NULL OR NEW.bank_reference <> vienphi_normal_reference(NEW.bank_reference))
    EXECUTE FUNCTION vienphi_set_normal_reference();
