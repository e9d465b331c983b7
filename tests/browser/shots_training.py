"""Pages of a training organization: the stripe under the bar."""

from billing.core.actor import Role
from tests.browser.stage import Shot, Stage


async def prepare(stage: Stage) -> None:
    """The hospital becomes a training organization."""
    await stage.site.as_owner("UPDATE organization SET is_training = true")


SHOTS = (
    Shot(name="training-desk", role=Role.CASHIER, path="/desk"),
    Shot(name="training-sessions", role=Role.CASHIER, path="/my/sessions"),
    Shot(name="training-signin", role=None, path="/sign-in"),
)
