//! Who may import whom: one direction only.

use std::path::Path;

/// A module and what it may use of ours, besides itself.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("msn", &[]),
    ("retry", &[]),
    ("web", &[]),
    ("bridge", &["retry"]),
    ("store", &["bridge", "retry"]),
    ("pixels", &[]),
    ("connector", &["msn", "bridge", "pixels", "retry"]),
    ("matrix", &["bridge", "pixels", "retry", "web"]),
    ("irc", &["bridge", "retry"]),
    ("links", &["bridge", "web"]),
    ("service", &["msn"]),
    ("config", &["msn", "bridge", "connector", "matrix", "irc", "links", "service"]),
];

fn rust_files(directory: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// Modules named after `crate::` anywhere in a file.
fn imports(text: &str) -> Vec<String> {
    let after = text.split("crate::").skip(1);
    after.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()).collect()
}

fn files_of(module: &str) -> Vec<std::path::PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![source.join(format!("{module}.rs"))];
    rust_files(&source.join(module), &mut files);
    files.retain(|file| file.exists());
    files
}

#[test]
fn modules_import_in_one_direction_only() {
    let mut wrong = Vec::new();
    for (module, allowed) in ALLOWED {
        for file in files_of(module) {
            let text = std::fs::read_to_string(&file).unwrap();
            for import in imports(&text) {
                let known = ALLOWED.iter().any(|(name, _)| *name == import) || import == "daemon";
                if known && import != module && !allowed.contains(&import.as_str()) {
                    wrong.push(format!("{} uses {import}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The parts of the core that may use the folders above them: only the router knows portals, and nobody the router.
const CORE: [(&str, &[&str]); 5] = [
    ("port", &["body", "error", "event", "ids", "login", "port"]),
    ("journal", &["error", "event", "ids", "port", "record", "journal"]),
    ("link", &["body", "error", "event", "ids", "media_use", "port", "record", "link"]),
    ("command", &["body", "clean", "event", "ids", "login", "port", "sides", "command"]),
    (
        "portal",
        &[
            "body",
            "clean",
            "error",
            "event",
            "ghost_names",
            "ids",
            "journal",
            "link",
            "port",
            "portal",
            "record",
            "report",
            "sentence",
            "sides",
        ],
    ),
];

#[test]
fn the_folders_of_the_core_import_in_one_direction_only() {
    let mut wrong = Vec::new();
    for (file, imported) in crate::circles::imports() {
        let [core, folder, ..] = file.as_slice() else { continue };
        let Some((_, allowed)) = CORE.iter().find(|(name, _)| core == "bridge" && name == folder) else {
            continue;
        };
        for target in imported.iter().filter(|target| target[0] == "bridge" && target.len() > 1) {
            if !allowed.contains(&target[1].as_str()) {
                wrong.push(format!("{} uses {}", file.join("/"), target.join("/")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_protocol_has_no_clock_no_sockets_and_no_randomness() {
    for file in files_of("msn") {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_test = file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for forbidden in ["tokio", "Instant::now", "SystemTime", "std::net::Tcp", "rand::", "OsRng"] {
            assert!(is_test || !code.contains(forbidden), "{} names {forbidden}", file.display());
        }
    }
}

/// A loop that makes its own pauses is one that nobody has bounded.
#[test]
fn fault_26_pauses_that_grow_are_made_in_one_place() {
    let mut all = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let names_it = |file: &&std::path::PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        text.contains("backon") || text.contains("ExponentialBuilder")
    };
    let makers: Vec<_> = all.iter().filter(names_it).filter_map(|file| file.file_name()).collect();
    assert_eq!(makers, ["retry.rs"]);
}

/// Whoever reads an answer whole reads as much as the other side likes to send.
#[test]
fn fault_33_no_answer_is_read_whole_without_a_bound() {
    let mut all = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    for file in all {
        let text = std::fs::read_to_string(&file).unwrap();
        for whole in [".text().await", ".bytes().await", ".json().await", ".json::<"] {
            let known = text.matches(whole).count();
            assert_eq!(known, 0, "{} reads with {whole}", file.display());
        }
    }
}

#[test]
fn the_import_reader_sees_imports() {
    assert_eq!(imports("use crate::msn::ids;\nlet x = crate::bridge::Y;"), ["msn", "bridge"]);
}

/// The table of commands in the documentation of `msn`: it names every verb that is decoded, and files that handle them.
#[test]
fn the_table_of_commands_is_complete_and_leads_somewhere() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table = std::fs::read_to_string(source.join("msn/commands.md")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let named = |verb: &str| table.contains(&format!("`{verb}`"));
    let mut verbs = std::collections::BTreeSet::new();
    for file in files_of("msn/command") {
        let text = std::fs::read_to_string(file).unwrap();
        // A verb is three capital letters in quotes, in front of what is done about it or where a line begins.
        for (at, _) in text.match_indices('"') {
            let Some(word) = text.get(at + 1..at + 4).filter(|w| w.bytes().all(|b| b.is_ascii_uppercase()))
            else {
                continue;
            };
            let arm = text[at + 4..].starts_with("\" =>") || text[at + 4..].starts_with("\" if ");
            if arm || text[..at].ends_with("Encoder::new(") {
                verbs.insert(word.to_owned());
            }
        }
    }
    assert!(verbs.len() > 35, "{verbs:?}");
    let missing: Vec<&String> = verbs.iter().filter(|verb| !named(verb) && *verb != "TWN").collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    for row in rows {
        for (cell, folders) in [(row[4], ["msn/session", "msn"]), (row[5], ["service", "service"])] {
            for file in cell.split('`').filter(|word| word.contains(".rs")) {
                let exists = folders.iter().any(|folder| source.join(folder).join(file).exists());
                assert!(exists, "{} leads to {file}", row[1]);
            }
        }
    }
}
