//! How large things may become before they are two: files, functions, types. What is larger today is listed, and the list
//! only shrinks.

use std::collections::{BTreeMap, BTreeSet};

use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::sources::{Source, sources};

const MAX_FILE: usize = 400;
const MAX_FUNCTION: usize = 80;
const MAX_METHODS: usize = 40;
const MAX_FILES: usize = 4;

/// Files that are to be split, and their lines today, tests besides.
const LONG_FILES: [(&str, usize); 1] = [("config.rs", 408)];

/// Functions that are to be split, and their lines today.
const LONG_FUNCTIONS: [(&str, &str, usize); 1] = [("daemon/build.rs", "start", 98)];

/// Types that are to be split: their methods and files today.
const LARGE_TYPES: [(&str, usize, usize); 0] = [];

/// Lines up to the end of the last thing that is not for tests.
fn lines(source: &Source) -> usize {
    source.syntax.items.last().map_or(0, |item| item.span().end().line)
}

#[derive(Default)]
struct Functions(Vec<(String, usize)>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, whole: impl Spanned) {
        let span = whole.span();
        self.0.push((signature.ident.to_string(), span.end().line + 1 - span.start().line));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let mut listed: BTreeMap<&str, usize> = LONG_FILES.into();
    let mut wrong = Vec::new();
    for source in sources() {
        let (lines, bound) = (lines(&source), listed.remove(source.name.as_str()));
        if lines > bound.unwrap_or(MAX_FILE) || bound.is_some_and(|_| lines <= MAX_FILE) {
            wrong.push(format!("(\"{}\", {lines}), listed: {bound:?}", source.name));
        }
    }
    assert!(
        wrong.is_empty() && listed.is_empty(),
        "longer than listed, or not any more: {wrong:#?} {listed:?}"
    );
}

#[test]
fn no_function_is_longer_than_eighty_lines() {
    let mut wrong = Vec::new();
    let mut found = BTreeSet::new();
    for source in sources() {
        let mut functions = Functions::default();
        functions.visit_file(&source.syntax);
        for (name, lines) in functions.0.into_iter().filter(|(_, lines)| *lines > MAX_FUNCTION) {
            let is_it = |(file, of, _): &&(&str, &str, usize)| *file == source.name && *of == name;
            match LONG_FUNCTIONS.iter().find(is_it) {
                Some((_, _, bound)) if lines <= *bound => drop(found.insert((source.name.clone(), name))),
                listed => {
                    wrong.push(format!("(\"{}\", \"{name}\", {lines}), listed: {listed:?}", source.name))
                }
            }
        }
    }
    let all = found.len() == LONG_FUNCTIONS.len();
    assert!(wrong.is_empty() && all, "longer than listed: {wrong:#?}; of those listed there are {found:?}");
}

#[test]
fn no_type_has_more_than_forty_methods_or_stands_in_more_than_four_files() {
    let mut types: BTreeMap<String, (usize, BTreeSet<String>)> = BTreeMap::new();
    for source in sources() {
        let module = source.name.split('/').next().unwrap().trim_end_matches(".rs");
        for item in &source.syntax.items {
            let syn::Item::Impl(block) = item else { continue };
            let syn::Type::Path(path) = &*block.self_ty else { continue };
            let Some(name) = path.path.segments.last().map(|segment| &segment.ident) else { continue };
            let methods = block.items.iter().filter(|item| matches!(item, syn::ImplItem::Fn(_))).count();
            let known = types.entry(format!("{module}::{name}")).or_default();
            known.0 += methods;
            known.1.insert(source.name.clone());
        }
    }
    let mut wrong = Vec::new();
    for (name, (methods, files)) in &types {
        let listed =
            LARGE_TYPES.iter().find(|(of, ..)| of == name).map(|(_, methods, files)| (*methods, *files));
        let (most, widest) = listed.unwrap_or((MAX_METHODS, MAX_FILES));
        let is_small = *methods <= MAX_METHODS && files.len() <= MAX_FILES;
        if *methods > most || files.len() > widest || (listed.is_some() && is_small) {
            wrong.push(format!("(\"{name}\", {methods}, {}), listed: {listed:?}", files.len()));
        }
    }
    let gone: Vec<&str> =
        LARGE_TYPES.iter().map(|(name, ..)| *name).filter(|name| !types.contains_key(*name)).collect();
    assert!(wrong.is_empty() && gone.is_empty(), "larger than listed, or not any more: {wrong:#?} {gone:?}");
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.name)
        .collect();
    assert!(silent.is_empty(), "no header: {silent:?}");
}
