//! The sources of the program, parsed, without what is compiled for tests only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A source file without its tests.
pub(crate) struct Source {
    /// Below `src`, with `/`.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
}

fn walk(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// Whether something is compiled for tests only.
pub(crate) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// All sources that are not compiled for tests only.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    let mut for_tests = BTreeSet::new();
    let mut all = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut syntax = syn::parse_file(&text).unwrap();
        let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("mod" | "lib" | "main") | None => path.parent().unwrap().to_owned(),
            Some(stem) => path.with_file_name(stem),
        };
        for item in &syntax.items {
            if let syn::Item::Mod(module) = item
                && is_for_tests(&module.attrs)
            {
                for_tests.insert(folder.join(module.ident.to_string()));
            }
        }
        syntax.items.retain(|item| !matches!(item, syn::Item::Mod(module) if is_for_tests(&module.attrs)));
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        all.push((path, Source { name, text, syntax }));
    }
    let is_real = |path: &Path| !path.with_extension("").ancestors().any(|part| for_tests.contains(part));
    all.into_iter().filter(|(path, _)| is_real(path)).map(|(_, source)| source).collect()
}
