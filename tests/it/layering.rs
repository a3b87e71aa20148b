//! Who may import whom: one direction only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::Visit;

use crate::sources::{is_for_tests, sources};

/// A module and what it may use of ours, besides itself.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("msn", &[]),
    ("measure", &[]),
    ("retry", &[]),
    ("web", &[]),
    ("bridge", &["measure", "retry"]),
    ("store", &["bridge", "measure", "retry"]),
    ("pixels", &[]),
    ("connector", &["msn", "bridge", "measure", "pixels", "retry", "web"]),
    ("matrix", &["bridge", "measure", "pixels", "retry", "web"]),
    ("irc", &["bridge", "measure", "retry"]),
    ("links", &["bridge", "web"]),
    ("sign_in", &["bridge", "web"]),
    ("service", &["msn"]),
    ("config", &["msn", "bridge", "connector", "matrix", "irc", "links", "sign_in", "service"]),
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
            "depths",
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
            "trace",
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
    let mut verbs = BTreeSet::new();
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
    let missing: Vec<&String> =
        verbs.iter().filter(|verb| !named(verb) && !["TWN", "SSO"].contains(&verb.as_str())).collect();
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

/// The parts of a module, floor by floor, the highest first: each uses those of lower floors only. Files of one part are one
/// thing.
type Floors = &'static [&'static [&'static [&'static str]]];

const FLOORS: [(&str, Floors); 3] = [
    (
        "connector",
        &[
            &[&["network"]],
            &[&["login"]],
            &[&["call"]],
            &[&["file"], &["object"], &["translate"]],
            &[&["handle", "context"]],
            &[&["net"], &["interrupted"]],
            &[&["clock"], &["size"], &["error"], &["config"]],
        ],
    ),
    (
        "matrix",
        &[
            &[&["provision"]],
            &[&["frontend"]],
            &[&["component"]],
            &[&["inbound"], &["outbound"]],
            &[&["room"]],
            &[&["encryption"]],
            &[&["profile"]],
            &[&["homeserver"]],
            &[&["appservice"], &["cache"], &["config"], &["html"], &["keys"], &["lock"], &["mentions"]],
        ],
    ),
    (
        "service",
        &[
            &[&["listener"]],
            // What speaks for a client or to it, and what owns the rules: neither knows the other.
            &[&["owner"], &["passport"], &["robot"]],
            &[&["gateway"], &["socket"]],
            &[&["feed"], &["offline_page"], &["book_page"], &["token"]],
            &[&["input"], &["quota"], &["soap"], &["tls"]],
            &[&["http"]],
            // The rules, apart from the delivery.
            &[&["world", "handshake", "notification", "offline"]],
            &[&["call"], &["roster"], &["outgoing"]],
            &[&["notice"], &["notifier"]],
            &[&["switchboards"]],
            &[&["presence"], &["book"]],
            &[&["connections"], &["directory"], &["mailbox"], &["tickets"]],
            &[&["effect"], &["random"], &["refusal"], &["rules"]],
            &[&["error"], &["ids"]],
        ],
    ),
];

/// Paths to modules of ours that a file names, in its imports and in its code, its tests apart.
struct Named {
    /// The module in which the reader is.
    here: Vec<String>,
    found: BTreeSet<Vec<String>>,
}

impl Named {
    fn of(module: &[String], syntax: &syn::File) -> BTreeSet<Vec<String>> {
        let mut named = Self { here: module.to_vec(), found: BTreeSet::new() };
        named.visit_file(syntax);
        named.found
    }

    /// A path as it is written, and what it means from the root of the crate; nothing is noted of other crates' paths.
    fn note(&mut self, path: &[String]) {
        let mut rest = path;
        let mut from = match rest.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.here.clone(),
            _ => return,
        };
        while let Some(word @ ("crate" | "self" | "super")) = rest.first().map(String::as_str) {
            if word == "super" {
                from.pop();
            }
            rest = &rest[1..];
        }
        from.extend_from_slice(rest);
        self.found.insert(from);
    }

    fn note_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |word: &syn::Ident| [before, &[word.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_tree(before, tree)),
            syn::UseTree::Name(name) if name.ident == "self" => self.note(before),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.note(&with(&name.ident)),
            syn::UseTree::Glob(_) => self.note(before),
        }
    }
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_for_tests(&module.attrs) {
            return;
        }
        self.here.push(module.ident.to_string());
        syn::visit::visit_item_mod(self, module);
        self.here.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.note(&path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>());
        syn::visit::visit_path(self, path);
    }
}

/// The module that a file is, from the root of the crate.
fn module_of(file: &str) -> Vec<String> {
    let mut words: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    words.pop_if(|last| last == "mod");
    words
}

/// Which modules below `root` each of those uses; parents and children, which are one thing, apart.
fn uses_below(root: &str) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let sources = sources();
    let own = sources.iter().filter(|source| source.name.starts_with(&format!("{root}/")));
    let own: Vec<_> = own.map(|source| (module_of(&source.name), &source.syntax)).collect();
    let modules: BTreeSet<&Vec<String>> = own.iter().map(|(module, _)| module).collect();
    let owner =
        |path: &[String]| (1..=path.len()).rev().map(|n| path[..n].to_vec()).find(|p| modules.contains(p));
    let used = |module: &Vec<String>, syntax: &syn::File| {
        let found = Named::of(module, syntax).iter().filter_map(|path| owner(path)).collect::<BTreeSet<_>>();
        let is_family = |other: &Vec<String>| other.starts_with(module) || module.starts_with(other);
        found.into_iter().filter(|other| !is_family(other)).collect()
    };
    own.iter().map(|(module, syntax)| (module.clone(), used(module, syntax))).collect()
}

#[test]
fn parts_of_a_module_import_in_one_direction_only() {
    let mut wrong = Vec::new();
    for (root, floors) in FLOORS {
        let place = |module: &[String]| {
            let name = module.get(1)?.as_str();
            let floor = floors.iter().position(|floor| floor.iter().any(|part| part.contains(&name)))?;
            Some((floor, floors[floor].iter().position(|part| part.contains(&name))?))
        };
        let uses = uses_below(root);
        let seen: usize = uses.values().map(BTreeSet::len).sum();
        assert!(uses.len() > 40 && seen > 100, "the reader sees nothing of {root}: {} {seen}", uses.len());
        for (module, used) in &uses {
            for other in used {
                let allowed = match (place(module), place(other)) {
                    (Some(own), Some(others)) => own == others || own.0 < others.0,
                    // The root declares its parts, and has none of its own.
                    (None, _) => module.len() == 1,
                    (_, None) => false,
                };
                if !allowed {
                    wrong.push(format!("{} uses {}", module.join("/"), other.join("/")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_paths_sees_what_is_named_in_imports_and_in_code() {
    let words = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let text = "use super::a::{b, c::D as E, self}; use std::fmt; use crate::x::*;
        fn f(g: super::super::g::G) -> Result<crate::h::H, ()> { self::i::j(); k::l() }
        mod inner { use super::m; }
        #[cfg(test)] mod tests { use super::super::n; }";
    let found = Named::of(&words("connector::file::one"), &syn::parse_file(text).unwrap());
    let expected = [
        "connector::file::a::b",
        "connector::file::a::c::D",
        "connector::file::a",
        "connector::file::one::i::j",
        "connector::file::one::m",
        "connector::g::G",
        "h::H",
        "x",
    ];
    assert_eq!(found, expected.map(words).into());
    assert_eq!(module_of("connector/net/mod.rs"), ["connector", "net"]);
    assert_eq!(module_of("connector/net/pump.rs"), ["connector", "net", "pump"]);
}
