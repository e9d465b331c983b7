"""Messages of the sandbox bank about movements for which a test has scanned no code."""

from datetime import datetime

from providers.sandbox.message import SandboxMessage, SandboxPayer, SandboxSettings

PAYER = SandboxPayer(name="NGUYEN VAN THU", account="0123456789")


def bank_message(
    settings: SandboxSettings, transaction: str, amount: int, content: str, *, at: datetime, **changes: object
) -> SandboxMessage:
    """A transfer to the account of the settings; a change named after a field of the message changes it."""
    fields: dict[str, object] = {
        "transaction_id": transaction,
        "bank_reference": f"FT{transaction}",
        "merchant_id": settings.merchant_id,
        "account_number": settings.account_number,
        "amount": amount,
        "status": "SUCCEEDED",
        "direction": "credit",
        "content": content,
        "occurred_at": at.replace(microsecond=0),
    }
    return SandboxMessage.model_validate(fields | changes)
