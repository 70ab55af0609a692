"""The engagement state machine (openpilot selfdrived) as a pure function: one step of 10 ms, no clock, no memory.

Event types are bits of one number, in the order of OnroadEvent on the wire. This module stands alone, so that a copy
of it, changed, is a candidate's `machine.py`.
"""

from __future__ import annotations

DISABLED, PRE_ENABLED, ENABLED, SOFT_DISABLING, OVERRIDING = range(5)

ENABLE, NO_ENTRY, WARNING, USER_DISABLE, SOFT_DISABLE = 1, 2, 4, 8, 16
IMMEDIATE_DISABLE, PRE_ENABLE, PERMANENT, OVERRIDE_LONGITUDINAL, OVERRIDE_LATERAL = 32, 64, 128, 256, 512
OVERRIDE = OVERRIDE_LONGITUDINAL | OVERRIDE_LATERAL

# States in which the car is acted on; preEnabled counts as enabled, not as active.
ACTIVE_STATES = (ENABLED, SOFT_DISABLING, OVERRIDING)

SOFT_DISABLE_FRAMES = 300  # 3 s at 100 Hz


# One branch a transition, so that it reads as the table it is.
def step(  # noqa: PLR0912
    state: int, timer: int, types: int, soft_disable_frames: int = SOFT_DISABLE_FRAMES
) -> tuple[int, int, int]:
    """The next (state, timer, alert types), from the event types present in this frame.

    `timer` counts the frames left of a soft disable. Alert types are the kinds of alert that may be shown.
    """
    timer = max(0, timer - 1)
    alerts = PERMANENT
    if state != DISABLED and types & IMMEDIATE_DISABLE:
        state, alerts = DISABLED, alerts | IMMEDIATE_DISABLE
    elif state != DISABLED and types & USER_DISABLE:
        state, alerts = DISABLED, alerts | USER_DISABLE
    elif state == ENABLED:
        if types & SOFT_DISABLE:
            state, timer, alerts = SOFT_DISABLING, soft_disable_frames, alerts | SOFT_DISABLE
        elif types & OVERRIDE:
            state, alerts = OVERRIDING, alerts | OVERRIDE
    elif state == SOFT_DISABLING:
        if not types & SOFT_DISABLE:
            state = ENABLED
        elif timer > 0:
            alerts |= SOFT_DISABLE
        else:
            state = DISABLED
    elif state == PRE_ENABLED:
        if not types & PRE_ENABLE:
            state = ENABLED
        else:
            alerts |= PRE_ENABLE
    elif state == OVERRIDING:
        if types & SOFT_DISABLE:
            state, timer, alerts = SOFT_DISABLING, soft_disable_frames, alerts | SOFT_DISABLE
        elif not types & OVERRIDE:
            state = ENABLED
        else:
            alerts |= OVERRIDE
    elif types & ENABLE:
        if types & NO_ENTRY:
            alerts |= NO_ENTRY
        else:
            if types & PRE_ENABLE:
                state = PRE_ENABLED
            elif types & OVERRIDE:
                state = OVERRIDING
            else:
                state = ENABLED
            alerts |= ENABLE
    if state in ACTIVE_STATES:
        alerts |= WARNING
    return state, timer, alerts
