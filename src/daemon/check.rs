//! `check`: every problem of a setup, with its cause and its cure.
//!
//! Knows how to ask each part whether it would work. Refuses to change anything: a check can be run beside the service.

mod homeserver;
mod outside;
mod sharing;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::censor::censor;
use crate::config::{Checked, Config};
use crate::store::StoreError;

/// What one look found.
pub(super) enum Finding {
    /// Works, and what it is.
    Fine(String),
    /// Does not work: what was seen, and what to do about it, as sentences without a full stop.
    Problem { what: String, cure: String },
    /// Works, and something that people may miss does not: what, and what to do about it, in the same form.
    Advice { what: String, cure: String },
    /// Could not be looked at because of an earlier problem.
    Skipped(String),
}

impl Finding {
    /// A problem, with its cure.
    pub(super) fn problem(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::Problem { what: what.into(), cure: cure.into() }
    }
}

/// Looks at everything, prints what it found, and fails if there was a problem.
pub(super) async fn run(file: &Path) -> ExitCode {
    let findings = match Config::load(file).and_then(|config| config.check().map(|checked| (config, checked)))
    {
        Ok((config, checked)) => look(&config, &checked).await,
        Err(error) => vec![Finding::problem(
            error.to_string(),
            "correct the configuration; bridge.example.yaml explains every key",
        )],
    };
    print(&findings, &mut std::io::stdout().lock())
}

/// Writes what was found, and fails if there was a problem. Somebody who reads only the beginning (`check | head`) is no
/// reason to fail.
fn print(findings: &[Finding], out: &mut impl Write) -> ExitCode {
    let mut problems = 0;
    for finding in findings {
        let _ = match finding {
            Finding::Fine(what) => writeln!(out, "ok       {}", censor(what)),
            Finding::Skipped(what) => writeln!(out, "skipped  {}", censor(what)),
            Finding::Advice { what, cure } => {
                writeln!(out, "advice   {}\n         cure: {}", censor(what), censor(cure))
            }
            Finding::Problem { what, cure } => {
                problems += 1;
                writeln!(out, "PROBLEM  {}\n         cure: {}", censor(what), censor(cure))
            }
        };
    }
    let _ = match problems {
        0 => writeln!(out, "everything is in order"),
        1 => writeln!(out, "1 problem"),
        more => writeln!(out, "{more} problems"),
    };
    if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every part in turn, the store first; one that has a problem holds none of the others up.
async fn look(config: &Config, checked: &Checked) -> Vec<Finding> {
    let mut findings = vec![store(config)];
    findings.extend(homeserver::look(&checked.matrix).await);
    if checked.matrix.encryption.keys.is_some() {
        findings.push(homeserver::encryption(&checked.matrix).await);
    }
    findings.extend(outside::msn(checked).await);
    for (name, network) in &checked.irc.networks {
        findings.push(outside::irc(name, network, &checked.irc.relays).await);
        findings.extend(outside::irc_addresses(name, network).await);
    }
    findings.extend(outside::ident(checked.irc.ident).await);
    findings.push(voice(checked.msn.ffmpeg.as_deref()));
    for address in sharing::addresses(checked) {
        findings.push(address.look().await);
    }
    if checked.web.is_some() {
        findings.push(homeserver::openid(&checked.matrix).await);
    }
    findings
}

/// Voice clips need another program to be played.
fn voice(program: Option<&str>) -> Finding {
    let runs = |program: &str| std::process::Command::new(program).arg("-version").output();
    match program {
        None => Finding::Skipped("voice clips arrive as they are, because files.ffmpeg is empty".into()),
        Some(program) => match runs(program) {
            Ok(_) => Finding::Fine(format!("{program}, which makes voice clips playable")),
            Err(error) => Finding::Skipped(format!(
                "voice clips arrive as they are: {program} does not run ({error}); install ffmpeg to have them playable"
            )),
        },
    }
}

/// The store's directory can be written, and the key belongs to what is there.
fn store(config: &Config) -> Finding {
    let section = &config.store;
    let directory = section.directory.display();
    let cure = "give the directory to the user that runs the bridge (chown, chmod 700), or set store.directory to another";
    let was_there = section.directory.exists();
    if let Err(error) = std::fs::create_dir_all(&section.directory) {
        return Finding::problem(format!("the store's directory {directory} cannot be made: {error}"), cure);
    }
    let probe = section.directory.join("check.part");
    let written = std::fs::write(&probe, b"check").and_then(|()| std::fs::remove_file(&probe));
    if let Err(error) = written {
        return Finding::problem(
            format!("the store's directory {directory} cannot be written: {error}"),
            cure,
        );
    }
    if !was_there {
        let _ = std::fs::remove_dir(&section.directory); // looking makes nothing
    }
    let has_store = crate::store::is_store(&section.directory);
    if !has_store && section.key_file.exists() {
        let missing = StoreError::Vanished { directory: section.directory.clone() };
        return Finding::problem(missing.to_string(), "mount the disk or put the directory back");
    }
    match crate::store::SealingKey::load(&section.key_file) {
        Err(error) if has_store || section.key_file.exists() => {
            Finding::problem(error.to_string(), "put back the key file that belongs to this store")
        }
        _ => Finding::Fine(format!("the store in {directory}")),
    }
}
