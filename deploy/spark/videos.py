"""Videos with Spark: paths in, records out, a partition of videos a task.

    python videos.py LIST OUT [PARTITIONS]      LIST: a path a line; OUT: a folder for NDJSON

`checkCode=True` matters: without it Spark takes what a killed program had written for all there is. A task that fails
is done again (`spark.task.maxFailures`), and `saveAsTextFile` keeps the lines of one attempt alone. Videos that are
damaged or missing are printed and stop nobody (exit 3).
"""

import json
import os
import pathlib
import shlex
import sys

from pyspark.sql import SparkSession

# Its text, as a machine that does a partition need not have the file.
SCRIPT = shlex.join(["bash", "-c", pathlib.Path(__file__).with_name("pipe.sh").read_text()])
PASSED = ("PATH", "HOME", "XDG_DATA_HOME", "ORT_", "VISION_PIPE")


def unfinished(lines, paths):
    """Paths whose run has no good end in the records, with the error."""
    ends = lines.filter(lambda line: line.startswith(('{"type":"run"', '{"type":"summary"'))).map(json.loads).collect()
    uris = {record["run_id"]: record["input"]["uri"] for record in ends if record["type"] == "run"}
    errors = {uris[record["run_id"]]: record.get("error") for record in ends if record["type"] == "summary"}
    return {path: errors.get(path, "no records") for path in paths if errors.get(path, "no records")}


def main(listing, out, partitions=None):
    spark = SparkSession.builder.appName("vision-pipe").getOrCreate()
    context = spark.sparkContext
    with open(listing) as lines:
        paths = [line.rstrip("\n") for line in lines if line.strip()]

    # `pipe` starts with an empty environment: what the program needs to find its files, and its settings.
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
    videos = context.parallelize(paths, int(partitions or len(paths)))
    videos.pipe(SCRIPT, env=passed, checkCode=True).saveAsTextFile(out)

    records = spark.read.json(context.textFile(out))
    records.createOrReplaceTempView("records")
    spark.sql(
        "select p.class, count(*) as boxes, count(distinct source) as videos "
        "from records lateral view explode(predictions) as p where type = 'frame' group by 1 order by 2 desc, 1 limit 3"
    ).show()

    failed = unfinished(context.textFile(out), paths)
    for path, error in failed.items():
        print(f"failed: {path}: {error}")
    print(f"{len(paths)} videos, {len(failed)} failed")
    spark.stop()
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
