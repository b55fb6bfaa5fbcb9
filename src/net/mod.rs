//! The network: addresses, trust, and one HTTP client. What is sent is for the rooms that use it.

pub mod address;
pub mod http;
pub mod tls;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
