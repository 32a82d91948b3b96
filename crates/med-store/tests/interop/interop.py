"""The other side of `tests/integration/interop.rs`, which calls this and says what is exchanged.

`interop.py read DIR` reads every version that `DIR/expected` describes with deltalake, polars and Sail, and compares all values.
`interop.py write DIR` changes the tables with deltalake, polars and Sail, and writes into `DIR/theirs` what they hold then.
"""

import collections
import json
import os
import pathlib
import sys
import traceback
import warnings
from importlib.metadata import version as release

import deltalake
import polars
import pyarrow as pa

warnings.filterwarnings("ignore")

TYPES = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
NUMBERS = {"date": pa.int32(), "timestamp": pa.int64()}


def to_arrow(columns, rows):
    """Rows of a document as an Arrow table."""
    arrays = []
    for at, (_, kind) in enumerate(columns):
        values = [row[at] for row in rows]
        if kind == "float":
            values = [None if value is None else float(value) for value in values]
        arrays.append(pa.array(values, NUMBERS.get(kind, TYPES[kind])).cast(TYPES[kind]))
    return pa.table(arrays, pa.schema([pa.field(name, TYPES[kind]) for name, kind in columns]))


def comparable(value, kind):
    if value is None:
        return "null"
    return json.dumps(float(value).hex() if kind == "float" else value)


def as_counted(columns, rows):
    """Rows regardless of their order, in a form that tells -0.0 from 0.0 and takes NaN for NaN."""
    kinds = [kind for _, kind in columns]
    return collections.Counter(tuple(map(comparable, row, kinds)) for row in rows)


def rows_of(columns, table):
    """Values of an Arrow table, which must have exactly these columns and types, as in a document."""
    assert table.column_names == [name for name, _ in columns], table.column_names
    values = []
    for name, kind in columns:
        column = table[name].combine_chunks()
        # Readers differ in how they hold a text, and in what they call UTC.
        if kind == "timestamp":
            assert pa.types.is_timestamp(column.type) and column.type.unit == "us", column.type
        elif kind == "text":
            assert column.type in (pa.string(), pa.large_string(), pa.string_view()), column.type
        else:
            assert column.type == TYPES[kind], (name, column.type)
        values.append(column.cast(NUMBERS[kind]).to_pylist() if kind in NUMBERS else column.to_pylist())
    return [list(row) for row in zip(*values)] if values else []


def by_deltalake(path, version):
    return deltalake.DeltaTable(path, version=version).to_pyarrow_table()


def by_polars(path, version):
    return polars.scan_delta(path, version=version).collect().to_arrow()


class Sail:
    """A Sail server in this process, and a Spark Connect session with it."""

    name = "sail"

    def __init__(self):
        from pysail.spark import SparkConnectServer
        from pyspark.sql.connect.session import SparkSession

        self.server = SparkConnectServer(ip="127.0.0.1", port=0)
        self.server.start(background=True)
        _, port = self.server.listening_address
        self.spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
        self.spark.conf.set("spark.sql.session.timeZone", "UTC")

    def read(self, path, version):
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", str(version))
        return reader.load(path).toArrow()

    def append(self, path, table):
        self.spark.createDataFrame(table).write.format("delta").mode("append").save(path)


def documents(folder):
    for path in sorted((folder / "expected").glob("*/*.json")):
        document = json.loads(path.read_text())
        table = str(folder / "lake" / path.relative_to(folder / "expected").with_suffix(""))
        yield path.stem, table, document["columns"], {int(v): rows for v, rows in document["versions"].items()}


def read(folder):
    print({name: release(name) for name in ("deltalake", "polars", "pyarrow", "pysail", "pyspark-client")})
    readers = {"deltalake": by_deltalake, "polars": by_polars, "sail": Sail().read}
    # Sail 0.7.2 reads a log in the order in which the folder lists it, when it is asked for a former version.
    failed, good, unread = [], collections.Counter(), collections.Counter()
    for name, table, columns, versions in documents(folder):
        for version, rows in versions.items():
            for reader, call in readers.items():
                # The latest version is asked for as people do: without a number.
                asked = None if version == max(versions) else version
                try:
                    found = as_counted(columns, rows_of(columns, call(table, asked)))
                    expected = as_counted(columns, rows)
                    if found != expected:
                        raise ValueError(f"only there: {found - expected}, missing: {expected - found}"[:2000])
                    good[reader, name] += 1
                except Exception as error:  # noqa: BLE001, any failure of a reader is a result
                    if reader == "sail" and asked is not None and "Missing commit file" in str(error):
                        unread[name] += 1
                        continue
                    failed.append(f"{reader}, {name} version {version}: {type(error).__name__}: {str(error)[:600]}")
    for (reader, name), count in sorted(good.items()):
        print(f"{reader}: {name}, {count} versions with the same values")
    print(f"sail: former versions it did not find in the log: {dict(unread)}")
    if failed:
        sys.exit("\n".join(failed))


