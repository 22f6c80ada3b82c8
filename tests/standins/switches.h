/* Switches of a stand-in while it runs: files in one folder, looked at on every call. `switches.py` sets them.
 *
 *   lost    every device is gone          hang    calls do not come back
 *   steps   lines "t_ns milliwatt": the power of every device from that moment (UTC) on, in place of its wave
 */
#ifndef SWITCHES_H
#define SWITCHES_H
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define MAX_STEPS 4096

typedef struct {
    int64_t t_ns, milliwatt;
} Step;

static int switched(const char *folder, const char *name)
{
    char path[512];
    return folder && (snprintf(path, sizeof path, "%s/%s", folder, name), access(path, F_OK) == 0);
}

static void wait_while_hung(const char *folder)
{
    struct timespec pause = {0, 10000000};
    while (switched(folder, "hang"))
        nanosleep(&pause, NULL);
}

static int read_steps(const char *folder, Step *steps)
{
    char path[512];
    int n = 0;
    long long t_ns, milliwatt;
    if (!folder)
        return 0;
    snprintf(path, sizeof path, "%s/steps", folder);
    FILE *file = fopen(path, "r");
    while (file && n < MAX_STEPS && fscanf(file, "%lld %lld", &t_ns, &milliwatt) == 2)
        steps[n++] = (Step){t_ns, milliwatt};
    if (file)
        fclose(file);
    return n;
}

/* Power at t_ns by the steps, `otherwise` before the first. */
static int64_t stepped_power(const Step *steps, int n, int64_t t_ns, int64_t otherwise)
{
    for (int i = 0; i < n && steps[i].t_ns <= t_ns; i++)
        otherwise = steps[i].milliwatt;
    return otherwise;
}

/* Energy of the steps up to t_ns, in milliwatt x nanosecond; 0 before the first. */
static __int128 stepped_energy(const Step *steps, int n, int64_t t_ns)
{
    __int128 energy = 0;
    for (int i = 0; i < n && steps[i].t_ns < t_ns; i++) {
        int64_t end_ns = i + 1 < n && steps[i + 1].t_ns < t_ns ? steps[i + 1].t_ns : t_ns;
        energy += (__int128)steps[i].milliwatt * (end_ns - steps[i].t_ns);
    }
    return energy;
}
#endif
