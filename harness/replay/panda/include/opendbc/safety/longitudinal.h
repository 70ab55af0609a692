// Stands before opendbc's header of this name: its checks of acceleration, gas, brake and speed, watched.
#pragma once

#include_next "opendbc/safety/longitudinal.h"

#ifndef CLOSET_PLAIN

static bool closet_see_longitudinal(int desired, bool refused) {
  if (refused) {
    closet_seen.kind = CLOSET_ACCELERATION;
    closet_seen.desired = desired;
    closet_seen.why |= controls_allowed ? CLOSET_LONGITUDINAL : CLOSET_CONTROLS_OFF;
  }
  return refused;
}

#define longitudinal_accel_checks(desired, limits) \
  closet_see_longitudinal((desired), longitudinal_accel_checks((desired), (limits)))
#define longitudinal_speed_checks(desired, limits) \
  closet_see_longitudinal((desired), longitudinal_speed_checks((desired), (limits)))
#define longitudinal_gas_checks(desired, limits) \
  closet_see_longitudinal((desired), longitudinal_gas_checks((desired), (limits)))
#define longitudinal_transmission_rpm_checks(desired, limits) \
  closet_see_longitudinal((desired), longitudinal_transmission_rpm_checks((desired), (limits)))
#define longitudinal_brake_checks(desired, limits) \
  closet_see_longitudinal((desired), longitudinal_brake_checks((desired), (limits)))

#endif
