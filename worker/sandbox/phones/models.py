"""The sandbox's phones that do not work at the moment: switched off, or failing whatever they are given."""

from dataclasses import dataclass
from enum import StrEnum

from worker.sandbox.errors import ApiError
from worker.sandbox.forms import whole_number
from worker.sandbox.phones.life import RESULT_GENERIC_FAILURE
from worker.sandbox.targets import DEVICES


class PhoneState(StrEnum):
    """The state of a phone. Unsent texts wait while it is off, and continue when it is on again."""

    ON = "on"
    OFF = "off"
    FAILING = "failing"  # texts that it is given from now on fail with a result code


@dataclass(frozen=True, slots=True)
class PhoneChange:
    """A change of one phone's state."""

    device: int
    state: PhoneState
    result_code: int = RESULT_GENERIC_FAILURE

    @classmethod
    def from_fields(cls, fields: dict[str, str]) -> "PhoneChange":
        """Read the form fields `device`, `state` and, for a failing phone, `code`. Raises `ApiError` for all else."""
        device = whole_number(fields.get("device", ""))
        code = whole_number(fields.get("code", "") or str(RESULT_GENERIC_FAILURE))
        if device is None or device not in DEVICES or code is None or fields.get("state") not in set(PhoneState):
            raise ApiError(400, "Name a `device` that exists, a `state` (on, off or failing) and perhaps a `code`.")
        return cls(device, PhoneState(fields["state"]), code)
