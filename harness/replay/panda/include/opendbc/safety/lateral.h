// Stands before opendbc's header of this name: its checks of steering commands, watched.
//
// Limits are constants inside each mode, so the one place where a limit and a command meet is the call of these
// checks. Each watch judges every limit by itself, with the kernel's own functions where they can be asked one limit
// at a time, and then lets the kernel's check decide.
#pragma once

#include_next "opendbc/safety/lateral.h"

#ifndef CLOSET_PLAIN

#define CLOSET_WIDE (1 << 20)

static int closet_max_torque(const TorqueSteeringLimits *limits) {
  int most = limits->max_torque;
  if (limits->dynamic_max_torque) {
    const float speed = (vehicle_speed.min / VEHICLE_SPEED_FACTOR) - 1.;
    most = safety_interpolate(limits->max_torque_lookup, speed) + 1;
    most = SAFETY_CLAMP(most, -limits->max_torque, limits->max_torque);
  }
  return most;
}

static bool closet_steer_request_refused(int desired, int request, const TorqueSteeringLimits *limits) {
  if ((request != 0) || (desired == 0)) {
    return false;
  }
  if (!limits->has_steer_req_tolerance) {
    return true;
  }
  if (invalid_steer_req_count != 0) {
    return invalid_steer_req_count >= limits->max_invalid_request_frames;
  }
  const uint32_t elapsed = safety_get_ts_elapsed(microsecond_timer_get(), ts_steer_req_mismatch_last);
  return (valid_steer_req_count < limits->min_valid_request_frames) || (elapsed < limits->min_valid_request_rt_interval);
}

// Every torque limit the command breaks, while controls are allowed.
static uint32_t closet_torque_limits(int desired, const TorqueSteeringLimits *limits) {
  const int most = closet_max_torque(limits);
  const int last = desired_torque_last;
  const bool driver = limits->type == TorqueDriverLimited;
  struct sample_t *measured = driver ? &torque_driver : &torque_meas;
  uint32_t why = 0U;
  int bound_high = 0;
  int bound_low = 0;
  bool rate = false;
  bool bound = false;
  if (driver) {
    bound_high = SAFETY_MAX(most + ((limits->driver_torque_allowance + measured->max) * limits->driver_torque_multiplier), 0);
    bound_low = SAFETY_MIN(-most + ((-limits->driver_torque_allowance + measured->min) * limits->driver_torque_multiplier), 0);
    rate = driver_limit_check(desired, last, measured, CLOSET_WIDE, limits->max_rate_up, CLOSET_WIDE, 0, 0);
    bound = driver_limit_check(desired, last, measured, most, CLOSET_WIDE, limits->max_rate_down,
                               limits->driver_torque_allowance, limits->driver_torque_multiplier);
  } else {
    bound_high = SAFETY_MAX(measured->max, 0) + limits->max_torque_error;
    bound_low = SAFETY_MIN(measured->min, 0) - limits->max_torque_error;
    rate = dist_to_meas_check(desired, last, measured, limits->max_rate_up, CLOSET_WIDE, CLOSET_WIDE);
    bound = dist_to_meas_check(desired, last, measured, CLOSET_WIDE, limits->max_rate_down, limits->max_torque_error);
  }
  // Beyond the bound already, a torque must come back at the allowed rate; from within, it must not go beyond.
  const bool beyond = ((last - limits->max_rate_down) > bound_high) || ((last + limits->max_rate_down) < bound_low);
  why |= safety_max_limit_check(desired, most, -most) ? CLOSET_MAX_TORQUE : 0U;
  why |= rate ? CLOSET_TORQUE_RATE_UP : 0U;
  if (bound) {
    why |= beyond ? CLOSET_TORQUE_RATE_DOWN : (driver ? CLOSET_DRIVER_TORQUE : CLOSET_TORQUE_ERROR);
  }
  why |= rt_torque_rate_limit_check(desired, rt_torque_last, limits->max_rt_delta) ? CLOSET_REALTIME_RATE : 0U;

  int high = SAFETY_MIN(most, SAFETY_MAX(last, 0) + limits->max_rate_up);
  int low = SAFETY_MAX(-most, SAFETY_MIN(last, 0) - limits->max_rate_up);
  high = SAFETY_MIN(high, SAFETY_MAX(last - limits->max_rate_down, bound_high));
  low = SAFETY_MAX(low, SAFETY_MIN(last + limits->max_rate_down, bound_low));
  closet_seen.high = SAFETY_MIN(high, SAFETY_MAX(rt_torque_last, 0) + limits->max_rt_delta);
  closet_seen.low = SAFETY_MAX(low, SAFETY_MIN(rt_torque_last, 0) - limits->max_rt_delta);
  return why;
}

static bool closet_torque_checks(int desired, int request, const TorqueSteeringLimits limits) {
  const struct sample_t *measured = (limits.type == TorqueDriverLimited) ? &torque_driver : &torque_meas;
  closet_seen.kind = CLOSET_TORQUE;
  closet_seen.desired = desired;
  closet_seen.last = desired_torque_last;
  closet_seen.measured_min = measured->min;
  closet_seen.measured_max = measured->max;
  closet_seen.window = rt_torque_last;
  uint32_t why = 0U;
  if (controls_allowed) {
    why |= closet_torque_limits(desired, &limits);
  } else {
    why |= (desired != 0) ? CLOSET_CONTROLS_OFF : 0U;
  }
  why |= closet_steer_request_refused(desired, request, &limits) ? CLOSET_STEER_REQUEST : 0U;
  const bool refused = steer_torque_cmd_checks(desired, request, limits);
  closet_disagreements += (refused != (why != 0U)) ? 1 : 0;
  closet_seen.why |= refused ? why : 0U;
  return refused;
}

static void closet_see_angle(int desired, bool refused, bool steers, bool allowed, int last) {
  closet_seen.kind = CLOSET_ANGLE;
  closet_seen.desired = desired;
  closet_seen.last = last;
  closet_seen.measured_min = angle_meas.min;
  closet_seen.measured_max = angle_meas.max;
  if (refused) {
    closet_seen.why |= !steers ? CLOSET_ANGLE_INACTIVE : (allowed ? CLOSET_ANGLE_LIMIT : CLOSET_CONTROLS_OFF);
  }
}

static bool closet_angle_checks(int desired, bool steers, const AngleSteeringLimits limits) {
  const int last = desired_angle_last;
  const bool refused = steer_angle_cmd_checks(desired, steers, limits);
  closet_see_angle(desired, refused, steers, controls_allowed, last);
  return refused;
}

static bool closet_angle_checks_vm(int desired, bool steers, const AngleSteeringLimits limits,
                                   const AngleSteeringParams params) {
  const int last = desired_angle_last;
  const bool refused = steer_angle_cmd_checks_vm(desired, steers, limits, params);
  closet_see_angle(desired, refused, steers, controls_allowed, last);
  return refused;
}

#define steer_torque_cmd_checks closet_torque_checks
#define steer_angle_cmd_checks closet_angle_checks
#define steer_angle_cmd_checks_vm closet_angle_checks_vm

#endif
