"""Error messages for the operator when the schema rejects a set-up, by constraint."""

ONE_MERCHANT = (
    "an account has this contract with the provider already (the same merchant, terminal, application or secret), here"
    " or for another organization; its money would be booked twice"
)

TAKEN = {
    "organization_pkey": "an organization of this number exists; take another --id",
    "organization_tax_code_key": "an organization of this tax code exists; vienphi organization list shows it",
    "facility_organization_id_code_key": "this organization has a facility of this code",
    "bank_account_owner_pkey": (
        "this bank account is known under another holder, here or for another organization; write the holder as it was"
        " written first, or take the account of this organization"
    ),
    "bank_account_organization_id_bank_bin_account_number_key": (
        "this bank account is known under another holder; write the holder as it was written first"
    ),
    "provider_account_organization_id_name_key": (
        "this organization has a provider account of this name; take another --name, or use vienphi account change"
    ),
    "provider_account_one_merchant": ONE_MERCHANT,
}
"""Messages for existing items, by constraint."""

MALFORMED = {
    "organization_name_check": "--name: empty; write the name of the legal unit",
    "organization_help_phone_check": "--help-phone: at most 30 digits, spaces and + . ( ) - are a phone",
    "facility_code_check": "--facility-code: a MA_CSKCB code is five digits or capitals",
    "bank_account_owner_bank_bin_check": "--bank-bin: six digits are a bank's BIN",
    "bank_account_owner_account_number_check": "--account-number: up to 19 letters and digits, without spaces",
    "training_uses_simulator": "--provider: a training organization has accounts at the bank simulator only (sandbox)",
    "provider_account_name_check": "--name: small letters, digits and hyphens, at most 40, a letter or digit first",
}
"""Messages for invalid values, by constraint."""
