"""The engagement state machine of openpilot over a recorded minute: events in, states out, by a rule set on trial."""
