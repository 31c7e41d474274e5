"""The tables of KuaiRand on disk: found, checked row by row, freed of duplicates, joined."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from msviz.data.importing import arrow_columns
from msviz.data.importing.read import Chunk, LogFiles, find
from msviz.data.importing.rejects import Reject, Rejects
from msviz.dataset import Array
from msviz.errors import invalid

NEEDED = ("user_id", "video_id", "time_ms", "is_click", "long_view", "duration_ms", "tab")
LOG = (
    *NEEDED,
    *("date", "hourmin", "is_like", "is_follow", "is_comment", "is_forward", "is_hate", "play_time_ms"),
    *("profile_stay_time", "comment_stay_time", "is_profile_enter", "is_rand"),
)
BINARY = ("is_click", "long_view")
UTC_OFFSET = 8  # times are Asia/Shanghai
SHANGHAI_MS = UTC_OFFSET * 3_600_000
DAY_MS = 86_400_000
ROWS = 1 << 17  # joined rows, or clicks, that travel together
# Facts about users: codes -124 and UNKNOWN stand for "missing". Raw counts stay out, their ranges are in.
USERS = (
    *("user_active_degree", "is_lowactive_period", "is_live_streamer", "is_video_author"),
    *("follow_user_num_range", "fans_user_num_range", "friend_user_num_range", "register_days_range"),
    *(f"onehot_feat{number}" for number in range(18)),
)
VIDEOS = ("author_id", "video_type", "upload_type", "music_id", "music_type", "tag")


class Tables:
    """KuaiRand's log, users and videos, staged in a folder as clean Parquet tables."""

    def __init__(self, source: Path, folder: Path, rejects: Rejects, random_log: bool) -> None:
        """Read and check every row once; raise MsvizError when a table is missing or unreadable."""
        if not source.is_dir():
            raise invalid("source", str(source), "wanted: the folder that holds KuaiRand's tables")
        self.folder = folder
        self.rejects = rejects
        self.staged = 0
        self.notes: list[str] = []
        self.files: list[str] = []
        logs = self._find(source, "log_standard_*")
        if random_log:
            logs = LogFiles(logs.files + self._find(source, "log_random_*").files, logs.columns)
        self._stage_log(logs)
        users, videos = self._find(source, "user_features_*"), self._find(source, "video_features_basic_*")
        self._stage_texts(users, "users", "user_id", USERS)
        self._stage_texts(videos, "videos", "video_id", (*VIDEOS, "server_width", "server_height"))
        self.earlier = sorted(source.glob("derived_user_sequences_*.parquet"))
        self.files += [path.name for path in self.earlier]
        self.base = duckdb.connect(folder / "base.duckdb")  # on disk: the log may be larger than memory
        self._prepare_views(users.columns, videos.columns)

    def _find(self, source: Path, pattern: str) -> LogFiles:
        paths = sorted(
            path for path in source.glob(pattern) if path.name.endswith((".csv", ".csv.gz", ".parquet"))
        )
        for path in [path for path in paths if "sample" in path.name]:
            paths.remove(path)
            self.notes.append(f"left out: {path.name} is a sample")
        if not paths:
            raise invalid(f"source {source.name}", f"no {pattern}", "wanted: .csv, .csv.gz or .parquet of it")
        self.files += [path.name for path in paths]
        return LogFiles(paths, find(str(paths[0])).columns)

    def _stage_log(self, logs: LogFiles) -> None:
        for path in logs.files:
            lacking = [name for name in NEEDED if name not in find(str(path)).columns]
            if lacking:
                raise invalid(
                    f"source {path.name}: column", lacking[0], "KuaiRand's log has it, this file has not"
                )
        self.present = [name for name in LOG if all(name in find(str(path)).columns for path in logs.files)]
        columns = pa.schema([(name, pa.int64()) for name in ("row", *self.present)])
        first = 0
        with parquet.ParquetWriter(self.folder / "log.parquet", columns) as writer:
            for task in logs.chunks(self.present):
                chunk = task()
                arrays, problems = _integers(chunk.table)
                wrong = [
                    Reject(chunk.file, int(chunk.line[i]), why, _csv(chunk.table.slice(i, 1)))
                    for i, why in problems.items()
                ]
                self.rejects.add(sorted([*chunk.rejects, *wrong], key=lambda reject: reject.line))
                keep = np.ones(len(chunk.table), bool)
                keep[list(problems)] = False
                arrays = {"row": first + chunk.place, **arrays}
                writer.write_table(
                    pa.table({name: values[keep] for name, values in arrays.items()}, schema=columns)
                )
                first += chunk.records
                self.staged += len(chunk.table) + len(chunk.rejects)

    def _stage_texts(self, source: LogFiles, name: str, key: str, columns: tuple[str, ...]) -> None:
        wanted = [key, *(column for column in columns if column in source.columns)]
        if key not in source.columns:
            raise invalid(
                f"source {source.files[0].name}: column", key, "KuaiRand's table has it, this file has not"
            )
        schema = pa.schema([*((column, pa.string()) for column in wanted), ("row", pa.int64())])
        first = 0
        with parquet.ParquetWriter(self.folder / f"{name}.parquet", schema) as writer:
            for task in source.chunks(wanted):
                chunk = task()
                self.rejects.add(chunk.rejects)
                table = chunk.table.append_column("row", pa.array(first + chunk.place))
                writer.write_table(table.cast(schema))
                first += chunk.records

    def _prepare_views(self, users: list[str], videos: list[str]) -> None:
        base, folder = self.base, str(self.folder).replace("'", "''")
        names = ", ".join(self.present)
        base.execute(
            f"CREATE TABLE log AS SELECT min(row) AS row, {names} "
            f"FROM read_parquet('{folder}/log.parquet') GROUP BY {names}"
        )
        self.duplicates = self._ask(f"SELECT count(*) FROM read_parquet('{folder}/log.parquet')") - self._ask(
            "SELECT count(*) FROM log"
        )
        for table, key in (("users", "user_id"), ("videos", "video_id")):
            # An id that stands there twice must not double the log's rows: the first in the file counts.
            base.execute(
                f"CREATE TABLE {table} AS SELECT *, TRY_CAST({key} AS BIGINT) AS id "
                f"FROM read_parquet('{folder}/{table}.parquet') "
                f"QUALIFY row_number() OVER (PARTITION BY id ORDER BY row) = 1"
            )
        local = f"(l.time_ms + {SHANGHAI_MS})"
        facts = [f"{local} // 3600000 % 24 AS hour", f"({local} // {DAY_MS} + 3) % 7 AS weekday"]
        self.video_facts = self._facts("videos", VIDEOS, videos)
        if "server_width" in videos and "server_height" in videos:
            width, height = (f"TRY_CAST(videos.server_{side} AS DOUBLE)" for side in ("width", "height"))
            self.video_facts["orientation"] = (
                f"CASE WHEN {width} > {height} THEN 'landscape' WHEN {width} < {height} THEN 'portrait' "
                f"WHEN {width} = {height} THEN 'square' END"
            )
        columns_of = self._facts("users", USERS, users) | self.video_facts
        facts += [f"{expression} AS {name}" for name, expression in columns_of.items()]
        base.execute(f"""
            CREATE VIEW joined AS SELECT
            l.row, l.is_click, l.long_view, l.tab, l.user_id, l.video_id, l.time_ms,
            nullif(l.duration_ms, -1) / 1000.0 AS duration,
            {", ".join(facts)}
            FROM log l LEFT JOIN users ON l.user_id = users.id LEFT JOIN videos ON l.video_id = videos.id
        """)
        described = [str(row[0]) for row in base.execute("DESCRIBE joined").fetchall()]
        self.columns = [name for name in described if name != "row"]
        self._tell_unjoined()

    def _facts(self, table: str, wanted: tuple[str, ...], present: list[str]) -> dict[str, str]:
        """Return a table's features as clean text, name -> SQL; one that is the same everywhere is left out.

        '1.0' reads 1; -124, UNKNOWN and empty are missing; of a video's tags the first counts.
        """
        facts: dict[str, str] = {}
        for name in [name for name in wanted if name in present]:
            text = f"regexp_replace({table}.{name}, '\\.0$', '')"
            text = f"split_part({text}, ',', 1)" if name == "tag" else text
            text = f"CASE WHEN {text} NOT IN ('-124', 'UNKNOWN', '') THEN {text} END"
            values = self._ask(f"SELECT count(DISTINCT coalesce({text}, '')) FROM {table}")
            if values > 1:
                facts[name] = text
            else:
                self.notes.append(f"left out: {name} is the same for all {table}")
        return facts

    def _ask(self, question: str) -> int:
        """Return the one number that a query yields."""
        return int(self.base.execute(question).fetchall()[0][0])

    def _tell_unjoined(self) -> None:
        for table, key in (("users", "user_id"), ("videos", "video_id")):
            rows = self._ask(
                f"SELECT count(*) FROM log WHERE {key} NOT IN (SELECT id FROM {table} WHERE id IS NOT NULL)"
            )
            if rows:
                self.notes.append(f"warning: {rows:,} rows have no match in the table of {table}")

    def joined(self, tabs: list[int], first_ms: int) -> Iterator[pa.RecordBatch]:
        """Yield rows of the chosen tabs from a time on, in its order, with users' and videos' facts."""
        chosen = f"tab IN ({', '.join(map(str, tabs))}) AND time_ms >= {first_ms}"
        if not self._ask(f"SELECT count(*) FROM log WHERE {chosen}"):
            held = self.base.execute("SELECT DISTINCT tab FROM log ORDER BY tab").fetchall()
            raise invalid(
                "tabs", tabs, "no row is left; the log holds tabs " + ", ".join(str(t) for (t,) in held)
            )
        query = self.base.sql(f"SELECT * FROM joined WHERE {chosen} ORDER BY time_ms, row")
        yield from query.to_arrow_reader(ROWS)

    def by_day(self, measures: list[str]) -> Array:
        """Return one line per local day of the whole log, in order: the day since 1970, then the measures."""
        lines = self.base.execute(
            f"SELECT (time_ms + {SHANGHAI_MS}) // {DAY_MS} AS day, {', '.join(measures)} "
            "FROM log GROUP BY day ORDER BY day"
        ).fetchall()
        return np.array(lines, np.float64).reshape(-1, 1 + len(measures))

    def close(self) -> None:
        """Close the database; the folder may go then."""
        self.base.close()

    def clicks(self) -> "ClickTables":
        """Return every click of the log, in any tab, and before them the histories that lie beside it."""
        return ClickTables(self.base, self.earlier, self.video_facts)


