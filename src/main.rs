//! The program: everything is in the library.
//!
//! Knows nothing but the exit code. A test can therefore run everything as the program does.

use std::process::ExitCode;

fn main() -> ExitCode {
    msnbridge::daemon::main()
}
