"""Types of the values that keys of the configuration and options of networks take."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from im2mesh.config.times import check_schedule, exact_list

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]

Split = Annotated[str, BeforeValidator(lambda name: "all" if name is None else name)]
Times = Annotated[list[Fraction], BeforeValidator(exact_list), AfterValidator(check_schedule)]
