// What is known of the last message given to the kernel's transmit hook: seen by the watches that stand before the
// kernel's own checks of steering and of acceleration.
#pragma once

#include <stdint.h>

// Why a message was refused; several may hold. Their names stand in the same order in blocked.py.
#define CLOSET_NOT_LISTED (1U << 0)        // address, bus and length are not on the mode's list
#define CLOSET_OTHER_LENGTH (1U << 1)      // address and bus are, with another length
#define CLOSET_RELAY (1U << 2)             // the kernel takes the relay for broken
#define CLOSET_CONTROLS_OFF (1U << 3)      // a command while controls are not allowed
#define CLOSET_MAX_TORQUE (1U << 4)
#define CLOSET_TORQUE_RATE_UP (1U << 5)    // torque grew faster than allowed
#define CLOSET_TORQUE_RATE_DOWN (1U << 6)  // torque above the motor's or the driver's bound did not shrink fast enough
#define CLOSET_TORQUE_ERROR (1U << 7)      // torque too far beyond what the motor gave
#define CLOSET_DRIVER_TORQUE (1U << 8)     // torque against the driver
#define CLOSET_REALTIME_RATE (1U << 9)     // torque changed too much within the window of 250 ms
#define CLOSET_STEER_REQUEST (1U << 10)    // request bit off with a torque: too long, or again too soon
#define CLOSET_ANGLE_LIMIT (1U << 11)      // angle or curvature: rate, error or lateral acceleration
#define CLOSET_ANGLE_INACTIVE (1U << 12)   // angle not where it must be while not steering
#define CLOSET_LONGITUDINAL (1U << 13)     // acceleration, gas, brake or speed out of range
#define CLOSET_MODE_RULE (1U << 14)        // another rule of the mode

enum { CLOSET_NOTHING = 0, CLOSET_TORQUE = 1, CLOSET_ANGLE = 2, CLOSET_ACCELERATION = 3 };

typedef struct {
  uint32_t why;
  int kind;
  int32_t desired;
  int32_t last;
  int32_t low;  // what would have been allowed, where it is a torque
  int32_t high;
  int32_t measured_min;
  int32_t measured_max;
  int32_t window;  // torque at the begin of the window of 250 ms
} closet_watch;

static closet_watch closet_seen;
static int64_t closet_disagreements = 0;
