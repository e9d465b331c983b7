"""VNPAY: a gateway with cards, bank accounts and VNPAY-QR."""
