// The whole of a replay in one call: messages of a log in time order through the safety kernel's hooks.
//
// The kernel itself comes from opendbc's headers, which are found when this file is compiled and never kept here.
// The kernel is one unit with state of its own, so a loaded copy of this library is one replay's.

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

uint32_t microsecond_timer_get(void);
static uint32_t closet_now_us = 0U;
uint32_t microsecond_timer_get(void) {
  return closet_now_us;
}

#include "closet_watch.h"
#include "opendbc/safety/can.h"
#include "opendbc/safety/safety.h"

#ifdef CLOSET_PLAIN
#define CLOSET_EXPLAINS 0
#else
#define CLOSET_EXPLAINS 1
#endif

#ifndef CLOSET_SOURCES
#error "CLOSET_SOURCES must name the digest of the sources"
#endif

#define CLOSET_API 1U
#define CLOSET_SENT_SOURCE 128U
#define CLOSET_EDGE_US 1000000U
#define CLOSET_RECORD_FIELDS 14
#define CLOSET_CHECK_FIELDS 6
#define CLOSET_MAX_CHECKS 64

#define CLOSET_EXPORT __attribute__((visibility("default")))

// Frames of one service, as they lie in the log: `start` and `length` are places in `content`.
typedef struct {
  const uint8_t *content;
  int64_t content_bytes;
  int64_t count;
  const uint32_t *address;
  const uint8_t *source;
  const int64_t *start;
  const int64_t *length;
} closet_frames;

// Messages in time order: each is a run of frames, received (0) or to be sent (1).
typedef struct {
  int64_t count;
  const uint64_t *t_us;
  const uint8_t *sends;
  const int64_t *first;
  const int64_t *frames;
} closet_messages;

typedef struct {
  uint16_t mode;
  uint16_t param;
  int32_t alternative_experience;
  uint8_t seeds;         // start from the first steering command
  uint8_t echoes_sent;   // what was sent is in the received messages, with 128 and more added to the bus
} closet_setup;

// One row a received message: it and what is sent until the next one. `records` has room for every sent frame.
typedef struct {
  int64_t rows;
  uint8_t *controls_allowed;
  uint8_t *relay_malfunction;
  uint8_t *tick_invalid;
  uint8_t *gas_pressed;
  uint8_t *brake_pressed;
  uint8_t *vehicle_moving;
  uint16_t *rx_invalid;
  uint16_t *forward_blocked;
  uint16_t *sent;
  uint16_t *passed;
  uint16_t *malformed;
  uint8_t *frame_invalid;  // one a received frame
  int32_t *records;        // (sent frames, CLOSET_RECORD_FIELDS)
  int64_t record_count;
  int32_t *checks;         // (CLOSET_MAX_CHECKS, CLOSET_CHECK_FIELDS)
  int64_t check_count;
  int64_t disagreements;   // commands where the kernel and the explanation were of two minds
  int32_t seeded;          // 0 not, 1 by a torque, 2 by an angle
  int32_t seed_value;
} closet_result;

CLOSET_EXPORT uint32_t closet_api(void);
CLOSET_EXPORT const char *closet_sources(void);
CLOSET_EXPORT int closet_explains(void);
CLOSET_EXPORT int closet_replay(const closet_setup *setup, const closet_frames *received, const closet_frames *sent,
                                const closet_messages *messages, closet_result *result);

uint32_t closet_api(void) {
  return CLOSET_API;
}

const char *closet_sources(void) {
  return CLOSET_SOURCES;
}

int closet_explains(void) {
  return CLOSET_EXPLAINS;
}

// The packet of frame `i`; false when its length is none a bus can carry.
static bool closet_packet(const closet_frames *frames, int64_t i, CANPacket_t *packet) {
  const int64_t length = frames->length[i];
  const int64_t start = frames->start[i];
  unsigned char code = 0U;
  if (length < 0 || length > (int64_t)CANPACKET_DATA_SIZE_MAX || start < 0 || start > frames->content_bytes - length) {
    return false;
  }
  while (dlc_to_len[code] < length) {
    code++;
  }
  if (dlc_to_len[code] != length) {
    return false;
  }
  (void)memset(packet, 0, sizeof(*packet));
  packet->addr = frames->address[i];
  packet->extended = (frames->address[i] >= 0x800U) ? 1U : 0U;
  packet->bus = frames->source[i] % 4U;
  packet->data_len_code = code;
  (void)memcpy(packet->data, frames->content + start, (size_t)length);
  return true;
}

