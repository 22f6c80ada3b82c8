#!/bin/bash
# Settings of prolog.sh and epilog.sh, which read this file from their own folder. slurmctld hands them variables of the job alone: nothing
# of its own environment reaches them, not even a PATH. The file must belong to root.
# shellcheck disable=SC2034
joulemark=/opt/joulemark/bin/joulemark
# What the epilog has to know, and marks that a collector did not take. Belongs to SlurmUser.
state=/var/spool/slurm/joulemark
# Seconds that a mark may wait for the collector: two steps at the begin of a job, one at its end; all of it within PrologEpilogTimeout.
patience_s=20
# Seconds that the end of the run may take, which is sent at once and then waits for the last readings of the agents.
settle_s=60
# A collector on another machine: a file with [client] and [tls], readable by SlurmUser.
# export JOULEMARK_CONFIG=/etc/joulemark/client.toml