class ClickTables:
    """A table of events: clicks in the order of time, each with its tab and its video's facts."""

    def __init__(self, base: duckdb.DuckDBPyConnection, earlier: list[Path], facts: dict[str, str]) -> None:
        """Keep the tables, watches before the log, and the facts of a video (name -> SQL)."""
        self.files: list[Path] = []  # all are files of the log
        self._base = base
        self._earlier = earlier
        self._columns = {
            "user_id": "c.user_id",
            "history": "c.video_id",
            "history_tab": "c.tab",
            "history_time": "c.time_ms",
            **{f"history_{name}": expression for name, expression in facts.items()},
        }

    @property
    def columns(self) -> list[str]:
        """Return the columns that there are."""
        return list(self._columns)

    def chunks(self, columns: list[str]) -> Iterator[Callable[[], Chunk]]:
        """Yield one task per chunk, in the order of time; watches before the log come first."""
        tables = [*map(_select_watched, range(len(self._earlier)), self._earlier)]
        tables.append(
            f"SELECT {len(tables)} AS part, row AS place, user_id, time_ms, video_id, tab FROM log "
            "WHERE is_click = 1"
        )
        chosen = ", ".join(f"{self._columns[name]} AS {name}" for name in columns)
        query = self._base.sql(
            f"SELECT {chosen} FROM ({' UNION ALL '.join(tables)}) c "
            "LEFT JOIN videos ON c.video_id = videos.id ORDER BY c.part, c.time_ms, c.place"
        )
        first = 0
        for batch in query.to_arrow_reader(ROWS):
            index = np.arange(len(batch))
            yield partial(Chunk, pa.Table.from_batches([batch]), "clicks", first + index, index, len(batch))
            first += len(batch)


