"""The routes of devices, and the page that makes a browser a device; `guards.py` adds them."""

from billing.organizations.domain.rights import Right
from billing.web.operation import Route
from billing.web.screens.devices import DEVICE, DeviceHandler, device_handler, get_device, post_device
from billing.web.screens.kiosk import get_kiosk, get_slip, get_state, get_ticket, get_visit, post_find, post_ticket
from billing.web.screens.queue_display import get_queue_display


def _device_route(method: str, path: str, handler: DeviceHandler, right: Right) -> Route:
    return Route(method=method, path=path, handler=device_handler(handler, right))


DEVICE_SCREENS = (
    _device_route("GET", "/queue", get_queue_display, Right.READ_DESKS),
    _device_route("GET", "/kiosk", get_kiosk, Right.REQUEST_PAYMENT),
    _device_route("POST", "/kiosk/find", post_find, Right.REQUEST_PAYMENT),
    _device_route("GET", "/kiosk/visit", get_visit, Right.REQUEST_PAYMENT),
    _device_route("GET", "/kiosk/state", get_state, Right.REQUEST_PAYMENT),
    _device_route("GET", "/kiosk/slip", get_slip, Right.REQUEST_PAYMENT),
    _device_route("POST", "/kiosk/ticket", post_ticket, Right.REQUEST_PAYMENT),
    _device_route("GET", "/kiosk/ticket", get_ticket, Right.REQUEST_PAYMENT),
)
"""Handlers authenticate the device themselves: `device_handler` states the right."""

DEVICE_SET_UP = (
    Route(method="GET", path=DEVICE, handler=get_device),
    Route(method="POST", path=DEVICE, handler=post_device),
)
