#!/bin/bash
# EpilogSlurmctld: ends the phase and the run that prolog.sh began. Once per job, on the controller's machine; the status is always 0.
set -uo pipefail
state=${JOULEMARK_SLURM_STATE:-/var/spool/slurm/joulemark}
joulemark=${JOULEMARK:-/opt/joulemark/bin/joulemark}
say() { logger -t joulemark-slurm -- "job ${SLURM_JOB_ID:-?}: $*" 2>/dev/null || echo "joulemark: job ${SLURM_JOB_ID:-?}: $*" >&2; }

[ -n "${SLURM_JOB_ID:-}" ] && [ -r "$state/$SLURM_JOB_ID" ] || { say "there is no run of this job"; exit 0; }
run=$(<"$state/$SLURM_JOB_ID")
aborted=()
# Exit codes of the job's batch script; a job that failed measured something, but nothing that counts.
[ "${SLURM_JOB_EXIT_CODE:-0}" = 0 ] || aborted=(--aborted "job ended with ${SLURM_JOB_EXIT_CODE}")
timeout 20 "$joulemark" run phase job --run "$run" --end "${aborted[@]}" >/dev/null 2>&1 || say "the end of run $run was not marked"
timeout 60 "$joulemark" run stop "$run" >/dev/null 2>&1 || say "run $run was not stopped"
rm -f "$state/$SLURM_JOB_ID"
exit 0
