"""A table on disk as its readers open it: any number of times, but only in its allowed folder."""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from campaigns.audience.rows import AudienceProblem
from campaigns.opening import NotOrdinaryError, OutsideError, descriptor_inside


@dataclass(frozen=True, slots=True)
class TableFile:
    """The table at `path`, which has to lie in `folder` whenever it is opened.

    It is not a path, so that nothing can open it in another way.
    """

    path: Path
    folder: Path

    @property
    def name(self) -> str:
        return self.path.name

    def binary(self) -> BinaryIO:
        """Open it. Raises `AudienceProblem`."""
        return os.fdopen(self.descriptor(), "rb")

    def descriptor(self) -> int:
        """Like `binary`, but return the descriptor."""
        try:
            return descriptor_inside(self.path, self.folder)
        except FileNotFoundError:
            raise AudienceProblem("does not exist", "put it beside the campaign file") from None
        except NotOrdinaryError:
            if self.path.is_dir():
                raise AudienceProblem("is a folder", "name the file in it") from None
            raise AudienceProblem("is not a regular file", "copy its content into one") from None
        except OutsideError:
            problem = "is outside the folder of the campaign file"
            raise AudienceProblem(problem, "put the file beside the campaign file") from None
        except OSError as error:
            raise AudienceProblem(f"cannot be read: {error.strerror}", "check its permissions") from error

    def text(self, encoding: str, *, newline: str = "") -> TextIO:
        """Open it as text. Raises `AudienceProblem`."""
        return io.TextIOWrapper(self.binary(), encoding=encoding, newline=newline)
