//! The rules of section 4 of the product's description, «nothing is lost», as tests on simulated parts and paused time.

mod chaos;
mod crashes;
mod failures;
mod hold;
mod inbox;
mod journal;
mod people;
mod relay;
