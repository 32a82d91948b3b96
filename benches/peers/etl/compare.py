#!/usr/bin/env python3
"""Times the extraction of one table by Med, by the floor of the database's own client library, and by pandas with SQLAlchemy.

    cargo build --release -p med-benches --bin etl-read --features postgres
    cc -O2 benches/peers/etl/floor.c -lsqlite3 -o target/floor
    cc -O2 -I"$(pg_config --includedir)" benches/peers/etl/floor_postgres.c -lpq -o target/floor_postgres
    python3 benches/peers/etl/compare.py --read target/release/etl-read --floor target/floor \
        --floor-postgres target/floor_postgres sqlite:///path/clients.sqlite postgresql://user@host/database

Every measurement is a process of its own; processor time (user and system) and peak memory are the kernel's numbers of that process.
Processor time does not depend on what else the machine does; the clock's time is printed beside it.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

PANDAS = """
import sys
import pandas, sqlalchemy
engine = sqlalchemy.create_engine(sys.argv[1])
with engine.connect() as connection:
    frame = pandas.read_sql(sqlalchemy.text("SELECT * FROM " + sys.argv[2]), connection)
print(len(frame))
"""


def measure(command):
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{command[0]} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, time.monotonic() - start


def contenders(arguments, url):
    postgres = url.startswith("postgres")
    floor = [arguments.floor_postgres, url] if postgres else [arguments.floor, url.removeprefix("sqlite://")]
    if floor[0]:
        yield "floor", floor + [arguments.table]
    yield "Med, batches dropped", [arguments.read, url, arguments.table]
    yield "Med, one frame", [arguments.read, url, arguments.table, "--whole"]
    if not arguments.no_pandas:
        rest = url.split("://", 1)[1]
        alchemy = f"postgresql+psycopg2://{rest}" if postgres else f"sqlite:///{rest}"
        yield "pandas with SQLAlchemy", [sys.executable, "-c", PANDAS, alchemy, arguments.table]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--table", default="transactions")
    parser.add_argument("--read", default="target/release/etl-read")
    parser.add_argument("--floor")
    parser.add_argument("--floor-postgres")
    parser.add_argument("--no-pandas", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print("| database | reader | CPU s | x floor | peak MB | wall s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for url in arguments.urls:
        runs = {}
        for _ in range(arguments.rounds):
            for name, command in contenders(arguments, url):
                runs.setdefault(name, []).append(measure(command))
        base = statistics.median(cpu for cpu, _, _ in next(iter(runs.values())))
        for name, measured in runs.items():
            cpu, memory, wall = (statistics.median(values) for values in zip(*measured))
            print(f"| {url.split(':')[0]} | {name} | {cpu:.2f} | {cpu / base:.2f} | {memory:.0f} | {wall:.2f} |")


main()
