#!/bin/bash
# PrologSlurmctld: one run for each job, with a phase that lasts as long as the job does. Once per job, on the controller's machine.
# It must not keep a job from starting: whatever goes wrong is told to the log, and the status is 0.
set -uo pipefail
state=${JOULEMARK_SLURM_STATE:-/var/spool/slurm/joulemark}
joulemark=${JOULEMARK:-/opt/joulemark/bin/joulemark}
say() { logger -t joulemark-slurm -- "job ${SLURM_JOB_ID:-?}: $*" 2>/dev/null || echo "joulemark: job ${SLURM_JOB_ID:-?}: $*" >&2; }

[ -n "${SLURM_JOB_ID:-}" ] || { say "SLURM_JOB_ID is not set: nothing is marked"; exit 0; }
umask 077
mkdir -p "$state" || { say "cannot write $state"; exit 0; }
name=${SLURM_JOB_NAME:-job}
run=$(timeout 20 "$joulemark" run start --name "slurm ${name}" \
  --label "slurm_job_id=${SLURM_JOB_ID}" \
  --label "slurm_nodes=${SLURM_JOB_NODELIST:-}" \
  --label "slurm_user=${SLURM_JOB_USER:-}" \
  --label "slurm_account=${SLURM_JOB_ACCOUNT:-}" \
  --label "slurm_partition=${SLURM_JOB_PARTITION:-}" 2>&1) || { say "no run: $run"; exit 0; }
run=${run##*$'\n'}
printf '%s\n' "$run" >"$state/$SLURM_JOB_ID"
timeout 20 "$joulemark" run phase job --run "$run" --begin >/dev/null 2>&1 || say "the begin of run $run was not marked"
exit 0
