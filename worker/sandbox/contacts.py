"""The contact lists that a sandbox starts with, and how clients change them."""

from dataclasses import dataclass, replace
from typing import Final

from worker.sandbox.errors import ApiError

STARTING_LISTS: Final = {
    # Numbers that regulators reserve for fiction: Ofcom's +44 7700 900xxx and the North American 555-01xx.
    1: (("+447700900101", "Ada"), ("+447700900102", "Ben"), ("+447700900103", "Cleo")),
    2: (("+12025550143", "Dora"), ("+12025550178", "Emil")),
}


@dataclass(frozen=True, slots=True)
class Contact:
    """One entry of a contact list."""

    id: int
    list_id: int
    number: str
    name: str
    subscribed: bool = True


class Contacts:
    """All lists, by list id and number. Changes live as long as the process: the ledger records only messages."""

    def __init__(self) -> None:
        self._last_id = 0
        self._lists: dict[int, dict[str, Contact]] = {list_id: {} for list_id in STARTING_LISTS}
        for list_id, entries in STARTING_LISTS.items():
            for number, name in entries:
                self.add(list_id, number, name, resubscribe=False)

    def subscribed(self, list_id: int) -> tuple[Contact, ...]:
        """Return the contacts that get a text sent to the list. Raises `ApiError` if there is no such list."""
        return tuple(contact for contact in self._list(list_id).values() if contact.subscribed)

    def add(self, list_id: int, number: str, name: str, *, resubscribe: bool) -> Contact:
        """Add a contact, or subscribe a known one again. Raises `ApiError` if it exists and may not be subscribed."""
        entries = self._list(list_id)
        known = entries.get(number)
        if known is None:
            self._last_id += 1
            contact = Contact(self._last_id, list_id, number, name)
        elif resubscribe:
            contact = replace(known, name=name or known.name, subscribed=True)
        else:
            raise ApiError(500, "This contact already exists in the contacts list.")
        entries[number] = contact
        return contact

    def unsubscribe(self, list_id: int, number: str) -> Contact:
        """Unsubscribe a contact. Raises `ApiError` if it is not there or is already unsubscribed."""
        entries = self._list(list_id)
        known = entries.get(number)
        if known is None:
            raise ApiError(500, "This contact doesn't exist in the contacts list.")
        if not known.subscribed:
            raise ApiError(500, "This contact is already unsubscribed.")
        entries[number] = replace(known, subscribed=False)
        return entries[number]

    def _list(self, list_id: int) -> dict[str, Contact]:
        entries = self._lists.get(list_id)
        if entries is None:
            raise ApiError(500, "This contacts list doesn't exist.")
        return entries
