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
const LONG_FILES: [(&str, usize); 0] = [];

/// Functions that are to be split, and their lines today.
const LONG_FUNCTIONS: [(&str, &str, usize); 0] = [];

/// Types that are to be split: their methods and files today.
const LARGE_TYPES: [(&str, usize, usize); 0] = [];

/// Lines of a module's header: the first says what it is, the others what it knows, what it refuses to know, its source.
const MIN_HEADER: usize = 2;
const MAX_HEADER: usize = 6;

/// Files of a folder whose headers are not that long today, at most.
const SHORT_HEADERS: [(&str, usize); 0] = [];

/// Public functions of a folder that do not say how they fail today, at most.
const SILENT_ERRORS: [(&str, usize); 0] = [];

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

/// The first folder of a source, or the file's own name without one.
fn folder(source: &Source) -> &str {
    source.name.split('/').next().unwrap().trim_end_matches(".rs")
}

/// No folder has more of them than is listed.
fn check_bounds(what: &str, found: &BTreeMap<String, Vec<String>>, listed: &[(&str, usize)]) {
    let bound =
        |folder: &str| listed.iter().find(|(known, _)| *known == folder).map_or(0, |(_, bound)| *bound);
    let wrong: Vec<_> = found.iter().filter(|(folder, names)| names.len() > bound(folder)).collect();
    assert!(wrong.is_empty(), "more {what} than listed: {wrong:#?}");
}

/// Public functions that can fail, and whose words do not say how.
#[derive(Default)]
struct Fallible {
    silent: Vec<String>,
    /// Inside of a public trait every function is public.
    in_public_trait: bool,
}

impl Fallible {
    fn check(&mut self, is_public: bool, attributes: &[syn::Attribute], signature: &syn::Signature) {
        let syn::ReturnType::Type(_, output) = &signature.output else { return };
        let mut results = Results(false);
        results.visit_type(output);
        let told = attributes.iter().any(|attribute| match &attribute.meta {
            syn::Meta::NameValue(doc) if doc.path.is_ident("doc") => says_errors(&doc.value),
            _ => false,
        });
        if is_public && results.0 && !told {
            self.silent.push(signature.ident.to_string());
        }
    }
}

fn says_errors(line: &syn::Expr) -> bool {
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = line else { return false };
    line.value().trim() == "# Errors"
}

/// Whether a type is a result, or a future of one.
struct Results(bool);

impl<'ast> Visit<'ast> for Results {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        self.0 |= segment.ident == "Result";
        if ["BoxFuture", "Future", "Pin", "Box"].iter().any(|wrapper| segment.ident == wrapper) {
            syn::visit::visit_path_segment(self, segment);
        }
    }
}

impl<'ast> Visit<'ast> for Fallible {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.check(matches!(function.vis, syn::Visibility::Public(_)), &function.attrs, &function.sig);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.check(matches!(function.vis, syn::Visibility::Public(_)), &function.attrs, &function.sig);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.in_public_trait = matches!(item.vis, syn::Visibility::Public(_));
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.check(self.in_public_trait, &function.attrs, &function.sig);
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
fn every_module_says_what_it_knows_and_refuses_to_know_in_two_to_six_lines() {
    let mut short: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        let lines = source.text.lines().take_while(|line| line.starts_with("//!")).count();
        // The crate's own page is its manual.
        let longest = if source.name == "lib.rs" { usize::MAX } else { MAX_HEADER };
        if !(MIN_HEADER..=longest).contains(&lines) {
            short.entry(folder(&source).to_owned()).or_default().push(format!("{}: {lines}", source.name));
        }
    }
    check_bounds("headers", &short, &SHORT_HEADERS);
}

#[test]
fn every_public_function_that_can_fail_says_how() {
    let mut silent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        let mut fallible = Fallible::default();
        fallible.visit_file(&source.syntax);
        if !fallible.silent.is_empty() {
            let named = fallible.silent.into_iter().map(|name| format!("{}: {name}", source.name));
            silent.entry(folder(&source).to_owned()).or_default().extend(named);
        }
    }
    check_bounds("functions without `# Errors`", &silent, &SILENT_ERRORS);
}

#[test]
fn a_function_that_can_fail_is_found_whatever_its_result_is_wrapped_in() {
    let found = |code: &str| {
        let mut fallible = Fallible::default();
        fallible.visit_file(&syn::parse_str(code).unwrap());
        fallible.silent
    };
    assert_eq!(found("pub fn plain() -> io::Result<u8> { todo!() }"), ["plain"]);
    assert_eq!(found("impl A { pub async fn method(&self) -> Result<(), E> { todo!() } }"), ["method"]);
    assert_eq!(found("pub trait P { fn port(&self) -> BoxFuture<'_, Result<(), E>>; }"), ["port"]);
    assert_eq!(found("pub fn later() -> impl Future<Output = Result<(), E>> { todo!() }"), ["later"]);
    assert!(
        found("/// Does.\n///\n/// # Errors\n/// Never.\npub fn told() -> Result<(), E> { todo!() }")
            .is_empty()
    );
    assert!(found("fn private() -> Result<(), E> { todo!() }").is_empty());
    assert!(found("pub(crate) fn ours() -> Result<(), E> { todo!() }").is_empty());
    assert!(found("pub fn sure(answer: Result<(), E>) -> Option<u8> { todo!() }").is_empty());
}
