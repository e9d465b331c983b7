"""Collects invoices: payment intents, QR codes, the payment page, bill inquiries of banks."""
