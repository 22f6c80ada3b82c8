/* A stand-in libamd_smi.so: GPUs whose power is a known wave, read by the unmodified Python package amdsmi through its C interface.
 *
 * Every answer is a pure function of CLOCK_REALTIME and of the settings below, so a test knows the exact energy between any two
 * moments. Times are integer nanoseconds (UTC), power is integer milliwatts, energy is kept in milliwatt x nanosecond. As in the real
 * library, amdsmi_init twice is one initialisation, and one amdsmi_shut_down ends it.
 *
 * Settings come from the environment and are read at amdsmi_init (all names begin with STANDIN_AMD_). Lists have one entry per GPU:
 *
 *   GPUS            number of GPUs (1)                NAME             market name; the default says SIMULATED
 *   LOW_MW, HIGH_MW levels of the square wave         HALF_PERIOD_NS   time spent at each level; low comes first
 *   ORIGIN_NS       when the driver was loaded: the counters begin there
 *   ENERGY_STEP_NS  refresh step of the energy counter (1 ms)
 *   RESOLUTION      microjoules per count (15.3)
 *   CURRENT         list of watts of current_socket_power; -1: the wave
 *   AVERAGE         list of watts of average_socket_power (65535, the library's mark for none); -1: the wave
 *   ACCUMULATOR     list of counts; -2: the wave
 *   STAMP_NS        time stamp of the counter; the default is CLOCK_BOOTTIME, as the kernel driver gives it
 *   FROZEN_NS       when the counters stop counting
 *   LOST            "gpu:t_ns": that GPU is lost from then on (-1: all of them)
 *   ERROR_INIT, ERROR_LIST, ERROR_POWER, ERROR_ENERGY, ERROR_LOST (31)   status codes in place of an answer
 *   CALL_NS         what one call costs               SWITCHES         folder of switches.h
 *   SERIAL          text of asic_serial
 */
#define _GNU_SOURCE
#include "../switches.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GPUS 16
#define NS_PER_S 1000000000LL

typedef enum { SUCCESS = 0, INVAL = 1, NOT_FOUND = 31, NOT_INIT = 32 } Status;
typedef __int128 Energy; /* milliwatt x nanosecond */

typedef struct {
    int index, lost;
    int64_t lost_ns, current_w, average_w, accumulator;
} Gpu;

static struct {
    int gpus, error_init, error_list, error_power, error_energy, error_lost;
    int64_t low_mw, high_mw, half_period_ns, origin_ns, energy_step_ns, frozen_ns, call_ns, stamp_ns;
    float resolution;
    char name[256], serial[64];
    const char *switches;
} config;

static Gpu gpu_table[MAX_GPUS];
static int initialised;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- settings ---- */

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static const char *setting(const char *name)
{
    char full[64];
    snprintf(full, sizeof full, "STANDIN_AMD_%s", name);
    const char *text = getenv(full);
    return text && *text ? text : NULL;
}

