"""What the options of every question have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Asking(BaseModel):
    """Flat and typed; an unknown option is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def key(self) -> dict[str, Any]:
        """Return all that tells one answer from another."""
        return self.model_dump(mode="json")
