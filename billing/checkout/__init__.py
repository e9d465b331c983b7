"""From an invoice to a way to pay it: payment intents, QR codes, the patient's page, bill inquiries of banks."""