def _select_watched(number: int, path: Path) -> str:
    """Return the SQL of watches before the log, for users whose log begins later."""
    text = str(path).replace("'", "''")
    return (
        f"SELECT {number} AS part, d.place, d.user_id, d.last_time_ms AS time_ms, d.video AS video_id, "
        "NULL::BIGINT AS tab FROM (SELECT user_id, last_time_ms, unnest(watch_seq) AS video, "
        f"generate_subscripts(watch_seq, 1) AS place FROM read_parquet('{text}')) d "
        "JOIN (SELECT user_id, min(time_ms) AS begin FROM log GROUP BY user_id) f USING (user_id) "
        "WHERE d.last_time_ms < f.begin"
    )


def _integers(table: pa.Table) -> tuple[dict[str, Array], dict[int, str]]:
    """Return the log's columns as int64 (missing is -1) and the rows that cannot be used, with the reason."""
    arrays: dict[str, Array] = {}
    problems: dict[int, str] = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        values, wrong = arrow_columns.labels(column) if name in BINARY else arrow_columns.numbers(column)
        missing = np.isnan(values)
        if name in NEEDED:
            negative = np.flatnonzero(values < 0)
            wrong |= {int(i): f"got {values[i]:g}; it cannot be negative" for i in negative}
            if name != "duration_ms":
                wrong |= {int(i): "it is missing" for i in np.flatnonzero(missing)}
        for position, reason in wrong.items():
            problems.setdefault(position, f"{name}: {reason}")
        usable = np.isfinite(values) & (np.abs(np.nan_to_num(values)) < 2**62)
        arrays[name] = np.where(usable, values, -1).astype(np.int64)
    return arrays, problems


def _csv(row: pa.Table) -> str:
    return ",".join("" if value is None else str(value) for value in row.to_pylist()[0].values())
