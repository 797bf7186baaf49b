"""Which fault strikes which request, without HTTP."""

import pytest

from local.marketplace.faults import Fault, FaultKind, Faults, Target

PATH = "POST /api/batchUsageEvent"


def struck(faults: Faults, times: int, text: str = PATH) -> list[bool]:
    """Whether each of some requests meets a fault."""
    return [faults.draw(Target.METERING, text) is not None for _ in range(times)]


def test_count_and_skip() -> None:
    faults = Faults(1)
    rule = Fault(kind=FaultKind.THROTTLE, target=Target.METERING, count=2, skip=1)
    faults.add(rule)
    assert struck(faults, 5) == [False, True, True, False, False]
    assert faults.rules() == []


def test_without_count_there_is_no_end() -> None:
    faults = Faults(1)
    faults.add(Fault(kind=FaultKind.THROTTLE, target=Target.METERING, count=None))
    assert all(struck(faults, 50))
    (rule,) = faults.rules()
    assert rule.struck == 50


def test_the_oldest_rule_that_fits_strikes() -> None:
    faults = Faults(1)
    for kind, match in ((FaultKind.THROTTLE, "usageEvents"), (FaultKind.DROP_AFTER, "batch")):
        faults.add(Fault(kind=kind, target=Target.METERING, match=match))
    faults.add(Fault(kind=FaultKind.FORBIDDEN, target=Target.METERING))
    kinds = [fault.kind for _ in range(2) if (fault := faults.draw(Target.METERING, PATH))]
    assert kinds == [FaultKind.DROP_AFTER, FaultKind.FORBIDDEN]
    assert faults.draw(Target.FULFILLMENT, "GET /usageEvents") is None


def test_batch_faults_strike_batches_only() -> None:
    faults = Faults(1)
    faults.add(Fault(kind=FaultKind.PARTIAL_BATCH, target=Target.METERING))
    assert struck(faults, 1, "POST /api/usageEvent") == [False]
    assert struck(faults, 1) == [True]


def test_probability_follows_the_seed() -> None:
    def drawn(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(
            Fault(kind=FaultKind.THROTTLE, target=Target.METERING, count=None, probability=0.3)
        )
        return struck(faults, 400)

    assert drawn(1) == drawn(1) != drawn(2)
    assert 80 < sum(drawn(1)) < 160


def test_remove_and_clear() -> None:
    faults = Faults(1)
    first, second = (
        faults.add(Fault(kind=FaultKind.THROTTLE, target=Target.METERING)) for _ in range(2)
    )
    assert faults.remove(first.id)
    assert not faults.remove(first.id)
    assert [rule.id for rule in faults.rules()] == [second.id]
    faults.clear()
    assert faults.rules() == []


@pytest.mark.parametrize(
    ("kind", "target", "other"),
    [
        (FaultKind.LOST, Target.METERING, {}),
        (FaultKind.THROTTLE, Target.WEBHOOK, {}),
        (FaultKind.PARTIAL_BATCH, Target.ENTRA, {}),
        (FaultKind.THROTTLE, Target.METERING, {"count": 0}),
        (FaultKind.THROTTLE, Target.METERING, {"probability": 1.5}),
    ],
)
def test_rules_that_make_no_sense(kind: FaultKind, target: Target, other: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"(fit|probability|count)"):
        Fault(kind=kind, target=target, **other)  # type: ignore[arg-type]  # free keywords of a test
