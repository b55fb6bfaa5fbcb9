//! Delivery as a whole, against servers that misbehave.
