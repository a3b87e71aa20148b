//! No circle of files: whoever reads one file of the program never has to come back to it through those it uses.
//!
//! A parent and its children are one thing here: they may name each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{Source, sources};

/// Circles that are to be opened, by the first of their files and how many they are. The list only shrinks.
const KNOWN: [(&str, usize); 0] = [];

type Path = Vec<String>;

fn segments(path: &str) -> Path {
    path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn module_of(source: &Source) -> Path {
    let path = source.name.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").or_else(|| path.strip_suffix("/lib")).unwrap_or(path);
    segments(path)
}

/// Every path that a tree of `use` names.
fn leaves(tree: &syn::UseTree, before: &Path, out: &mut Vec<Path>) {
    let with = |name: &syn::Ident| {
        let mut path = before.clone();
        path.push(name.to_string());
        path
    };
    match tree {
        syn::UseTree::Path(path) => leaves(&path.tree, &with(&path.ident), out),
        syn::UseTree::Group(group) => group.items.iter().for_each(|item| leaves(item, before, out)),
        syn::UseTree::Name(name) if name.ident == "self" => out.push(before.clone()),
        syn::UseTree::Name(name) => out.push(with(&name.ident)),
        syn::UseTree::Rename(name) => out.push(with(&name.ident)),
        syn::UseTree::Glob(_) => out.push(before.clone()),
    }
}

/// Where a path leads, seen from a module; `None` out of the program.
fn resolve(modules: &BTreeMap<Path, Source>, here: &Path, path: &[String]) -> Option<Path> {
    let full = match path.first().map(String::as_str) {
        Some("crate") => path[1..].to_vec(),
        Some("self") => [here.as_slice(), &path[1..]].concat(),
        Some("super") => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            [&here[..here.len().saturating_sub(ups)], &path[ups..]].concat()
        }
        _ => {
            let child = [here.as_slice(), path.get(..1)?].concat();
            modules.contains_key(&child).then(|| [here.as_slice(), path].concat())?
        }
    };
    (1..=full.len()).rev().map(|n| full[..n].to_vec()).find(|path| modules.contains_key(path))
}

fn uses(modules: &BTreeMap<Path, Source>, here: &Path) -> BTreeSet<Path> {
    let mut paths = Vec::new();
    for item in &modules[here].syntax.items {
        if let syn::Item::Use(item) = item {
            leaves(&item.tree, &Path::new(), &mut paths);
        }
    }
    let found = paths.iter().filter_map(|path| resolve(modules, here, path));
    found.filter(|to| !here.starts_with(to) && !to.starts_with(here)).collect()
}

/// Everything that can be reached from a module by one step or more.
fn reached(edges: &BTreeMap<Path, BTreeSet<Path>>, from: &Path) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    let mut next: Vec<Path> = edges[from].iter().cloned().collect();
    while let Some(path) = next.pop() {
        if found.insert(path.clone()) {
            next.extend(edges[&path].iter().cloned());
        }
    }
    found
}

/// Groups of modules each of which leads to all others of its group.
fn circles(edges: &BTreeMap<Path, BTreeSet<Path>>) -> BTreeSet<BTreeSet<Path>> {
    let reach: BTreeMap<&Path, BTreeSet<Path>> =
        edges.keys().map(|path| (path, reached(edges, path))).collect();
    let on_one = edges.keys().filter(|path| reach[path].contains(*path));
    on_one
        .map(|path| reach[path].iter().filter(|other| reach[other].contains(path)).cloned().collect())
        .collect()
}

/// Every file of the program, as its path below `src`, and the files whose items it imports.
pub(crate) fn imports() -> BTreeMap<Path, BTreeSet<Path>> {
    let modules: BTreeMap<Path, Source> = sources().into_iter().map(|s| (module_of(&s), s)).collect();
    modules.keys().map(|path| (path.clone(), uses(&modules, path))).collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let edges = imports();
    let found: Vec<(String, usize, BTreeSet<Path>)> = circles(&edges)
        .into_iter()
        .map(|circle| (circle.first().map(|path| path.join("/")).unwrap_or_default(), circle.len(), circle))
        .collect();
    let known = |first: &str, count: usize| KNOWN.contains(&(first, count));
    let new: Vec<String> = found
        .iter()
        .filter(|(first, count, _)| !known(first, *count))
        .map(|(first, count, circle)| {
            let files: Vec<String> = circle.iter().map(|path| path.join("/")).collect();
            format!("(\"{first}\", {count}): {}", files.join(", "))
        })
        .collect();
    let gone: Vec<_> =
        KNOWN.iter().filter(|(first, n)| !found.iter().any(|(f, c, _)| f == first && c == n)).collect();
    assert!(new.is_empty() && gone.is_empty(), "circles: {new:#?}; known, and not there any more: {gone:?}");
}

#[test]
fn the_reader_sees_a_circle_and_only_that() {
    let parse = |name: &str, text: &str| Source {
        name: format!("{name}.rs"),
        text: text.to_owned(),
        syntax: syn::parse_file(text).unwrap(),
    };
    let all = [
        parse("a", "mod b; mod c; use b::B;"),
        parse("a/b", "use super::c::{self, C}; use std::fmt;"),
        parse("a/c", "use crate::{a::d::D as E, x::*};"),
        parse("a/d", "use super::b::B;"),
        parse("x", "use crate::a::b::B; mod y;"),
        parse("x/y", "use super::super::a::A; use super::X;"),
    ];
    let modules: BTreeMap<Path, Source> = all.into_iter().map(|s| (module_of(&s), s)).collect();
    let edges = modules.keys().map(|path| (path.clone(), uses(&modules, path))).collect();
    let found: Vec<Vec<String>> = circles(&edges)
        .into_iter()
        .map(|circle| circle.iter().map(|path| path.join("/")).collect())
        .collect();
    assert_eq!(found, [["a/b", "a/c", "a/d", "x"]]);
}
