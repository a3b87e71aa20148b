#![doc = "msnbridge"]
pub mod msn;
