"""The supervisor on a device. Standard library only; it travels as one zip file (see `agent_bundle`)."""
