#!/usr/bin/env python3
"""Times Med and its peers in turn, in one run, on the same files, and prints ratios and accuracy. See README.md.

    compare.py [--only gbdt,glm] [--rows 1000000] [--threads 1,2] [--rounds 3] [--minutes 11] [--json OUT] [--markdown OUT]
    compare.py --table RESULTS.json

Every measurement is a process of its own. The first round does every work; later rounds do the quick works first,
as long as the minutes last. Ratios are of measurements of one round, their median over the rounds is printed.
"""
import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

import designs
from works import EXCLUDE, TARGET, WORKS

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))


def machine_busy():
    """Processor seconds of the whole machine since it started."""
    try:
        v = list(map(int, open("/proc/stat").readline().split()[1:9]))
    except OSError:
        return 0.0
    return (sum(v) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK")


def children_cpu():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


class Bench:
    def __init__(self, args):
        self.args = args
        self.records = []

    # ------------------------------------------------------------- files

    def rows(self, work):
        return min(self.args.rows, work.most_rows or self.args.rows)

    def file(self, kind, rows):
        return designs.path(self.args.folder, kind, rows, self.args.test_rows) if kind else None

    def model(self, name, rows):
        return os.path.join(self.args.folder, f"model_{name}_{rows}")

    # ---------------------------------------------------------- children

    def call(self, library, job, threads, repeat, memory=False):
        """One child; what it printed, or {"error": ...}."""
        env = dict(os.environ, RUST_BACKTRACE="0")
        if memory:
            # Freed blocks go back to the system at once, so that what reading the file left behind does not hide the peak.
            env.update(MALLOC_MMAP_THRESHOLD_="131072", MALLOC_TRIM_THRESHOLD_="131072", ARROW_DEFAULT_MEMORY_POOL="system")
        if library == "med":
            command = self.med_command(job, threads, repeat)
        else:
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
                env[name] = str(threads)
            params = dict(job.get("params", {}))
            params.update({"lightgbm": {"num_threads": threads}, "xgboost": {"nthread": threads}}.get(library, {}))
            job = dict(job, library=library, threads=threads, repeat=repeat, params=params)
            command = [sys.executable, os.path.join(HERE, "rivals.py"), json.dumps(job)]
        busy, own, start = machine_busy(), children_cpu(), time.perf_counter()
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=self.args.timeout)
        except subprocess.TimeoutExpired:
            return {"error": f"took more than {self.args.timeout} s"}
        wall = time.perf_counter() - start
        foreign = (machine_busy() - busy - (children_cpu() - own)) / wall / (os.cpu_count() or 1)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            said = done.stderr.strip().splitlines() or ["no output"]
            return {"error": next((line for line in said if line.startswith("Error")), said[-1])[:300]}
        return dict(json.loads(lines[-1]), foreign=max(0.0, foreign), whole=wall)

    def med_command(self, job, threads, repeat):
        command = [self.args.med, job["work"], "--threads", str(threads), "--repeat", str(repeat), "--data", job["data"]]
        if job["work"] == "fit":
            command += ["--target", job["target"], "--model", job["model"], "--params", json.dumps(job.get("params"))]
            command += ["--categories", job.get("categories", "native")]
            if job.get("exclude"):
                command += ["--exclude", ",".join(job["exclude"])]
        else:
            command += ["--model", job["model"]]
        for option in ("save", "test", "out", "rows"):
            if job.get(option):
                command += [f"--{option}", str(job[option])]
        return command

    # ------------------------------------------------------------- works

    def prepare(self, work):
        """Files and models that the work needs and that are not there yet; not timed."""
        rows = self.rows(work)
        for kind in filter(None, work.files):
            self.file(kind, rows)
        for name, (library, job) in work.models.items():
            path = self.model(name, rows)
            if not os.path.exists(path) or (library == "med" and os.path.getmtime(path) < os.path.getmtime(self.args.med)):
                job = dict(job, data=self.file("claims", rows), target=TARGET, exclude=EXCLUDE, save=path)
                done = self.call(library, job, max(self.args.threads), 1)
                if "error" in done:
                    print(f"  {name}: {done['error']}", file=sys.stderr)

    def once(self, work, contender, threads, round_, accuracy):
        rows = self.rows(work)
        job = dict({"target": TARGET}, **contender.job)
        out = os.path.join(self.args.folder, "predictions.bin") if accuracy else None
        if job["work"] == "fit":
            job.update(data=self.file(work.files[0], rows), exclude=EXCLUDE if work.files[0] == "claims" else [])
            if accuracy:
                job.update(test=self.file(work.files[1], rows), out=out)
        else:
            job.update(data=self.file("claims_test", rows), model=self.model(job["model"], rows), exclude=EXCLUDE + [TARGET])
            if accuracy:
                job.update(out=out)
        done = self.call(contender.library, job, threads, work.repeat, work.memory)
        record = dict(work=work.name, group=contender.group, name=contender.name, aim=contender.aim, threads=threads,
                      round=round_, rows=done.get("rows", rows), **({k: v for k, v in done.items() if k != "rows"}))
        if accuracy and "error" not in done:
            try:
                record["accuracy"] = accuracy_of(self.file(work.files[1], rows), job["target"], out)
            except (OSError, ValueError) as e:
                print(f"  accuracy: {e}", file=sys.stderr)
        self.records.append(record)
        wall = record.get("wall")
        said = f"{statistics.median(wall):9.4f} s" if wall else record.get("error")
        print(f"{work.name:14} {threads} thr  {contender.name:22} {said}", file=sys.stderr, flush=True)

    def round(self, work, round_):
        wanted = work.threads or tuple(self.args.threads)
        wanted = sorted({max(self.args.threads) if t == -1 else t for t in wanted})
        contenders = [c for c in work.contenders if self.args.more or not c.more]
        for at, threads in enumerate(wanted):
            turn = round_ % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                # The accuracy of SHAP is its sum; that of memory and busy runs is known from the plain runs.
                first = round_ == 0 and at == len(wanted) - 1 and contender.mode in ("", "auto")
                judged = first and work.files[1] and not work.memory and not work.burner and work.name != "shap"
                self.once(work, contender, threads, round_, judged)

    def run(self, works):
        start, cost = time.monotonic(), {}
        for work in works:
            print(f"# {work.title}", file=sys.stderr)
            try:
                self.prepare(work)
            except Exception as e:              # a file that cannot be made stops one work, not the run
                print(f"  {work.name}: {e}", file=sys.stderr)
                continue
            began = time.monotonic()
            self.with_neighbour(work, 0)
            cost[work.name] = time.monotonic() - began
            self.save()
        for round_ in range(1, self.args.rounds):
            for work in sorted((w for w in works if w.name in cost), key=lambda w: cost[w.name]):
                if time.monotonic() - start + cost[work.name] < 60 * self.args.minutes:
                    self.with_neighbour(work, round_)
                    self.save()

    def with_neighbour(self, work, round_):
        if not work.burner:
            return self.round(work, round_)
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            self.round(work, round_)
        finally:
            neighbour.kill()
            neighbour.wait()

    def save(self):
        if self.args.json:
            with open(self.args.json, "w") as f:
                json.dump({"machine": machine(), "records": self.records}, f, indent=1)


