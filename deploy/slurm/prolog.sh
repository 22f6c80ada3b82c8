#!/bin/bash
# PrologSlurmctld: one run for each job, with a phase that lasts as long as the job does. Once per job, on the controller's machine.
# It must not keep a job from starting: whatever goes wrong is told to the log, and the status is 0, also when settings.sh is wrong.
trap 'exit 0' EXIT
set -uo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
say() { logger -t joulemark-slurm -- "job ${SLURM_JOB_ID:-?}: $*" 2>/dev/null || echo "joulemark: job ${SLURM_JOB_ID:-?}: $*" >&2; }
short() { local text=${1//[^[:print:]]/?}; printf '%s' "${text:0:900}"; }

# shellcheck source=deploy/slurm/settings.sh
. "${BASH_SOURCE[0]%/*}/settings.sh" || say "settings.sh cannot be read"
[ -n "${SLURM_JOB_ID:-}" ] || { say "SLURM_JOB_ID is not set: nothing is marked"; exit; }
umask 077
mkdir -p "$state" || { say "cannot write $state"; exit; }
export STATE_DIRECTORY=$state
errors=$state/$SLURM_JOB_ID.errors
run=$(timeout -k 2 "$patience_s" "$joulemark" run start --name "slurm $(short "${SLURM_JOB_NAME:-job}")" \
  --label "slurm_job_id=${SLURM_JOB_ID}" \
  --label "slurm_nodes=$(short "${SLURM_JOB_NODELIST:-}")" \
  --label "slurm_user=$(short "${SLURM_JOB_USER:-}")" \
  --label "slurm_account=$(short "${SLURM_JOB_ACCOUNT:-}")" \
  --label "slurm_partition=$(short "${SLURM_JOB_PARTITION:-}")" 2>"$errors")
status=$?
why=$(tail -n 1 "$errors")
rm -f "$errors"
[ $status = 0 ] || { say "no run: $why"; exit; }
printf '%s\n' "$run" >"$state/$SLURM_JOB_ID" || {
  say "cannot write $state: run $run is stopped"
  timeout -k 2 "$patience_s" "$joulemark" run stop "$run" >/dev/null 2>&1
  exit
}
timeout -k 2 "$patience_s" "$joulemark" run phase job --run "$run" --begin >/dev/null 2>&1 || say "the begin of run $run was not marked"
