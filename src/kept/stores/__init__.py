"""The stores: where events, profiles and messages are kept."""
