"""The code of a payment made here, with nobody asked: what every provider on a bank account of ours shows."""

from providers.contract import PaymentRefused, PaymentRequest
from providers.emvqr import Particulars, QrError, VietQr, build_vietqr, check_payee


def build_local_qr(request: PaymentRequest, *, bank_bin: str, account_number: str) -> str:
    """A dynamic VietQR that pays exactly this account, read back before it is given out.

    Raises PaymentRefused where the amount or purpose cannot stand in a code, or the code came out wrong.
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
