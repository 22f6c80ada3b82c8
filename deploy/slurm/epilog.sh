#!/bin/bash
# EpilogSlurmctld: ends the phase and the run that prolog.sh began. Once per job, on the controller's machine; the status is always 0.
trap 'exit 0' EXIT
set -uo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
say() { logger -t joulemark-slurm -- "job ${SLURM_JOB_ID:-?}: $*" 2>/dev/null || echo "joulemark: job ${SLURM_JOB_ID:-?}: $*" >&2; }

# shellcheck source=deploy/slurm/settings.sh
. "${BASH_SOURCE[0]%/*}/settings.sh" || say "settings.sh cannot be read"
[ -n "${SLURM_JOB_ID:-}" ] && [ -r "$state/$SLURM_JOB_ID" ] || { say "there is no run of this job"; exit; }
export STATE_DIRECTORY=$state
run=$(<"$state/$SLURM_JOB_ID")
mark=(phase job --run "$run" --end)
# Exit codes of the job's batch script; a job that failed measured something, but nothing that counts.
[ "${SLURM_JOB_EXIT_CODE:-0}" = 0 ] || mark+=(--aborted "job ended with ${SLURM_JOB_EXIT_CODE}")
timeout -k 2 "$patience_s" "$joulemark" run "${mark[@]}" >/dev/null 2>&1 || say "the end of run $run was not marked"
timeout -k 2 "$settle_s" "$joulemark" run stop "$run" >/dev/null 2>&1 || say "run $run was not stopped: joulemark run resend $run"
rm -f "$state/$SLURM_JOB_ID"
