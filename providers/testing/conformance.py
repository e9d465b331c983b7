"""The conformance suite: the behaviour that the contract demands of every provider, as tests to inherit.

    class TestMyProvider(ProviderConformance):
        provider = MyProvider
        settings = {"merchant": "M1", "secrets": "a-secret-of-the-tests"}
        fields = MessageFields(amount="amount", status="status", ...)
        max_age = None

        def message(self, payment): ...           # the provider's message about a payment
        def sign(self, settings, body, at): ...   # its delivery, signed as the provider signs it

The tests are plain functions that run their own event loop; they need pytest only. A test of an ability that the
provider lacks is skipped. docs/adding-a-provider.md explains each definition. Source: docs/design.md §7.
"""

from providers.testing.messages import MessageChecks
from providers.testing.payments import PaymentChecks, SettingsChecks
from providers.testing.queries import QueryChecks
from providers.testing.samples import (
    AMOUNT,
    NOW,
    OTHER_REFERENCE,
    REFERENCE,
    MessageFields,
    SamplePayment,
    build_request,
    post,
)
from providers.testing.signatures import SignatureChecks

__all__ = [
    "AMOUNT",
    "NOW",
    "OTHER_REFERENCE",
    "REFERENCE",
    "MessageFields",
    "ProviderConformance",
    "SamplePayment",
    "build_request",
    "post",
]


class ProviderConformance(SettingsChecks, SignatureChecks, MessageChecks, PaymentChecks, QueryChecks):
    """Inherit it and supply the definitions of ConformanceBase; override a test only with a stated reason."""
