"""Lists of the API: filters and pages over visits, invoices, intents and payments."""
