"""Jobs that aggregate again, in the table of runs: a row a job, then one for each of its shards."""

from collections.abc import Sequence
from datetime import UTC, datetime

from shared.domain.errors import ConcurrentUpdate
from shared.ports import Etag, ReaggregationJob, ReaggregationPart, Versioned
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, to_stored, unpack
from shared.storage.operations import Create, Done, Replace
from shared.storage.tables import Tables


class TableReaggregations:
    """Fulfils ``Reaggregations``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.RUNS)

    def add(self, job: ReaggregationJob, parts: Sequence[ReaggregationPart]) -> None:
        writes = [
            Create(keys.reaggregation_row(job.id), pack("job", to_stored(job))),
            *(
                Create(
                    keys.reaggregation_part_row(job.id, part.shard), pack("part", to_stored(part))
                )
                for part in parts
            ),
        ]
        if not isinstance(self._table.transact(keys.REAGGREGATIONS, writes), Done):
            raise ConcurrentUpdate(f"there is a job {job.id} already")

    def get(self, id_: str) -> ReaggregationJob | None:
        row = self._table.get(keys.REAGGREGATIONS, keys.reaggregation_row(id_))
        return None if row is None else from_stored(ReaggregationJob, unpack(row.properties, "job"))

    def since(self, moment: datetime) -> list[ReaggregationJob]:
        wanted = keys.RowRange(f"{moment.astimezone(UTC):%Y%m%dT%H%M%S%fZ}", ":")
        return [
            from_stored(ReaggregationJob, unpack(row.properties, "job"))
            for row in self._table.query(keys.REAGGREGATIONS, wanted)
            if not keys.is_reaggregation_part(row.key)
        ]

    def parts(self, id_: str) -> list[Versioned[ReaggregationPart]]:
        wanted = keys.starting_with(keys.reaggregation_row(id_) + keys.SEPARATOR)
        return [
            Versioned(from_stored(ReaggregationPart, unpack(row.properties, "part")), row.etag)
            for row in self._table.query(keys.REAGGREGATIONS, wanted)
        ]

    def note(self, part: ReaggregationPart, etag: Etag) -> Etag:
        row = keys.reaggregation_part_row(part.job, part.shard)
        write = Replace(row, pack("part", to_stored(part)), etag)
        match self._table.transact(keys.REAGGREGATIONS, [write]):
            case Done(etags):
                return etags[0]
            case _:
                raise ConcurrentUpdate(f"shard {part.shard} of job {part.job} is carried on")