def machine():
    model = ""
    try:
        model = next((ln.split(":")[1].strip() for ln in open("/proc/cpuinfo") if ln.startswith("model name")), "")
    except OSError:
        pass
    return dict(processor=model, cores=os.cpu_count(), system=platform.platform(), python=platform.python_version(),
                versions=versions(), date=time.strftime("%Y-%m-%d"))


def versions():
    from importlib import metadata
    found = {}
    for name in ("lightgbm", "xgboost", "catboost", "scikit-learn", "glum"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def accuracy_of(file, target, predictions):
    import numpy as np
    import pyarrow.parquet as pq
    y = pq.read_table(file, columns=[target])[target].to_numpy().astype(float)
    p = np.fromfile(predictions, "<f8")
    if len(p) != len(y):
        raise ValueError(f"{len(p)} predictions for {len(y)} rows")
    r, q = y - p, np.maximum(p, 1.0)            # the deviance is of positive predictions: those below 1 count as 1
    return dict(rmse=float(np.sqrt(np.mean(r * r))), mae=float(np.mean(np.abs(r))),
                r2=float(1 - np.sum(r * r) / np.sum((y - y.mean()) ** 2)),
                tweedie=float(4 * np.mean(np.sqrt(q) + y / np.sqrt(q) - 2 * np.sqrt(y))),
                sum_ratio=float(p.sum() / y.sum()))


# ---------------------------------------------------------------------- tables

def figure(record, what):
    if what == "memory":
        return record["peak_mb"] - record["rss_mb"] if record.get("peak_mb") and record.get("rss_mb") else None
    return statistics.median(record[what]) if record.get(what) else None


def by_round(records, what):
    found = {r["round"]: figure(r, what) for r in records}
    return {k: v for k, v in found.items() if v is not None and v == v}


def median(values):
    values = list(values)
    return statistics.median(values) if values else None


def quotients(rival, ours):
    """Of the rounds that both were measured in."""
    return [rival[k] / ours[k] for k in rival if k in ours and ours[k] > 0]


def least(records, what):
    """The mode that takes least, what it takes by round, and its records."""
    modes = {}
    for r in records:
        modes.setdefault(r["name"], []).append(r)
    taken = {n: t for n, rs in modes.items() if (t := by_round(rs, what))}
    if not taken:
        return "", {}, []
    best = min(taken, key=lambda n: median(taken[n].values()))
    return best, taken[best], modes[best]


def show(value, digits=2, unit=""):
    if value is None:
        return "-"
    if unit == "s" and value < 0.1:
        return f"{1000 * value:.1f} ms"
    return f"{value:.{digits}f}{' ' + unit if unit else ''}"


def markdown(records, works):
    lines = ["| work | rows | threads | Med | peer | its figure | ratio | of processor time | aim |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for work in works:
        own = [r for r in records if r["work"] == work.name]
        what, unit = ("memory", "MB") if work.memory else ("wall", "s")
        for threads in sorted({r["threads"] for r in own}):
            here = [r for r in own if r["threads"] == threads]
            mode, ours, own_records = least([r for r in here if r["group"] == "Med"], what)
            med = show(median(ours.values()), 2, unit) + (f" ({mode[4:]})" if mode.startswith("Med ") else "")
            rows = max(r.get("rows", 0) for r in here)
            start = f"| {work.title} | {rows:,} | {threads} "
            groups = dict.fromkeys(r["group"] for r in sorted(here, key=lambda r: r["round"]) if r["group"] != "Med")
            if not ours:
                error = next((r["error"] for r in here if r["group"] == "Med" and "error" in r), "not measured")
                lines.append(f"{start}| {error.replace('|', '/')} | | | | | |")
                continue
            for group in groups:
                best, taken, its_records = least([r for r in here if r["group"] == group], what)
                if not taken:
                    lines.append(f"{start}| {med} | {group} | failed | | | |")
                    continue
                ratio = quotients(taken, ours)
                cpu = [] if work.memory else quotients(by_round(its_records, "cpu"), by_round(own_records, "cpu"))
                aim = its_records[0].get("aim")
                lines.append(f"{start}| {med} | {best} | {show(median(taken.values()), 2, unit)} "
                             f"| **{show(median(ratio), 1)}x** | {f'{median(cpu):.1f}x' if cpu else ''} | {f'{aim:g}x' if aim else ''} |")
    lines += ["", "Ratio: how many times as much as Med the peer takes; of the modes of a library the fastest (for memory the leanest).",
              ""]
    judged = [r for r in records if "accuracy" in r]
    if judged:
        lines += ["| accuracy on the test file | | RMSE | MAE | R2 | Tweedie 1.5 deviance | predicted / actual |",
                  "| --- | --- | --- | --- | --- | --- | --- |"]
        titles = {w.name: w.title for w in works}
        for r in sorted(judged, key=lambda r: [w.name for w in works].index(r["work"]) if r["work"] in titles else -1):
            a = r["accuracy"]
            lines.append(f"| {titles.get(r['work'], r['work'])} | {r['name']} | {a['rmse']:.1f} | {a['mae']:.1f} | {a['r2']:.4f} "
                         f"| {a['tweedie']:.2f} | {a['sum_ratio']:.4f} |")
    quiet = [r["foreign"] for r in records if "foreign" in r and r["work"] != "busy"]
    if quiet:
        lines += ["", f"Other processes took {100 * statistics.median(quiet):.0f} % of the machine (median of the measurements; "
                      f"{100 * max(quiet):.0f} % at most). Rounds: {1 + max(r['round'] for r in records)} at most."]
    return "\n".join(lines) + "\n"


def chosen(only):
    """Works whose name starts with one of the words."""
    works = [w for w in WORKS if not only or any(w.name.startswith(o) for o in only)]
    if not works:
        sys.exit(f"--only: expected some of {', '.join(w.name for w in WORKS)}")
    return works


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--only", default="", help="names of works or how they start, separated by commas")
    ap.add_argument("--rows", type=int, default=1_000_000, help="rows to train on")
    ap.add_argument("--test-rows", type=int, default=1_000_000, help="rows to predict")
    ap.add_argument("--threads", default="1,2")
    ap.add_argument("--rounds", type=int, default=3, help="at most")
    ap.add_argument("--minutes", type=float, default=11, help="no round of a work starts that would end later")
    ap.add_argument("--timeout", type=float, default=300, help="seconds for one measurement")
    ap.add_argument("--more", action="store_true", help="further peers: slower, without an aim")
    ap.add_argument("--folder", default=os.path.join(ROOT, "target", "peers"), help="for data, models and predictions")
    ap.add_argument("--med", help="the program `peers`; without it, it is built")
    ap.add_argument("--json", help="where all measurements go")
    ap.add_argument("--markdown", help="where the tables go, besides stdout")
    ap.add_argument("--table", metavar="RESULTS.json", help="only prints the tables of an earlier run")
    args = ap.parse_args()
    works = chosen([o for o in args.only.split(",") if o])
    if args.table:
        print(markdown(json.load(open(args.table))["records"], works), end="")
        return
    args.threads = sorted(int(t) for t in args.threads.split(","))
    os.makedirs(args.folder, exist_ok=True)
    args.folder = os.path.abspath(args.folder)
    if not args.med:
        subprocess.run(["cargo", "build", "--release", "-p", "med-benches", "--bin", "peers"], cwd=ROOT, check=True)
        args.med = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "peers")
    bench = Bench(args)
    try:
        bench.run(works)
    except KeyboardInterrupt:
        print("interrupted: the tables are of what was measured", file=sys.stderr)
    text = markdown(bench.records, works) if bench.records else ""
    print(text, end="")
    if args.markdown:
        with open(args.markdown, "w") as f:
            f.write(text)


if __name__ == "__main__":
    main()