// Why the list of sendable messages does not let this one pass; 0 when it is on it.
static uint32_t closet_listed(const CANPacket_t *packet) {
  uint32_t why = CLOSET_NOT_LISTED;
  if ((current_safety_mode == SAFETY_ALLOUTPUT) || (current_safety_mode == SAFETY_ELM327)) {
    return 0U;
  }
  for (int i = 0; i < current_safety_config.tx_msgs_len; i++) {
    const CanMsg *entry = &current_safety_config.tx_msgs[i];
    if ((entry->addr == (int)packet->addr) && (entry->bus == packet->bus)) {
      if (entry->len == (int)GET_LEN(packet)) {
        return 0U;
      }
      why = CLOSET_NOT_LISTED | CLOSET_OTHER_LENGTH;
    }
  }
  return why;
}

static void closet_fill(struct sample_t *sample, int value) {
  for (int i = 0; i < MAX_SAMPLE_VALS; i++) {
    update_sample(sample, value);
  }
}

static bool closet_is_sent(const closet_setup *setup, const closet_frames *frames, int64_t i, bool sends) {
  return sends || ((setup->echoes_sent != 0U) && (frames->source[i] >= CLOSET_SENT_SOURCE));
}

// A log that begins in the middle of a drive: let the kernel begin where the first steering command shows it was.
static void closet_seed(const closet_setup *setup, const closet_frames *received, const closet_frames *sent,
                        const closet_messages *messages, closet_result *result) {
  bool found = false;
  closet_watch first;
  (void)memset(&first, 0, sizeof(first));
  for (int64_t m = 0; (m < messages->count) && !found; m++) {
    const bool sends = messages->sends[m] != 0U;
    const closet_frames *frames = sends ? sent : received;
    for (int64_t i = messages->first[m]; (i < messages->first[m] + messages->frames[m]) && !found; i++) {
      CANPacket_t packet;
      if (closet_is_sent(setup, frames, i, sends) && closet_packet(frames, i, &packet)) {
        (void)memset(&closet_seen, 0, sizeof(closet_seen));
        (void)safety_tx_hook(&packet);
        found = (closet_seen.kind == CLOSET_TORQUE) || (closet_seen.kind == CLOSET_ANGLE);
        first = closet_seen;
      }
    }
  }
  closet_disagreements = 0;
  (void)set_safety_hooks(setup->mode, setup->param);
  if (found && (first.desired != 0)) {
    controls_allowed = true;
    if (first.kind == CLOSET_TORQUE) {
      desired_torque_last = first.desired;
      rt_torque_last = first.desired;
      closet_fill(&torque_meas, first.desired);
      closet_fill(&torque_driver, first.desired);
    } else {
      desired_angle_last = first.desired;
      closet_fill(&angle_meas, first.desired);
    }
    result->seeded = (first.kind == CLOSET_TORQUE) ? 1 : 2;
    result->seed_value = first.desired;
  }
}

static void closet_send(CANPacket_t *packet, bool sends, int64_t frame, int64_t message, int64_t row,
                        closet_result *result) {
  (void)memset(&closet_seen, 0, sizeof(closet_seen));
  const uint32_t list = closet_listed(packet);
  const bool allowed = controls_allowed;
  result->sent[row]++;
  if (safety_tx_hook(packet)) {
    result->passed[row]++;
    return;
  }
  uint32_t why = list | closet_seen.why;
  if (relay_malfunction) {
    why |= CLOSET_RELAY;
  }
  if (why == 0U) {
    why = CLOSET_MODE_RULE;
  }
  const int32_t record[CLOSET_RECORD_FIELDS] = {
    (int32_t)message, (int32_t)row, (int32_t)frame, sends ? 1 : 0, (int32_t)why, allowed ? 1 : 0,
    (int32_t)closet_seen.kind, closet_seen.desired, closet_seen.last, closet_seen.low, closet_seen.high,
    closet_seen.measured_min, closet_seen.measured_max, closet_seen.window,
  };
  (void)memcpy(result->records + (result->record_count * CLOSET_RECORD_FIELDS), record, sizeof(record));
  result->record_count++;
}

