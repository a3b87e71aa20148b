//! The manual page and what shells complete, made from the arguments, for whoever packages the program.
//!
//! Knows what the files are called. Refuses to install them.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::{Shell, generate_to};

use super::args::Args;

/// Writes `msnbridge.1`, one page for each subcommand, and completions for bash, zsh and fish.
///
/// # Errors
/// A directory that cannot be made or written.
pub(super) fn write(directory: &Path) -> anyhow::Result<ExitCode> {
    let failed = || format!("cannot write into {}", directory.display());
    std::fs::create_dir_all(directory).with_context(failed)?;
    let mut command = Args::command();
    clap_mangen::generate_to(command.clone(), directory).with_context(failed)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, "msnbridge", directory).with_context(failed)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_and_the_completions_name_every_subcommand_that_is_for_people() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        let (manual, bash) = (read("msnbridge.1"), read("msnbridge.bash"));
        for name in ["init", "check", "run", "healthy", "service", "export", "import"] {
            assert!(manual.contains(&format!("msnbridge\\-{name}(1)")), "{name} is missing: {manual}");
            assert!(bash.contains(name), "{name} is missing");
            assert!(read(&format!("msnbridge-{name}.1")).contains(".SH"));
        }
        assert!(!manual.contains("generate"));
        assert!(read("_msnbridge").starts_with("#compdef msnbridge"));
        assert!(read("msnbridge.fish").contains("complete -c msnbridge"));
    }
}
