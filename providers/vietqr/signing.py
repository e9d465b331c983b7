"""Authentication of calls to vietqr.vn: Basic for a token, and MD5 checksums.

The vendor's checksums do not authenticate: a party that has seen one can forge more. TLS and the token protect a call.
Source: vietqr.vn, API document, check order and refund.
"""

import base64
import hashlib


def basic_authorization(username: str, password: str) -> str:
    """The value of the header that fetches a token (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def check_order_checksum(*, bank_account: str, username: str) -> str:
    """MD5 of account and user name, lower-case hex."""
    return _md5(bank_account + username)


def refund_checksum(*, secret_key: str, reference_number: str, amount: str, bank_account: str) -> str:
    """MD5 of secret, bank reference, amount and account, lower-case hex."""
    return _md5(secret_key + reference_number + amount + bank_account)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()
