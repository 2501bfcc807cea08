"""The body of a return request as other systems send it."""

from typing import Annotated

from pydantic import AfterValidator, Field

from orders.api.requests import Reason
from orders.intake.document import Code, Document, clean
from returns.status import ReturnKind

RequestId = Annotated[str, AfterValidator(clean), Field(max_length=120)]
Kind = Annotated[str, Field(json_schema_extra={"enum": list(ReturnKind.values)})]


class ReturnLineDocument(Document):
    """Units of one order line, named by its position in the order."""

    position: int = Field(ge=1, le=32_000)
    quantity: int = Field(ge=1, le=100_000)


class ReturnDocument(Document):
    """Which delivered goods of which order, and why; `request_id` makes repeating it safe."""

    order: Code
    kind: Kind
    reason: Reason
    lines: list[ReturnLineDocument] = Field(min_length=1, max_length=200)
    request_id: RequestId = ""
