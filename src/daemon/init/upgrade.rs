//! `init --upgrade`: an older configuration and its registration, carried over.
//!
//! Knows which keys have moved and what an older registration lacks. Refuses to change what the configuration means: a file
//! that would be read differently afterwards is left alone, and the person is told. Comments stay; sections that the file
//! does not have are added as comments, as `bridge.example.yaml` explains them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::create;
use crate::config::{Checked, Config};
use crate::matrix::registration::Registration;

/// Every key, with its explanation.
const EXAMPLE: &str = include_str!("../../../bridge.example.yaml");
/// Stands before the sections that were added.
const ADDED: &str =
    "\n# Sections that were not in this file, with their defaults; take the # away to change something.\n";

/// Carries both files over and keeps the old ones under `.old`.
///
/// # Errors
/// A configuration that cannot be read or is not right, or a file that cannot be written.
pub(in crate::daemon) fn upgrade(file: &Path) -> anyhow::Result<ExitCode> {
    let read = |file: &Path| {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    };
    let text = read(file)?;
    let old = Config::parse(&text, file)?;
    let checked = old.check()?;
    let registration_file = file.with_file_name("registration.yaml");
    let registration = match registration_file.exists() {
        true => carry_registration(&read(&registration_file)?, &checked),
        false => None,
    };
    let config = carry(&text, &old, file);
    if config.is_none() && registration.is_none() {
        println!("{} is as new as this program.", file.display());
    }
    if let Some(new) = config {
        replace(file, &new)?;
    }
    if let Some(new) = registration {
        replace(&registration_file, &new)?;
        println!("Restart the homeserver, so that it reads the registration again.");
    }
    for (network, suffix) in left(file)? {
        println!(
            "irc.networks.{network}.puppet_suffix was left, since irc.nick is for all networks; \
             to move it, write irc.nick: '{{local}}{suffix}'."
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Networks whose nicks are still named in the old way.
fn left(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let networks = Config::load(file)?.irc.networks;
    let suffix = |(name, network): (String, crate::config::IrcNetworkSection)| {
        network.puppet_suffix.map(|suffix| (name, suffix))
    };
    Ok(networks.into_iter().filter_map(suffix).collect())
}

/// The text with moved keys moved and missing sections as comments; none if there is nothing to do.
fn carry(text: &str, old: &Config, file: &Path) -> Option<String> {
    let moved = move_nicks(text, old)
        .filter(|(new, expected)| Config::parse(new, file).is_ok_and(|read| read == **expected));
    let mut new = moved.map_or_else(|| text.to_owned(), |(new, _)| new);
    let missing = missing_sections(&new);
    if !missing.is_empty() {
        if !new.ends_with('\n') {
            new.push('\n');
        }
        new.push_str(ADDED);
        new.push_str(&missing);
    }
    (new != text).then_some(new)
}

/// `puppet_suffix` of all networks becomes `irc.nick`, where it is the same for all; also what is to be read then.
fn move_nicks(text: &str, old: &Config) -> Option<(String, Box<Config>)> {
    let mut suffixes = old.irc.networks.values().map(|network| network.puppet_suffix.as_ref());
    let suffix = suffixes.next()??;
    if !suffixes.all(|other| other == Some(suffix)) {
        return None;
    }
    let mut expected = Box::new(old.clone());
    expected.irc.nick = format!("{{local}}{suffix}");
    expected.irc.networks.values_mut().for_each(|network| network.puppet_suffix = None);
    let line = format!(
        "  # The puppet_suffix of earlier versions.\n  nick: '{}'\n",
        expected.irc.nick.replace('\'', "''")
    );
    let kept = text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("puppet_suffix:"));
    let new = kept.map(|kept| match kept.trim_end() == "irc:" {
        true => format!("{kept}{line}"),
        false => kept.to_owned(),
    });
    Some((new.collect(), expected))
}

/// Sections of the example that the text does not have, each line behind a `#`.
fn missing_sections(text: &str) -> String {
    let name = |line: &str| {
        let name = line.split_once(':').map(|(name, _)| name)?;
        (!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase())).then(|| name.to_owned())
    };
    let has = |section: &str| {
        text.lines().any(|line| name(line.trim_start_matches(['#', ' '])).as_deref() == Some(section))
    };
    let mut added = String::new();
    let mut is_missing = false;
    for line in EXAMPLE.lines() {
        if let Some(section) = name(line) {
            is_missing = !has(&section);
        }
        if is_missing {
            added.push_str(format!("# {line}").trim_end());
            added.push('\n');
        }
    }
    added
}

/// A registration of this version, if the older one lacks something; its address stays.
fn carry_registration(text: &str, checked: &Checked) -> Option<String> {
    let matrix = &checked.matrix;
    let bot = matrix.bot.localpart();
    let has = |line: &str| text.lines().any(|other| other.trim() == line);
    let is_new = has("io.element.msc4190: true") && !has(&format!("sender_localpart: {bot}"));
    if is_new {
        return None;
    }
    let url = text.lines().find_map(|line| line.strip_prefix("url:"))?;
    let registration = Registration {
        id: &matrix.registration_id,
        url: url.trim().trim_matches(['\'', '"']),
        as_token: &matrix.as_token,
        hs_token: &matrix.hs_token,
        bot_localpart: bot,
        ghost_prefix: &matrix.ghost_prefix,
        server_name: matrix.server_name.as_str(),
    };
    Some(registration.to_yaml())
}

/// Puts new text into a file; the old text stays beside it under `.old`.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let beside = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let (old, new) = (beside(".old"), beside(".part"));
    if old.exists() {
        bail!("{} exists already; move it away, then try again", old.display());
    }
    let failed = || format!("cannot write {}", file.display());
    let _ = std::fs::remove_file(&new); // of an attempt that broke off
    create(&new, text)?;
    std::fs::set_permissions(&new, std::fs::metadata(file).with_context(failed)?.permissions())
        .with_context(failed)?;
    keep_owner(file, &new).with_context(failed)?;
    std::fs::hard_link(file, &old).with_context(failed)?;
    std::fs::rename(&new, file).with_context(failed)?;
    println!("Wrote {}; the old one is {}.", file.display(), old.display());
    Ok(())
}

