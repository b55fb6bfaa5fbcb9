//! What is tested across the files of this room.