static int64_t number(const char *name, int64_t otherwise)
{
    const char *text = setting(name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

/* Entry i of a list; numbers above INT64_MAX keep their bits. */
static int64_t entry(const char *name, int i, int64_t otherwise)
{
    const char *text = setting(name);
    for (; text && i > 0; i--)
        text = strchr(text, ',') ? strchr(text, ',') + 1 : NULL;
    return text ? (*text == '-' ? strtoll(text, NULL, 10) : (int64_t)strtoull(text, NULL, 10)) : otherwise;
}

static void configure(void)
{
    config.gpus = (int)number("GPUS", 1);
    if (config.gpus > MAX_GPUS)
        config.gpus = MAX_GPUS;
    config.error_init = (int)number("ERROR_INIT", 0);
    config.error_list = (int)number("ERROR_LIST", 0);
    config.error_power = (int)number("ERROR_POWER", 0);
    config.error_energy = (int)number("ERROR_ENERGY", 0);
    config.error_lost = (int)number("ERROR_LOST", NOT_FOUND);
    config.low_mw = number("LOW_MW", 90000);
    config.high_mw = number("HIGH_MW", 500000);
    config.half_period_ns = number("HALF_PERIOD_NS", NS_PER_S);
    config.origin_ns = number("ORIGIN_NS", 0);
    config.energy_step_ns = number("ENERGY_STEP_NS", 1000000);
    config.frozen_ns = number("FROZEN_NS", INT64_MAX);
    config.call_ns = number("CALL_NS", 0);
    config.stamp_ns = number("STAMP_NS", 0);
    config.resolution = strtof(setting("RESOLUTION") ? setting("RESOLUTION") : "15.3", NULL);
    config.switches = setting("SWITCHES");
    snprintf(config.name, sizeof config.name, "%s", setting("NAME") ? setting("NAME") : "SIMULATED AMD Instinct MI300X");
    snprintf(config.serial, sizeof config.serial, "%s", setting("SERIAL") ? setting("SERIAL") : "5A1D");
    int lost_gpu = -2;
    long long lost_ns = INT64_MAX;
    if (setting("LOST"))
        sscanf(setting("LOST"), "%d:%lld", &lost_gpu, &lost_ns);
    for (int i = 0; i < config.gpus; i++)
        gpu_table[i] = (Gpu){
            .index = i,
            .lost = lost_gpu == -1 || lost_gpu == i,
            .lost_ns = lost_ns,
            .current_w = entry("CURRENT", i, -1),
            .average_w = entry("AVERAGE", i, 65535),
            .accumulator = entry("ACCUMULATOR", i, -2),
        };
}

/* ---- the load: power, and its exact integral ---- */

static int64_t wave_power(int64_t t_ns)
{
    return t_ns / config.half_period_ns % 2 ? config.high_mw : config.low_mw;
}

static Energy wave_energy(int64_t t_ns)
{
    int64_t half = config.half_period_ns, rest = t_ns % (2 * half);
    int64_t high_ns = t_ns / (2 * half) * half + (rest > half ? rest - half : 0);
    return (Energy)config.low_mw * t_ns + (Energy)(config.high_mw - config.low_mw) * high_ns;
}

static int64_t power_at(int64_t t_ns)
{
    Step steps[MAX_STEPS];
    return stepped_power(steps, read_steps(config.switches, steps), t_ns, wave_power(t_ns));
}

static Energy energy_at(int64_t t_ns)
{
    Step steps[MAX_STEPS];
    int n = read_steps(config.switches, steps);
    int64_t wave_end_ns = n && steps[0].t_ns < t_ns ? steps[0].t_ns : t_ns;
    return wave_energy(wave_end_ns) - wave_energy(config.origin_ns) + stepped_energy(steps, n, t_ns);
}

static uint64_t counts_at(int64_t t_ns)
{
    if (t_ns > config.frozen_ns)
        t_ns = config.frozen_ns;
    t_ns -= t_ns % config.energy_step_ns;
    double microjoule = (double)(energy_at(t_ns) / 1000000); /* below 2^53: exact */
    return (uint64_t)(microjoule / (double)config.resolution);
}

/* ---- the interface ---- */

#define TEXT 256

typedef struct {
    uint64_t function : 3, device : 5, bus : 8, domain : 48;
} Bdf;

typedef struct {
    char market_name[TEXT];
    uint32_t vendor_id;
    char vendor_name[TEXT];
    uint32_t subvendor_id;
    uint64_t device_id;
    uint32_t rev_id;
    char asic_serial[TEXT];
    uint32_t oam_id, num_of_compute_units;
    uint64_t target_graphics_version;
    uint32_t subsystem_id, reserved[21];
} AsicInfo;

typedef struct {
    char model_number[TEXT], product_serial[TEXT], fru_id[TEXT], product_name[TEXT], manufacturer_name[TEXT];
    uint64_t reserved[64];
} BoardInfo;

typedef struct {
    char driver_version[TEXT], driver_date[TEXT], driver_name[TEXT];
} DriverInfo;

typedef struct {
    uint64_t power_cap, default_power_cap, dpm_cap, min_power_cap, max_power_cap, reserved[3];
} PowerCap;

typedef struct {
    uint64_t socket_power;
    uint32_t current_socket_power, average_socket_power;
    uint64_t gfx_voltage, soc_voltage, mem_voltage;
    uint32_t power_limit;
    uint64_t reserved[18];
} PowerInfo;

static Status enter(const Gpu *gpu)
{
    if (!initialised)
        return NOT_INIT;
    if (!gpu)
        return INVAL;
    if (config.call_ns > 0) {
        struct timespec cost = {config.call_ns / NS_PER_S, config.call_ns % NS_PER_S};
        nanosleep(&cost, NULL);
    }
    wait_while_hung(config.switches);
    int lost = switched(config.switches, "lost") || (gpu->lost && clock_ns(CLOCK_REALTIME) >= gpu->lost_ns);
    return lost ? (Status)config.error_lost : SUCCESS;
}

#define ENTER(gpu)                   \
    do {                             \
        Status entered = enter(gpu); \
        if (entered != SUCCESS)      \
            return entered;          \
    } while (0)

Status amdsmi_init(uint64_t flags)
{
    (void)flags;
    pthread_mutex_lock(&lock);
    if (!initialised)
        configure();
    initialised = !config.error_init;
    pthread_mutex_unlock(&lock);
    return (Status)config.error_init;
}

Status amdsmi_shut_down(void)
{
    initialised = 0;
    return SUCCESS;
}

/* One socket per GPU; with a null array the call counts. */
Status amdsmi_get_socket_handles(uint32_t *count, void **sockets)
{
    if (!initialised)
        return NOT_INIT;
    if (config.error_list)
        return (Status)config.error_list;
    *count = (uint32_t)config.gpus;
    for (int i = 0; sockets && i < config.gpus; i++)
        sockets[i] = &gpu_table[i];
    return SUCCESS;
}

Status amdsmi_get_processor_handles(void *socket, uint32_t *count, void **processors)
{
    if (!initialised)
        return NOT_INIT;
    *count = 1;
    if (processors)
        processors[0] = socket;
    return SUCCESS;
}

Status amdsmi_get_gpu_device_bdf(Gpu *gpu, Bdf *bdf)
{
    ENTER(gpu);
    *bdf = (Bdf){.bus = (uint64_t)(0xc1 + gpu->index)};
    return SUCCESS;
}

Status amdsmi_get_gpu_device_uuid(Gpu *gpu, uint32_t *length, char *uuid)
{
    ENTER(gpu);
    snprintf(uuid, *length, "51ff74a1-0000-1000-8000-%012d", gpu->index);
    return SUCCESS;
}

Status amdsmi_get_gpu_asic_info(Gpu *gpu, AsicInfo *info)
{
    ENTER(gpu);
    memset(info, 0, sizeof *info);
    snprintf(info->market_name, TEXT, "%s", config.name);
    snprintf(info->vendor_name, TEXT, "Advanced Micro Devices, Inc. [AMD/ATI]");
    snprintf(info->asic_serial, TEXT, "%s%02X", config.serial, gpu->index);
    info->vendor_id = 0x1002;
    info->device_id = 0x74a1;
    return SUCCESS;
}

Status amdsmi_get_gpu_board_info(Gpu *gpu, BoardInfo *info)
{
    ENTER(gpu);
    memset(info, 0, sizeof *info);
    snprintf(info->product_name, TEXT, "%s", config.name);
    return SUCCESS;
}

Status amdsmi_get_gpu_driver_info(Gpu *gpu, DriverInfo *info)
{
    ENTER(gpu);
    memset(info, 0, sizeof *info);
    snprintf(info->driver_name, TEXT, "amdgpu");
    snprintf(info->driver_version, TEXT, "6.12.12-SIMULATED");
    return SUCCESS;
}

Status amdsmi_get_power_cap_info(Gpu *gpu, uint32_t sensor, PowerCap *cap)
{
    (void)sensor;
    ENTER(gpu);
    memset(cap, 0, sizeof *cap);
    cap->power_cap = cap->max_power_cap = 750000000; /* microwatts */
    return SUCCESS;
}

Status amdsmi_get_power_info(Gpu *gpu, PowerInfo *info)
{
    ENTER(gpu);
    if (config.error_power)
        return (Status)config.error_power;
    uint32_t watts = (uint32_t)(power_at(clock_ns(CLOCK_REALTIME)) / 1000);
    memset(info, 0, sizeof *info);
    info->current_socket_power = gpu->current_w < 0 ? watts : (uint32_t)gpu->current_w;
    info->average_socket_power = gpu->average_w < 0 ? watts : (uint32_t)gpu->average_w;
    info->socket_power = info->current_socket_power;
    info->gfx_voltage = info->soc_voltage = info->mem_voltage = 0xFFFF;
    info->power_limit = 750;
    return SUCCESS;
}

Status amdsmi_get_energy_count(Gpu *gpu, uint64_t *counts, float *resolution, uint64_t *timestamp)
{
    ENTER(gpu);
    if (config.error_energy)
        return (Status)config.error_energy;
    *counts = gpu->accumulator == -2 ? counts_at(clock_ns(CLOCK_REALTIME)) : (uint64_t)gpu->accumulator;
    *resolution = config.resolution;
    *timestamp = (uint64_t)(config.stamp_ns ? config.stamp_ns : clock_ns(CLOCK_BOOTTIME));
    return SUCCESS;
}