/// Whoever could read the old file reads the new one.
fn keep_owner(file: &Path, new: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(file)?;
    std::os::unix::fs::chown(new, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "# ours, since 2024\n\
         homeserver: {url: 'http://127.0.0.1:8008', server_name: example.org}\n\
         appservice:\n  as_token: abc # rotated in May\n  hs_token: def\n\
         msn: {server: 'm.example.org:1863', nexus: 'https://n.example.org/'}\n\
         irc:\n\
         \x20 networks:\n\
         \x20   one:\n      server: irc.example.org\n      nick: bridge\n      puppet_suffix: '|m'\n\
         \x20   two:\n      server: irc.example.net\n      nick: bridge\n      puppet_suffix: '|m'\n";

    fn set_up(config: &str, registration: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bridge.yaml");
        std::fs::write(&file, config).unwrap();
        std::fs::write(directory.path().join("registration.yaml"), registration).unwrap();
        (directory, file)
    }

    const OLD_REGISTRATION: &str = "id: msnbridge\nurl: 'http://bridge:29399'\nas_token: abc\nhs_token: def\n\
         sender_localpart: msnbot\nnamespaces: {}\n";

    #[test]
    fn values_and_comments_stay_and_what_has_moved_is_where_it_belongs() {
        let (directory, file) = set_up(OLD, OLD_REGISTRATION);
        upgrade(&file).unwrap();
        let new = std::fs::read_to_string(&file).unwrap();
        for kept in
            ["# ours, since 2024", "as_token: abc # rotated in May", "nick: '{local}|m'", "# encryption:"]
        {
            assert!(new.contains(kept), "{kept}: {new}");
        }
        assert!(!new.contains("puppet_suffix: "), "{new}");
        let nicks = |file: &Path| {
            let networks = Config::load(file).unwrap().check().unwrap().irc.networks;
            networks.into_iter().map(|(name, network)| (name, network.nick_template)).collect::<Vec<_>>()
        };
        let old = directory.path().join("bridge.yaml.old");
        assert_eq!(format!("{:?}", nicks(&file)), format!("{:?}", nicks(&old)));
        assert_eq!(std::fs::read_to_string(&old).unwrap(), OLD);
    }

    #[test]
    fn an_older_registration_gets_what_encrypted_rooms_need_and_keeps_its_address() {
        let (directory, file) = set_up(OLD, OLD_REGISTRATION);
        upgrade(&file).unwrap();
        let new = std::fs::read_to_string(directory.path().join("registration.yaml")).unwrap();
        for line in [
            "url: 'http://bridge:29399'",
            "as_token: abc",
            "sender_localpart: msnbot_as",
            "io.element.msc4190: true",
        ] {
            assert!(new.lines().any(|other| other == line), "{line}: {new}");
        }
    }

    #[test]
    fn a_file_that_is_new_is_not_touched() {
        let (directory, file) = set_up(OLD, OLD_REGISTRATION);
        upgrade(&file).unwrap();
        let read = || {
            ["bridge.yaml", "registration.yaml"]
                .map(|name| std::fs::read(directory.path().join(name)).unwrap())
        };
        let first = read();
        upgrade(&file).unwrap();
        assert_eq!(read(), first);
    }

    #[test]
    fn networks_that_differ_are_left_as_they_are() {
        let (_directory, file) = set_up(&OLD.replacen("'|m'", "'|x'", 1), OLD_REGISTRATION);
        upgrade(&file).unwrap();
        assert_eq!(
            left(&file).unwrap(),
            [("one".to_owned(), "|x".to_owned()), ("two".to_owned(), "|m".to_owned())]
        );
    }
}
