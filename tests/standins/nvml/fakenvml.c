/* A stand-in libnvidia-ml.so.1: GPUs whose power is a known wave, read by the unmodified nvidia-ml-py through its own C interface.
 *
 * Every answer is a pure function of CLOCK_REALTIME and of the settings below, so a test knows the exact energy between any two
 * moments. Times are integer nanoseconds (UTC), power is integer milliwatts, energy is kept in milliwatt x nanosecond.
 *
 * Settings come from the environment and are read at each first nvmlInit (all names begin with STANDIN_NVML_):
 *
 *   GPUS            number of GPUs (1)               NAME             product name; the default says SIMULATED
 *   LOW_MW, HIGH_MW levels of the square wave        HALF_PERIOD_NS   time spent at each level; low comes first
 *   PHASE_NS        list a,b,c: added to the time that GPU 0, 1, 2 sees
 *   TRACE           file of lines "gpu,t_ns,milliwatt" (gpu -1: every GPU; t_ns from ORIGIN_NS), linear between points, in place of the wave
 *   ORIGIN_NS       when the driver was loaded: the counters begin there
 *   ENERGY_STEP_NS  refresh step of the energy counter (100 ms)
 *   POWER_STEP_NS   refresh step of the power fields (0: continuous)
 *   INSTANT_NS      averaging window of instant power (0: none); 25 ms with a step of 100 ms is the duty of an H100
 *   AVERAGE_NS      averaging window of average power (1 s)
 *   STAMP           "sample": a field is dated when it was refreshed; "query": when it was asked for
 *   ARCHITECTURE    NVML_DEVICE_ARCH_* (9, Hopper)   CALL_NS          what one call costs
 *   MIG             1: MIG is on, on GPU 0           LOST             "gpu:t_ns": that GPU is lost from then on (-1: all of them)
 *   RELOAD_NS       when the driver is loaded anew: the counters begin again at 0
 *   FOUND_NS        when the lost GPU is back, for whoever calls the first nvmlInit after it; old handles stay lost
 *   UNSUPPORTED     list of field ids answered with NOT_SUPPORTED
 *   SENTINEL        list of field ids answered with all bits set
 *   WITNESSES       1: temperature, utilization and clocks event reasons are told; 2: temperature alone (0)
 *   CELSIUS         temperature (45)                 REASONS          bits of the clocks event reasons (0)
 *   SWITCHES        folder of switches.h; a lost GPU is found by whoever calls the first nvmlInit after it, as with FOUND_NS
 *
 * Compiled with -DWITHOUT_FIELD_VALUES the symbol nvmlDeviceGetFieldValues is absent, as in drivers that are older than it.
 */
#define _GNU_SOURCE
#include "../switches.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_GPUS 16
#define MAX_POINTS 4096
#define MAX_FIELDS 16
#define NS_PER_S 1000000000LL

typedef enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    GPU_IS_LOST = 15,
} Return;

enum { TYPE_UNSIGNED_INT = 1, TYPE_UNSIGNED_LONG_LONG = 3 };
enum { FIELD_TOTAL_ENERGY = 83, FIELD_POWER_AVERAGE = 185, FIELD_POWER_INSTANT = 186 };

typedef __int128 Energy; /* milliwatt x nanosecond: 64 bits hold only a day of 100 W */

typedef union {
    double d;
    unsigned int ui;
    unsigned long long ull;
} Value;

typedef struct {
    uint32_t field, scope;
    int64_t timestamp_us, latency_us;
    unsigned int type;
    Return result;
    Value value;
} FieldValue;

typedef struct {
    int64_t t_ns, milliwatt;
    Energy before; /* from the first point up to this one */
} Point;

typedef struct {
    int index, points;
    int64_t phase_ns;
    Point point[MAX_POINTS];
    char uuid[48], serial[24];
} Gpu;

static struct {
    int gpus, mig, stamp_query, lost_gpu, architecture, witnesses;
    int64_t low_mw, high_mw, half_period_ns, origin_ns, energy_step_ns, power_step_ns, instant_ns, average_ns;
    int64_t lost_ns, reload_ns, call_ns;
    int unsupported[MAX_FIELDS], unsupported_count, sentinel[MAX_FIELDS], sentinel_count;
    char name[96];
    const char *switches;
} config;

static Gpu gpu_table[MAX_GPUS];
static int users;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int inside;
static atomic_llong call_count, overlap_count;

