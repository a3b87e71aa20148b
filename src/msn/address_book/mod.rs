//! Address book and lists by SOAP, and the lists as they are told to the notification server, from MSNP13 on (§20, §21).
//!
//! Knows requests, answers and faults as XML. Refuses to know HTTP, and when the book is read.

mod book;
mod exchange;
mod listing;
#[cfg(test)]
mod tests;

pub use book::AddressBook;
pub use exchange::{BookExchange, BookFault, BookOperation, BookService, NAMESPACE, ZERO_BOOK};
pub use listing::{Listing, listings, parse_listings};
