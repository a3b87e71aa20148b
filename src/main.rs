//! The program: reads its arguments, runs, and prints why it could not.

use std::process::ExitCode;

fn main() -> ExitCode {
    match msnbridge::daemon::main() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("msnbridge: {error:#}");
            ExitCode::FAILURE
        }
    }
}