/* ---- settings ---- */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static const char *setting(const char *name)
{
    char full[64];
    snprintf(full, sizeof full, "STANDIN_NVML_%s", name);
    const char *text = getenv(full);
    return text && *text ? text : NULL;
}

static int64_t number(const char *name, int64_t otherwise)
{
    const char *text = setting(name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

static int numbers(const char *name, int64_t *out, int room)
{
    const char *text = setting(name);
    int n = 0;
    while (text && *text && n < room) {
        char *end;
        out[n++] = strtoll(text, &end, 10);
        text = *end == ',' ? end + 1 : NULL;
    }
    return n;
}

static int fields(const char *name, int *out)
{
    int64_t found[MAX_FIELDS];
    int n = numbers(name, found, MAX_FIELDS);
    for (int i = 0; i < n; i++)
        out[i] = (int)found[i];
    return n;
}

static void add_point(Gpu *gpu, int64_t t_ns, int64_t milliwatt)
{
    if (gpu->points == MAX_POINTS)
        return;
    Point *point = &gpu->point[gpu->points];
    *point = (Point){t_ns, milliwatt, 0};
    if (gpu->points++) {
        const Point *last = point - 1;
        point->before = last->before + (Energy)(last->milliwatt + milliwatt) * (t_ns - last->t_ns) / 2;
    }
}

static void read_trace(const char *path)
{
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[128];
    int gpu;
    long long t_ns, milliwatt;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%d,%lld,%lld", &gpu, &t_ns, &milliwatt) == 3)
            for (int i = 0; i < config.gpus; i++)
                if (gpu < 0 || gpu == i)
                    add_point(&gpu_table[i], t_ns, milliwatt);
    if (file)
        fclose(file);
}

static void configure(void)
{
    memset(&config, 0, sizeof config);
    config.gpus = (int)number("GPUS", 1);
    if (config.gpus > MAX_GPUS)
        config.gpus = MAX_GPUS;
    config.low_mw = number("LOW_MW", 100000);
    config.high_mw = number("HIGH_MW", 650000);
    config.half_period_ns = number("HALF_PERIOD_NS", NS_PER_S);
    config.origin_ns = number("ORIGIN_NS", 0);
    config.energy_step_ns = number("ENERGY_STEP_NS", 100000000);
    config.power_step_ns = number("POWER_STEP_NS", 0);
    config.instant_ns = number("INSTANT_NS", 0);
    config.average_ns = number("AVERAGE_NS", NS_PER_S);
    config.call_ns = number("CALL_NS", 0);
    config.mig = (int)number("MIG", 0);
    config.witnesses = (int)number("WITNESSES", 0);
    config.architecture = (int)number("ARCHITECTURE", 9);
    config.reload_ns = number("RELOAD_NS", 0);
    config.stamp_query = setting("STAMP") && !strcmp(setting("STAMP"), "query");
    config.unsupported_count = fields("UNSUPPORTED", config.unsupported);
    config.sentinel_count = fields("SENTINEL", config.sentinel);
    snprintf(config.name, sizeof config.name, "%s", setting("NAME") ? setting("NAME") : "SIMULATED NVIDIA H100 80GB HBM3");
    config.switches = setting("SWITCHES");
    const char *lost = setting("LOST");
    long long lost_ns = INT64_MAX;
    if (lost)
        sscanf(lost, "%d:%lld", &config.lost_gpu, &lost_ns);
    int64_t found_ns = number("FOUND_NS", INT64_MAX);
    config.lost_ns = now_ns() >= found_ns ? INT64_MAX : lost_ns;

    int64_t phase_ns[MAX_GPUS] = {0};
    numbers("PHASE_NS", phase_ns, MAX_GPUS);
    for (int i = 0; i < config.gpus; i++) {
        Gpu *gpu = &gpu_table[i];
        gpu->index = i;
        gpu->points = 0;
        gpu->phase_ns = phase_ns[i];
        snprintf(gpu->uuid, sizeof gpu->uuid, "GPU-51a0d111-0000-4000-8000-%012d", i);
        snprintf(gpu->serial, sizeof gpu->serial, "SIM%09d", i);
    }
    read_trace(setting("TRACE"));
}

/* ---- the load: power, and its exact integral ---- */

static int64_t round_down(int64_t t_ns, int64_t step_ns)
{
    return step_ns > 0 ? t_ns - t_ns % step_ns : t_ns;
}

static const Point *point_before(const Gpu *gpu, int64_t t_ns)
{
    int low = 0, high = gpu->points - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (gpu->point[middle].t_ns <= t_ns)
            low = middle;
        else
            high = middle - 1;
    }
    return &gpu->point[low];
}

/* Held at the first and the last point outside the trace. */
static int64_t trace_power(const Gpu *gpu, int64_t t_ns)
{
    const Point *a = point_before(gpu, t_ns), *b = a + 1;
    if (t_ns <= a->t_ns || b == gpu->point + gpu->points || b->t_ns == a->t_ns)
        return a->milliwatt;
    return a->milliwatt + (int64_t)((Energy)(b->milliwatt - a->milliwatt) * (t_ns - a->t_ns) / (b->t_ns - a->t_ns));
}

static Energy trace_energy(const Gpu *gpu, int64_t t_ns)
{
    const Point *a = point_before(gpu, t_ns);
    return a->before + (Energy)(a->milliwatt + trace_power(gpu, t_ns)) * (t_ns - a->t_ns) / 2;
}

static int64_t own_power(const Gpu *gpu, int64_t t_ns)
{
    if (gpu->points)
        return trace_power(gpu, t_ns - config.origin_ns);
    int high = (t_ns + gpu->phase_ns) / config.half_period_ns % 2;
    return high ? config.high_mw : config.low_mw;
}

/* From a fixed moment up to t_ns; only differences mean something. */
static Energy own_energy(const Gpu *gpu, int64_t t_ns)
{
    if (gpu->points)
        return trace_energy(gpu, t_ns - config.origin_ns);
    int64_t t = t_ns + gpu->phase_ns, half = config.half_period_ns;
    int64_t rest = t % (2 * half);
    int64_t high_ns = t / (2 * half) * half + (rest > half ? rest - half : 0);
    return (Energy)config.low_mw * t + (Energy)(config.high_mw - config.low_mw) * high_ns;
}

/* The same with the power that the switches set, from the first of their steps on. */
static int64_t power_at(const Gpu *gpu, int64_t t_ns)
{
    Step steps[MAX_STEPS];
    return stepped_power(steps, read_steps(config.switches, steps), t_ns, own_power(gpu, t_ns));
}

static Energy energy_at(const Gpu *gpu, int64_t t_ns)
{
    Step steps[MAX_STEPS];
    int n = read_steps(config.switches, steps);
    return own_energy(gpu, n && steps[0].t_ns < t_ns ? steps[0].t_ns : t_ns) + stepped_energy(steps, n, t_ns);
}

static unsigned int mean_power(const Gpu *gpu, int64_t end_ns, int64_t window_ns)
{
    if (window_ns <= 0)
        return (unsigned int)power_at(gpu, end_ns);
    return (unsigned int)((energy_at(gpu, end_ns) - energy_at(gpu, end_ns - window_ns)) / window_ns);
}

static unsigned long long counter_mj(const Gpu *gpu, int64_t now_ns)
{
    int64_t loaded_ns = config.reload_ns && now_ns >= config.reload_ns ? config.reload_ns : config.origin_ns;
    int64_t t_ns = round_down(now_ns, config.energy_step_ns);
    return t_ns <= loaded_ns ? 0 : (unsigned long long)((energy_at(gpu, t_ns) - energy_at(gpu, loaded_ns)) / NS_PER_S);
}

/* ---- the interface ---- */

/* What the stand-in counts of itself: calls on a GPU, and those that began while another one was under way. */
long long standin_call_count(void)
{
    return call_count;
}

long long standin_overlap_count(void)
{
    return overlap_count;
}

/* What every call on a GPU does first: cost its time, then say whether the GPU can answer. */
static Return enter(const Gpu *gpu)
{
    if (!users)
        return UNINITIALIZED;
    if (!gpu)
        return INVALID_ARGUMENT;
    call_count++;
    overlap_count += inside++ > 0;
    if (config.call_ns > 0) {
        struct timespec cost = {config.call_ns / NS_PER_S, config.call_ns % NS_PER_S};
        nanosleep(&cost, NULL);
    }
    inside--;
    wait_while_hung(config.switches);
    if (switched(config.switches, "lost"))
        config.lost_gpu = -1, config.lost_ns = 0; /* until the library is initialised anew */
    int lost = (config.lost_gpu < 0 || config.lost_gpu == gpu->index) && now_ns() >= config.lost_ns;
    return lost ? GPU_IS_LOST : SUCCESS;
}

#define ENTER(gpu)                     \
    do {                               \
        Return entered = enter(gpu);   \
        if (entered != SUCCESS)        \
            return entered;            \
    } while (0)

Return nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    pthread_mutex_lock(&lock);
    if (!users++)
        configure();
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

Return nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

Return nvmlShutdown(void)
{
    pthread_mutex_lock(&lock);
    Return result = users ? SUCCESS : UNINITIALIZED;
    users -= users > 0;
    pthread_mutex_unlock(&lock);
    return result;
}

const char *nvmlErrorString(Return result)
{
    return result == SUCCESS ? "Success" : "Error of the stand-in driver";
}

Return nvmlSystemGetDriverVersion(char *out, unsigned int length)
{
    snprintf(out, length, "575.57.08-SIMULATED");
    return SUCCESS;
}

Return nvmlSystemGetNVMLVersion(char *out, unsigned int length)
{
    snprintf(out, length, "12.575.57.08");
    return SUCCESS;
}

Return nvmlDeviceGetCount_v2(unsigned int *count)
{
    if (!users)
        return UNINITIALIZED;
    *count = (unsigned int)config.gpus;
    return SUCCESS;
}

Return nvmlDeviceGetHandleByIndex_v2(unsigned int index, Gpu **gpu)
{
    if (!users)
        return UNINITIALIZED;
    if (index >= (unsigned int)config.gpus)
        return INVALID_ARGUMENT;
    *gpu = &gpu_table[index];
    return SUCCESS;
}

Return nvmlDeviceGetName(Gpu *gpu, char *out, unsigned int length)
{
    ENTER(gpu);
    snprintf(out, length, "%s", config.name);
    return SUCCESS;
}

Return nvmlDeviceGetUUID(Gpu *gpu, char *out, unsigned int length)
{
    ENTER(gpu);
    snprintf(out, length, "%s", gpu->uuid);
    return SUCCESS;
}

Return nvmlDeviceGetVbiosVersion(Gpu *gpu, char *text, unsigned int length)
{
    ENTER(gpu);
    snprintf(text, length, "96.00.74.00.01");
    return SUCCESS;
}

Return nvmlDeviceGetSerial(Gpu *gpu, char *out, unsigned int length)
{
    ENTER(gpu);
    snprintf(out, length, "%s", gpu->serial);
    return SUCCESS;
}

Return nvmlDeviceGetArchitecture(Gpu *gpu, unsigned int *architecture)
{
    ENTER(gpu);
    *architecture = (unsigned int)config.architecture;
    return SUCCESS;
}

Return nvmlDeviceGetMigMode(Gpu *gpu, unsigned int *current, unsigned int *pending)
{
    ENTER(gpu);
    *current = *pending = config.mig && gpu->index == 0;
    return SUCCESS;
}

Return nvmlDeviceGetPowerManagementLimitConstraints(Gpu *gpu, unsigned int *least, unsigned int *most)
{
    ENTER(gpu);
    *least = 200000;
    *most = 700000;
    return SUCCESS;
}

Return nvmlDeviceGetEnforcedPowerLimit(Gpu *gpu, unsigned int *limit)
{
    ENTER(gpu);
    *limit = 700000;
    return SUCCESS;
}

Return nvmlDeviceGetPowerUsage(Gpu *gpu, unsigned int *milliwatt)
{
    ENTER(gpu);
    *milliwatt = mean_power(gpu, round_down(now_ns(), config.power_step_ns), config.average_ns);
    return SUCCESS;
}

Return nvmlDeviceGetTotalEnergyConsumption(Gpu *gpu, unsigned long long *millijoule)
{
    ENTER(gpu);
    *millijoule = counter_mj(gpu, now_ns());
    return SUCCESS;
}

Return nvmlDeviceGetTemperature(Gpu *gpu, int sensor, unsigned int *celsius)
{
    ENTER(gpu);
    *celsius = (unsigned int)number("CELSIUS", 45);
    return config.witnesses && sensor == 0 ? SUCCESS : NOT_SUPPORTED;
}

/* Busy in the upper half of the wave, as its power is. */
Return nvmlDeviceGetUtilizationRates(Gpu *gpu, unsigned int *rates)
{
    ENTER(gpu);
    rates[0] = 2 * (int64_t)mean_power(gpu, now_ns(), 0) > config.low_mw + config.high_mw ? 100 : 0;
    rates[1] = 0;
    return config.witnesses == 1 ? SUCCESS : NOT_SUPPORTED;
}

Return nvmlDeviceGetCurrentClocksEventReasons(Gpu *gpu, unsigned long long *reasons)
{
    ENTER(gpu);
    *reasons = (unsigned long long)number("REASONS", 0);
    return config.witnesses == 1 ? SUCCESS : NOT_SUPPORTED;
}

/* ---- what other collectors ask beside, answered so that they need not take the way of an error ---- */

typedef struct {
    char bus_id_legacy[16];
    unsigned int domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
} PciInfo;

Return nvmlDeviceGetPciInfo_v3(Gpu *gpu, PciInfo *out)
{
    ENTER(gpu);
    *out = (PciInfo){.bus = (unsigned int)gpu->index + 1};
    snprintf(out->bus_id, sizeof out->bus_id, "00000000:%02X:00.0", out->bus);
    return SUCCESS;
}

Return nvmlDeviceGetMemoryInfo(Gpu *gpu, unsigned long long *total_free_used)
{
    ENTER(gpu);
    total_free_used[0] = 80ULL << 30, total_free_used[1] = 60ULL << 30, total_free_used[2] = 20ULL << 30;
    return SUCCESS;
}

static Return idle_engine(const Gpu *gpu, unsigned int *percent, unsigned int *period_us)
{
    ENTER(gpu);
    *percent = 0, *period_us = 100000;
    return SUCCESS;
}

Return nvmlDeviceGetDecoderUtilization(Gpu *gpu, unsigned int *percent, unsigned int *period_us)
{
    return idle_engine(gpu, percent, period_us);
}

Return nvmlDeviceGetEncoderUtilization(Gpu *gpu, unsigned int *percent, unsigned int *period_us)
{
    return idle_engine(gpu, percent, period_us);
}

Return nvmlDeviceGetJpgUtilization(Gpu *gpu, unsigned int *percent, unsigned int *period_us)
{
    return idle_engine(gpu, percent, period_us);
}

Return nvmlDeviceGetViolationStatus(Gpu *gpu, int policy, unsigned long long *reference_and_violation_ns)
{
    ENTER(gpu);
    (void)policy;
    reference_and_violation_ns[0] = reference_and_violation_ns[1] = 0;
    return SUCCESS;
}

Return nvmlDeviceGetC2cModeInfoV(Gpu *gpu, unsigned int *enabled)
{
    ENTER(gpu);
    *enabled = 0;
    return SUCCESS;
}

#ifndef WITHOUT_FIELD_VALUES
static int listed(const int *list, int count, int field)
{
    for (int i = 0; i < count; i++)
        if (list[i] == field)
            return 1;
    return 0;
}

static void answer(const Gpu *gpu, FieldValue *out, int64_t now)
{
    int64_t power_ns = round_down(now, config.power_step_ns), stamp_ns = power_ns;
    out->latency_us = config.call_ns / 1000;
    out->result = listed(config.unsupported, config.unsupported_count, (int)out->field) ? NOT_SUPPORTED : SUCCESS;
    out->type = TYPE_UNSIGNED_INT;
    out->value.ull = 0;
    switch (out->field) {
    case FIELD_POWER_INSTANT:
        out->value.ui = mean_power(gpu, power_ns, config.instant_ns);
        break;
    case FIELD_POWER_AVERAGE:
        out->value.ui = mean_power(gpu, power_ns, config.average_ns);
        break;
    case FIELD_TOTAL_ENERGY:
        out->type = TYPE_UNSIGNED_LONG_LONG;
        out->value.ull = counter_mj(gpu, now);
        stamp_ns = round_down(now, config.energy_step_ns);
        break;
    default:
        out->result = NOT_SUPPORTED;
    }
    if (listed(config.sentinel, config.sentinel_count, (int)out->field))
        memset(&out->value, 0xFF, sizeof out->value);
    out->timestamp_us = (config.stamp_query ? now : stamp_ns) / 1000;
}

Return nvmlDeviceGetFieldValues(Gpu *gpu, int count, FieldValue *values)
{
    ENTER(gpu);
    if (count <= 0 || !values)
        return INVALID_ARGUMENT;
    int64_t now = now_ns();
    for (int i = 0; i < count; i++)
        answer(gpu, &values[i], now);
    return SUCCESS;
}
#endif
