"""What the landing page asks a buyer for besides the confirmation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import is_code

MAX_FIELDS = 20
MAX_ANSWER = 500


@dataclass(frozen=True, slots=True)
class LandingField:
    """One question of the publisher; ``name`` identifies the answer."""

    name: str
    label: str
    required: bool = False


def parse_fields(text: str) -> tuple[LandingField, ...]:
    """Fields from one line: ``company*=Company; po=Purchase order``; ``*`` marks a required one.

    Raises ``ValueError`` that says what is wrong.
    """
    fields: list[LandingField] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, separator, label = (piece.strip() for piece in part.partition("="))
        required = name.endswith("*")
        name = name.removesuffix("*").strip()
        if not separator or not label or not is_code(name):
            raise ValueError(f"{part!r} is not like name=Label or name*=Label")
        fields.append(LandingField(name, label[:100], required))
    if len(fields) > MAX_FIELDS or len({f.name for f in fields}) < len(fields):
        raise ValueError(f"at most {MAX_FIELDS} fields, each name once")
    return tuple(fields)


def answers_of(fields: Iterable[LandingField], form: Mapping[str, str]) -> dict[str, str]:
    """The answers to ``fields`` in a form, whatever else is in it.

    Raises ``InvalidInput`` that names every field with a missing or too long answer.
    """
    answers: dict[str, str] = {}
    faults: list[FieldError] = []
    for field in fields:
        answer = " ".join(form.get(f"field-{field.name}", "").split())
        if len(answer) > MAX_ANSWER:
            faults.append(FieldError(f"/{field.name}", f"{field.label} is too long"))
        elif answer:
            answers[field.name] = answer
        elif field.required:
            faults.append(FieldError(f"/{field.name}", f"{field.label} is missing"))
    if faults:
        raise InvalidInput("some answers are missing", faults)
    return answers
