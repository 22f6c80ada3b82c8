/* A host whose crystal is off: CLOCK_BOOTTIME and CLOCK_REALTIME gain CRYSTAL_PPM since the boot time CRYSTAL_SINCE_NS.
 *
 * Preloaded before libfaketime, which gives CLOCK_REALTIME an offset and steps. libfaketime alone cannot play such a host: what it does to
 * monotonic clocks hangs every timed wait, and its clock_nanosleep refuses absolute times, so that one goes to the kernel.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

static long long number(const char *name) {
    const char *text = getenv(name);
    return text ? atoll(text) : 0;
}

static long long gained_ns(void) {
    struct timespec boot;
    syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &boot);
    return (boot.tv_sec * NS_PER_S + boot.tv_nsec - number("CRYSTAL_SINCE_NS")) / 1000 * number("CRYSTAL_PPM") / 1000;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next)
        next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = next(clock, at);
    if (failed || (clock != CLOCK_BOOTTIME && clock != CLOCK_REALTIME))
        return failed;
    long long ns = at->tv_nsec + gained_ns();
    long long carry = ns / NS_PER_S - (ns % NS_PER_S < 0);
    at->tv_sec += carry;
    at->tv_nsec = ns - carry * NS_PER_S;
    return 0;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) ? errno : 0;
}
