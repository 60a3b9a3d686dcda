"""What every section of a configuration is, and how it names a network."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen, strict section: no unknown keys, no conversion between types, finite numbers."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class ComponentConfig(BaseModel):
    """A network chosen by name; the other keys are the keyword-only arguments of its class."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    name: str

    @property
    def options(self) -> dict[str, int | float | bool | str | None]:
        return dict(self.model_extra or {})