class Book:
    """What a table holds by version, by our own account."""

    def __init__(self, name, path, columns, rows):
        self.name, self.path, self.columns, self.rows, self.versions = name, path, columns, list(rows), {}

    def delta(self):
        return deltalake.DeltaTable(self.path)

    def arrow(self, rows):
        return to_arrow(self.columns, rows)

    def now(self, rows):
        self.rows = list(rows)
        self.versions[self.delta().version()] = self.rows

    def append(self, rows, **options):
        deltalake.write_deltalake(self.path, self.arrow(rows), mode="append", **options)
        self.now(self.rows + rows)

    def close(self, folder):
        (folder / "theirs").mkdir(exist_ok=True)
        document = {"columns": self.columns, "versions": self.versions}
        (folder / "theirs" / f"{self.name}.json").write_text(json.dumps(document))
        print(f"written to: {self.name}, {len(self.versions)} versions")


def renumbered(rows, by):
    return [[row[0] + by, *row[1:]] for row in rows]


def write(folder):
    books, samples = {}, None
    for name, table, columns, versions in documents(folder):
        books[name] = Book(name, table, columns, versions[max(versions)])
        if name == "types":
            samples = versions[max(versions)]

    # Every type, into a table without rows: a file without a digest in its name, by three writers.
    book = books["empty"]
    book.append(samples)
    polars.from_arrow(book.arrow(renumbered(samples, 100))).write_delta(book.path, mode="append")
    book.now(book.rows + renumbered(samples, 100))
    Sail().append(book.path, book.arrow(renumbered(samples[:20], 200)))
    book.now(book.rows + renumbered(samples[:20], 200))

    # Deletion, update and merge; deltalake rewrites files of ours.
    book = books["types"]
    book.delta().delete("id < 3")
    book.now([row for row in book.rows if row[0] >= 3])
    book.delta().update(predicate="id = 5", updates={"`größe.text`": "'changed'", "`größe.float`": "1.25"})
    names = [name for name, _ in book.columns]
    for row in book.rows:
        if row[0] == 5:
            changed = list(row)
            changed[names.index("größe.text")], changed[names.index("größe.float")] = "changed", "1.25"
    book.now([changed if row[0] == 5 else row for row in book.rows])
    news = [[id_, *samples[1][1:]] for id_ in (7, 8, 300)]
    merge = book.delta().merge(book.arrow(news), "t.id = s.id", source_alias="s", target_alias="t")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    book.now([row for row in book.rows if row[0] not in (7, 8)] + news)

    # Maintenance, and a former version put back.
    book = books["life"]
    book.append(renumbered(samples[:4], 100))
    appended = book.delta().version()
    book.delta().create_checkpoint()
    book.delta().optimize.compact()
    book.now(book.rows)
    before = list(book.rows)
    book.delta().delete("id >= 100")
    book.now([row for row in book.rows if row[0] < 100])
    book.delta().restore(appended)
    book.now(before)
    book.delta().optimize.z_order(["id"])
    book.now(book.rows)
    book.delta().vacuum(retention_hours=24 * 7, dry_run=False)
    book.now(book.rows)

    # One partition in place of what it held, and new ones.
    book = books["parts"]
    same = [row[2:] for row in book.rows if row[2] == "50%"]
    book.append([[100 + at, "2.5", *values] for at, values in enumerate(same)])
    deltalake.write_deltalake(
        book.path, book.arrow([[103, "7.5", "x=y&z", 1, 1, None]]), mode="overwrite", predicate="text = 'x=y&z'"
    )
    book.now([row for row in book.rows if row[2] != "x=y&z"] + [[103, "7.5", "x=y&z", 1, 1, None]])
    book.append([[104, None, "new / 100%", -1, -1, True], [105, "0.0", None, None, None, None]])
    book.delta().optimize.compact()
    book.now(book.rows)

    # Columns that Med did not make, the second of a type that it does not have. It still sees its own columns.
    book = books["grown"]
    for id_, name, kind in [(100, "theirs", pa.int64()), (101, "small", pa.int32())]:
        row = [id_, *book.rows[-1][1:]]
        wider = book.arrow([row]).append_column(name, pa.array([id_], kind))
        deltalake.write_deltalake(book.path, wider, mode="append", schema_mode="merge")
        book.now(book.rows + [row])

    book = books["costs_v1"]
    book.append([[100, 1_704_067_200_000_001, "9.5"]])
    for book in books.values():
        book.close(folder)


def foreign(folder):
    """The columns that `write` added to one table, after Med went on with it."""
    table = by_deltalake(str(folder / "lake/tables/grown"), None)
    found = {row["id"]: (row["theirs"], row["small"]) for row in table.to_pylist() if row["id"] >= 99}
    expected = {100: (100, None), 101: (None, 101)}
    assert found == expected and table.schema.field("small").type == pa.int32(), found
    print("foreign columns: as they were")


if __name__ == "__main__":
    code = 0
    try:
        {"read": read, "write": write, "foreign": foreign}[sys.argv[1]](pathlib.Path(sys.argv[2]))
    except BaseException:  # noqa: BLE001, whatever it is, the process ends below
        traceback.print_exc()
        code = 1
    # Not by returning: the server's threads may wait for each other then.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
