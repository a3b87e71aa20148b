//! Bytes to frames and back: lines, counted payloads, percent coding. Nothing here knows what a command means.
//!
//! Knows sizes: a line and a payload are bounded before they are kept. Source: §1.1 to §1.5.

mod args;
mod encoder;
mod error;
mod escape;
mod frame;
mod framer;

pub use args::Args;
pub use encoder::Encoder;
pub use error::{DecodeError, DecodeErrorKind, FrameError};
pub use escape::UrlText;
pub use frame::{Frame, Verb};
pub use framer::{Direction, Framer, Limits};
