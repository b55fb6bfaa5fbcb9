"""Checks job.yaml without a cluster, and plays it: check.py job.yaml [VIDEOS RECORDS]

The form is judged by the schema of Kubernetes' API (1.33 and later) with no unknown field, and by the rules that the
schema only has in words. With folders, every index then runs here as the Job's controller would run it: the program
($VISION_PIPE) with the container's arguments, /videos and /records replaced; exit codes decide by podFailurePolicy.
The first pod that has computed for half a second is ended with SIGKILL.
"""

import os
import signal
import subprocess
import sys
import time

import kubernetes_validate
import yaml

VERSIONS = [v for v in dict.fromkeys(kubernetes_validate.utils.all_versions()) if int(v.split(".")[1]) >= 33]


def check(job):
    for version in VERSIONS:
        kubernetes_validate.validate(job, version, strict=True)
    spec = job["spec"]
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never", "podFailurePolicy needs it"
    assert spec["completionMode"] == "Indexed" and spec["backoffLimitPerIndex"] >= 0
    assert spec["maxFailedIndexes"] <= spec["completions"]
    names = [container["name"] for container in pod["containers"]]
    for rule in spec["podFailurePolicy"]["rules"]:
        assert ("onExitCodes" in rule) != ("onPodConditions" in rule), "exactly one of both"
        codes = rule.get("onExitCodes", {"values": [1], "operator": "In"})
        values = codes["values"]
        assert values == sorted(set(values)) and values[-1] < 256 and len(values) < 256
        assert codes["operator"] != "In" or 0 not in values, "0 is no failure"
        assert codes.get("containerName", names[0]) in names
    arguments = pod["containers"][0]["args"]
    assert arguments[arguments.index("--shard") + 1] == f"auto/{spec['completions']}", "every shard has an index"
    print(f"job.yaml is a Job by the schemas of Kubernetes {', '.join(VERSIONS)}")


def action(job, code):
    """What the controller does with a pod that ended so."""
    for rule in job["spec"]["podFailurePolicy"]["rules"]:
        codes = rule.get("onExitCodes")
        if codes and (code in codes["values"]) == (codes["operator"] == "In"):
            return rule["action"]
    return "Count"


def pod(job, index, folders, kill):
    """Runs one pod of an index; its exit code as a container has it."""
    arguments = list(job["spec"]["template"]["spec"]["containers"][0]["args"])
    for mount, folder in folders.items():
        arguments = [folder + a[len(mount) :] if a.startswith(mount) else a for a in arguments]
    environment = os.environ | {"JOB_COMPLETION_INDEX": str(index)}
    program = subprocess.Popen([os.environ.get("VISION_PIPE", "vision-pipe"), *arguments], env=environment)
    while kill and program.poll() is None:
        with open(f"/proc/{program.pid}/stat") as stat:
            ticks = int(stat.read().rpartition(")")[2].split()[11])
        if ticks > 50:
            program.send_signal(signal.SIGKILL)
            kill = False
        time.sleep(0.05)
    code = program.wait(600)
    return 128 - code if code < 0 else code


def play(job, folders):
    spec = job["spec"]
    completed, failed, killed = [], [], False
    for index in range(spec["completions"]):
        tries = 0
        while True:
            code = pod(job, index, folders, not killed)
            killed |= code == 137
            said = "Complete" if code == 0 else action(job, code)
            print(f"index {index}: exit {code}: {said}", flush=True)
            tries += said == "Count"
            if said == "Complete":
                completed.append(index)
            if said == "FailIndex" or tries > spec["backoffLimitPerIndex"]:
                failed.append(index)
            if said != "Ignore" and (said != "Count" or tries > spec["backoffLimitPerIndex"]):
                break
        assert len(failed) <= spec["maxFailedIndexes"], "the Job fails: MaxFailedIndexesExceeded"
    assert killed, "no pod computed for long enough to be killed"
    print(f"completedIndexes {completed}, failedIndexes {failed}")


def main(manifest, *folders):
    with open(manifest) as text:
        job = yaml.safe_load(text)
    check(job)
    if folders:
        play(job, {"/videos": folders[0], "/records": folders[1]})


if __name__ == "__main__":
    main(*sys.argv[1:])
