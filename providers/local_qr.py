"""Builds the VietQR of a payment locally, for every provider that collects on our bank account."""

from providers.contract import PaymentRefused, PaymentRequest
from providers.emvqr import Particulars, QrError, VietQr, build_vietqr, check_payee


def build_local_qr(request: PaymentRequest, *, bank_bin: str, account_number: str) -> str:
    """A dynamic VietQR that pays exactly this account, read back before it is returned.

    Raises PaymentRefused if the amount or purpose is not allowed in a code, or if the built code is wrong.
    """
    try:
        payload = build_vietqr(
            VietQr(
                bank_bin=bank_bin,
                account_number=account_number,
                amount=request.amount,
                particulars=Particulars(purpose=request.purpose),
            )
        )
        check_payee(payload, bank_bin=bank_bin, account_number=account_number)
    except QrError as error:
        raise PaymentRefused(str(error)) from error
    return payload
