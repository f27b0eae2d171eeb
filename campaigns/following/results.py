"""What a phone reported when it sent a text: Android's result codes in words, what to do, and what they prove.

The numbers are the public constants of Android's `SmsManager` (`RESULT_ERROR_*`, `RESULT_*`; from 100 on
`RESULT_RIL_*`: the answer of the radio). A code is a proof if Android documents it as a reason why nothing was handed
to the network, or as a refusal by the network. A text that "failed" without a reason may have arrived all the same: the
network's confirmation may have been lost on its way back. The first segments of a longer text may have arrived: a
fragment, never the whole text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Result:
    """One result code: what happened, what a person can do, and whether it proves that the text was not sent."""

    words: str
    advice: str
    is_proof: bool = True


OK: Final = -1
LIMIT_EXCEEDED: Final = 5

_SIGNAL: Final = "check where the phone is: it has no connection to its network"
_RADIO: Final = "turn off flight mode; restart the phone if that does not help"
_RESTART: Final = "restart the phone; if it happens again, check whether the SIM sends a text typed by hand"
_PERMISSION: Final = "allow the gateway's app on this phone to send texts"
_NUMBER: Final = "check the number: the phone or its carrier does not allow texts to it"
_TEXT: Final = "send the text from another phone: this one cannot encode it"
_CENTRE: Final = "set the number of the SMS centre in the phone's settings, or reinsert the SIM"
_PACE: Final = "nothing: this phone is slowed down automatically; more phones or a lower rate solve it for good"
_CARRIER: Final = "ask the carrier of the SIM: credit, contract or a block"
_UNCLEAR: Final = "ask the person, or look on the phone, before it is sent again"

RESULTS: Final[Mapping[int, Result]] = {
    OK: Result("ok", "nothing", is_proof=False),
    0: Result("no error", "nothing", is_proof=False),
    # Android's code for every cause that it does not distinguish, including a lost answer of the network.
    1: Result("generic failure of the phone", _UNCLEAR, is_proof=False),
    2: Result("the phone's radio is off (flight mode)", _RADIO),
    3: Result("the phone could not encode the text", _TEXT),
    4: Result("the phone has no service", _SIGNAL),
    LIMIT_EXCEEDED: Result("the phone's limit of texts is exceeded", _PACE),
    6: Result("the SIM may only text its fixed numbers", "switch fixed dialling (FDN) off on this SIM"),
    7: Result("a text to a short code was not confirmed on the phone", _NUMBER),
    8: Result("the phone never sends to this short code", _NUMBER),
    9: Result("the phone's radio is not available", _RADIO),
    10: Result("the network rejected it", _CARRIER),
    11: Result("the phone did not accept the request", _RESTART),
    12: Result("the phone's radio was not ready to send", _RESTART),
    13: Result("the phone has no memory left", _RESTART),
    14: Result("the phone does not accept the format of the text", _TEXT),
    # The radio, the network or the app broke down at an unknown moment: perhaps after the text had left.
    15: Result("a system error of the phone", _RESTART, is_proof=False),
    16: Result("an error of the phone's modem", _RESTART, is_proof=False),
    17: Result("an error of the network", _UNCLEAR, is_proof=False),
    18: Result("the phone could not encode the text", _TEXT),
    19: Result("the number of the SMS centre is wrong", _CENTRE),
    20: Result("the phone is not allowed to send texts", _PERMISSION),
    21: Result("an internal error of the phone", _RESTART, is_proof=False),
    22: Result("the phone has no resources left", _RESTART),
    23: Result("sending was cancelled on the phone", _UNCLEAR, is_proof=False),
    24: Result("the phone's radio cannot do this", _RESTART),
    28: Result("the phone stopped sending after an unexpected event", _UNCLEAR, is_proof=False),
    29: Result("no texts during an emergency call", "wait for the end of the call"),
    30: Result("the phone could not send it, even when it tried again", _UNCLEAR, is_proof=False),
    31: Result("the phone's telephone service broke down", _RESTART, is_proof=False),
    32: Result("the phone has no app for texts", "choose the app for texts in the phone's settings"),
    33: Result("the phone's user is not allowed to send texts", _PERMISSION),
    100: Result("the phone's radio is not available", _RADIO),
    101: Result("the radio asked to try again", _UNCLEAR, is_proof=False),
    102: Result("the network rejected it", _CARRIER),
    103: Result("the phone's radio was not ready to send", _RESTART),
    104: Result("the radio did not accept the request", _RESTART),
    105: Result("the radio has no memory left", _RESTART),
    106: Result("the radio's limit of texts is exceeded", _PACE),
    107: Result("the radio does not accept the format of the text", _TEXT),
    108: Result("a system error of the radio", _RESTART, is_proof=False),
    109: Result("the radio could not encode the text", _TEXT),
    110: Result("the number of the SMS centre is wrong", _CENTRE),
    111: Result("an error of the phone's modem", _RESTART, is_proof=False),
    112: Result("an error of the network", _UNCLEAR, is_proof=False),
    113: Result("an internal error of the radio", _RESTART, is_proof=False),
    114: Result("the radio cannot do this", _RESTART),
    115: Result("the phone's modem was not ready to send", _RESTART),
    116: Result("the network is not ready", _SIGNAL),
    117: Result("the radio is not allowed to send", _CARRIER),
    118: Result("the radio has no resources left", _RESTART),
    119: Result("sending was cancelled by the radio", _UNCLEAR, is_proof=False),
    120: Result("there is no SIM in the phone", "insert the SIM"),
    121: Result("no texts during a call on this network", "nothing: it works after the call"),
    122: Result("the carrier bars the SIM from sending", _CARRIER),
    123: Result("no texts during a call", "nothing: it works after the call"),
    124: Result("an error of the radio", _UNCLEAR, is_proof=False),
}
"""By Android's number. A code that is not listed proves nothing."""

PROVEN_NOT_SENT: Final = frozenset(code for code, result in RESULTS.items() if result.is_proof)
"""Codes after which the same text may be sent again without anybody getting it twice."""


def result_words(code: int | None) -> str:
    """Return Android's result code in words; empty if there is none."""
    if code is None:
        return ""
    known = RESULTS.get(code)
    return known.words if known else f"the phone's result code {code}"


def result_advice(code: int | None) -> str:
    """Return what a person can do about a text that failed with this code."""
    known = None if code is None else RESULTS.get(code)
    return known.advice if known else _UNCLEAR
