//! Rows in Timeplus and ClickHouse: their words, without a network.

pub mod alert_sql;
pub mod columns;
pub mod dashboard;
pub mod fit;
pub mod panels;
mod parts;
pub mod quote;
pub mod raw;
pub mod rows;
pub mod tables;
pub mod views;

#[cfg(test)]
mod words_tests;
