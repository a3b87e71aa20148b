//! The conformance list: which test shows which rule. A rule without a test fails.

use std::collections::BTreeMap;
use std::path::Path;

fn sources(directory: &Path, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_rule_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    sources(&root.join("src"), &mut texts);
    sources(&root.join("tests/it"), &mut texts);
    let mut tests: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for text in &texts {
        for rest in text.split("fn conf_").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let number = name.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0);
            tests.entry(number).or_default().push(format!("conf_{name}"));
        }
    }
    for (number, names) in &tests {
        println!("{number:3}  {}", names.join(", "));
    }
    let missing: Vec<u32> = (1..=103).filter(|n| !tests.contains_key(n)).collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
}
