#![doc = "msnbridge"]
pub mod bridge;
pub mod msn;
pub mod service;
pub mod store;
