#![doc = "msnbridge"]
pub mod msn;
pub mod service;
