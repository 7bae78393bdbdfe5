"""The alerts there are, and what receivers have been told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prony.types import Alert, AlertDelivery

__all__ = ["Alerts"]


class Alerts(list["Alert"]):
    """The alerts that are pending, fire, or were resolved of late."""

    deliveries: list[AlertDelivery]
    """Who has been told of what, and whom it could not be told; nothing of those that have been
    told all there is."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["items"])
        self.deliveries = answer.get("deliveries", [])
