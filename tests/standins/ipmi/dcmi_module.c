/*
 * Loadable module for ipmi_sim: answers DCMI Get Power Reading and Get Temperature Readings, which ipmi_sim itself does not know.
 *
 * The option string names a text file: present watts, then optionally the word "inactive". It is read at every request, so
 * whoever writes the file sets the power of the simulated server. Beside it may stand a file with ".inlet" behind its name:
 * degrees Celsius, then the entity id under which they are told; without it the simulated server knows no temperatures.
 *
 * Message layout from the DCMI specification 1.5, section 6.6.1, all fields little-endian:
 *   request   group extension 0xdc | mode (1 = system power statistics) | attribute | reserved
 *   response  completion code | 0xdc | present, minimum, maximum, average W (16 bit each)
 *             | time stamp, s since 1970 (32 bit) | statistics period, ms (32 bit) | state (bit 6 = measurement active)
 *
 * and from section 6.7:
 *   request   0xdc | sensor type (1 = temperature) | entity id | entity instance (0 = all) | first instance
 *   response  completion code | 0xdc | instances there are | sets that follow | for each: bit 7 sign, bits 0-6 degrees | instance
 */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <OpenIPMI/mcserv.h>
#include <OpenIPMI/serv.h>

enum {
    GROUP_DCMI = 0xdc,
    CMD_POWER_READING = 0x02,
    CMD_TEMPERATURE_READINGS = 0x10,
    SENSOR_TEMPERATURE = 0x01,
    INLET_INSTANCE = 0x03,
    NEGATIVE = 0x80,
    MODE_STATISTICS = 0x01,
    STATE_ACTIVE = 0x40,
    CC_OK = 0x00,
    CC_INVALID_COMMAND = 0xc1,
    CC_INVALID_FIELD = 0xcc,
    CC_UNSPECIFIED = 0xff,
    REPLY_LENGTH = 19
};

static char watts_path[512];
static time_t started_s;
static double lowest_w = HUGE_VAL, highest_w = 0.0, sum_w = 0.0;
static unsigned long read_count = 0;

static void put_le(unsigned char *out, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

static int read_power(double *power_w, int *active)
{
    char word[16] = "";
    FILE *file = fopen(watts_path, "r");
    int fields = file ? fscanf(file, "%lf %15s", power_w, word) : 0;
    if (file)
        fclose(file);
    *active = strcmp(word, "inactive") != 0;
    return fields >= 1;
}

static void count(double power_w)
{
    lowest_w = fmin(lowest_w, power_w);
    highest_w = fmax(highest_w, power_w);
    sum_w += power_w;
    read_count++;
}

static void refuse(unsigned char *reply, unsigned int *length, unsigned char completion_code)
{
    reply[0] = completion_code;
    *length = 1;
}

static void power_reading(const msg_t *request, unsigned char *reply, unsigned int *length)
{
    double power_w = 0.0;
    int active = 0;
    if (request->len < 2 || request->data[1] != MODE_STATISTICS) {
        refuse(reply, length, CC_INVALID_FIELD);
        return;
    }
    if (!read_power(&power_w, &active)) {
        refuse(reply, length, CC_UNSPECIFIED);
        return;
    }
    count(power_w);
    time_t now_s = time(NULL);
    reply[0] = CC_OK;
    reply[1] = GROUP_DCMI;
    put_le(reply + 2, (uint32_t)lround(power_w), 2);
    put_le(reply + 4, (uint32_t)lround(lowest_w), 2);
    put_le(reply + 6, (uint32_t)lround(highest_w), 2);
    put_le(reply + 8, (uint32_t)lround(sum_w / (double)read_count), 2);
    put_le(reply + 10, (uint32_t)now_s, 4);
    put_le(reply + 14, (uint32_t)(now_s - started_s) * 1000u, 4);
    reply[18] = active ? STATE_ACTIVE : 0;
    *length = REPLY_LENGTH;
}

static void temperature_readings(const msg_t *request, unsigned char *reply, unsigned int *length)
{
    char path[sizeof watts_path + 8];
    int celsius = 0, entity = 0;
    snprintf(path, sizeof path, "%s.inlet", watts_path);
    FILE *file = fopen(path, "r");
    if (!file) {
        refuse(reply, length, CC_INVALID_COMMAND);
        return;
    }
    int fields = fscanf(file, "%d %d", &celsius, &entity);
    fclose(file);
    if (fields < 2 || request->len < 5 || request->data[1] != SENSOR_TEMPERATURE) {
        refuse(reply, length, fields < 2 ? CC_UNSPECIFIED : CC_INVALID_FIELD);
        return;
    }
    int asked = request->data[3] == 0 || request->data[3] == INLET_INSTANCE;
    int known = request->data[2] == entity && asked;
    reply[0] = CC_OK;
    reply[1] = GROUP_DCMI;
    reply[2] = reply[3] = (unsigned char)known;
    reply[4] = (unsigned char)(celsius < 0 ? NEGATIVE | -celsius : celsius);
    reply[5] = INLET_INSTANCE;
    *length = known ? 6 : 4;
}

static void handle(lmc_data_t *mc, msg_t *request, unsigned char *reply, unsigned int *length, void *data)
{
    (void)mc;
    (void)data;
    if (request->cmd == CMD_POWER_READING)
        power_reading(request, reply, length);
    else if (request->cmd == CMD_TEMPERATURE_READINGS)
        temperature_readings(request, reply, length);
    else
        refuse(reply, length, CC_INVALID_COMMAND);
}

int ipmi_sim_module_print_version(sys_data_t *sys, char *options)
{
    (void)sys;
    (void)options;
    printf("DCMI power and inlet readings from files\n");
    return 0;
}

int ipmi_sim_module_init(sys_data_t *sys, const char *options)
{
    (void)sys;
    snprintf(watts_path, sizeof watts_path, "%s", options ? options : "watts");
    started_s = time(NULL);
    ipmi_emu_register_group_extension_handler(GROUP_DCMI, handle, NULL);
    return 0;
}
