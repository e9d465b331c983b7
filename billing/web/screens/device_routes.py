"""The routes of devices, and the page that makes a browser a device; `guards.py` adds them."""

from billing.organizations.domain.rights import Right
from billing.web.operation import Route
from billing.web.screens.devices import DEVICE, device_handler, get_device, post_device
from billing.web.screens.queue_display import get_queue_display

DEVICE_SCREENS = (Route(method="GET", path="/queue", handler=device_handler(get_queue_display, Right.READ_DESKS)),)
"""Handlers authenticate the device themselves: `device_handler` states the right."""

DEVICE_SET_UP = (
    Route(method="GET", path=DEVICE, handler=get_device),
    Route(method="POST", path=DEVICE, handler=post_device),
)