static void closet_receive(CANPacket_t *packet, int source, int64_t frame, int64_t row, closet_result *result) {
  const bool crosses = (source == 0) || (source == 2);
  if ((safety_fwd_hook(source, (int)packet->addr) == -1) && crosses) {
    result->forward_blocked[row]++;
  }
  if (!safety_rx_hook(packet)) {
    result->rx_invalid[row]++;
    result->frame_invalid[frame] = 1U;
  }
}

static void closet_count_lagging(const int64_t *ticks, closet_result *result) {
  result->check_count = (current_safety_config.rx_checks_len < CLOSET_MAX_CHECKS) ? current_safety_config.rx_checks_len
                                                                                  : CLOSET_MAX_CHECKS;
  for (int64_t i = 0; i < result->check_count; i++) {
    const RxCheck *check = &current_safety_config.rx_checks[i];
    const CanMsgCheck *one = &check->msg[check->status.index];
    const int32_t row[CLOSET_CHECK_FIELDS] = {
      one->addr, (int32_t)one->bus, one->len, (int32_t)one->frequency, check->status.msg_seen ? 1 : 0, (int32_t)ticks[i],
    };
    (void)memcpy(result->checks + (i * CLOSET_CHECK_FIELDS), row, sizeof(row));
  }
}

// 0 when all was replayed, -1 when the kernel does not know the safety mode.
int closet_replay(const closet_setup *setup, const closet_frames *received, const closet_frames *sent,
                  const closet_messages *messages, closet_result *result) {
  int64_t lagging[CLOSET_MAX_CHECKS] = {0};
  int64_t row = -1;
  if (set_safety_hooks(setup->mode, setup->param) != 0) {
    return -1;
  }
  alternative_experience = setup->alternative_experience;
  if (setup->seeds != 0U) {
    closet_seed(setup, received, sent, messages, result);
  }
  for (int64_t m = 0; m < messages->count; m++) {
    const bool sends = messages->sends[m] != 0U;
    const closet_frames *frames = sends ? sent : received;
    const uint64_t since_us = messages->t_us[m] - messages->t_us[0];
    const uint64_t left_us = messages->t_us[messages->count - 1] - messages->t_us[m];
    closet_now_us = (uint32_t)messages->t_us[m];
    // The panda counts these at 1 Hz: for some time after a change of mode it does not judge the relay.
    safety_mode_cnt = (uint32_t)(since_us / 1000000U);
    if (!sends) {
      row++;
    }
    const int64_t at = (row < 0) ? 0 : row;
    if (at >= result->rows) {
      return -2;
    }
    if ((since_us > CLOSET_EDGE_US) && (left_us > CLOSET_EDGE_US)) {
      safety_tick(&current_safety_config);
      for (int i = 0; (i < current_safety_config.rx_checks_len) && (i < CLOSET_MAX_CHECKS); i++) {
        lagging[i] += current_safety_config.rx_checks[i].status.lagging ? 1 : 0;
      }
      if (safety_rx_checks_invalid) {
        result->tick_invalid[at] = 1U;
      }
    }
    for (int64_t i = messages->first[m]; i < messages->first[m] + messages->frames[m]; i++) {
      CANPacket_t packet;
      const bool to_send = closet_is_sent(setup, frames, i, sends);
      if (!to_send && (frames->source[i] >= CLOSET_SENT_SOURCE)) {
        continue;  // an echo of what the other service holds
      }
      if (!closet_packet(frames, i, &packet)) {
        result->malformed[at]++;
      } else if (to_send) {
        closet_send(&packet, sends, i, m, at, result);
      } else {
        closet_receive(&packet, (int)frames->source[i], i, at, result);
      }
    }
    result->controls_allowed[at] = controls_allowed ? 1U : 0U;
    result->relay_malfunction[at] = relay_malfunction ? 1U : 0U;
    result->gas_pressed[at] = gas_pressed ? 1U : 0U;
    result->brake_pressed[at] = brake_pressed ? 1U : 0U;
    result->vehicle_moving[at] = vehicle_moving ? 1U : 0U;
  }
  closet_count_lagging(lagging, result);
  result->disagreements = closet_disagreements;
  return 0;
}
