"""Builds the VietQR of a payment locally, for every provider that collects on our bank account."""

from providers.contract import PaymentInstruction, PaymentRefused, PaymentRequest
from providers.emvqr import Particulars, QrError, VietQr, build_vietqr, check_payee


def build_local_qr(request: PaymentRequest, *, bank_bin: str, account_number: str) -> str:
    """A VietQR that pays exactly this account, read back before it is returned; without an amount where it is 0.

    Raises PaymentRefused if the amount or purpose is not allowed in a code, or if the built code is wrong.
    """
    try:
        payload = build_vietqr(
            VietQr(
                bank_bin=bank_bin,
                account_number=account_number,
                amount=request.amount or None,
                particulars=Particulars(purpose=request.purpose),
            )
        )
        check_payee(payload, bank_bin=bank_bin, account_number=account_number)
    except QrError as error:
        raise PaymentRefused(str(error)) from error
    return payload


def local_qr_instruction(
    request: PaymentRequest, *, bank_bin: str, account_number: str, account_holder: str
) -> PaymentInstruction:
    """The instruction with a VietQR that pays exactly this account. Raises PaymentRefused."""
    return PaymentInstruction(
        qr_payload=build_local_qr(request, bank_bin=bank_bin, account_number=account_number),
        bank_bin=bank_bin,
        account_number=account_number,
        account_holder=account_holder,
    )
