//! The conformance list: which test shows which rule. A rule without a test fails.

use std::collections::BTreeMap;
use std::path::Path;

/// The rules of the wire reference's checklist that are later work, and whose.
const LATER: [(std::ops::RangeInclusive<u32>, &str); 2] =
    [(82..=84, "files of clients without peer-to-peer; of 80 the fetching"), (98..=98, "direct connections")];

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
    let is_later = |number: u32| LATER.iter().any(|(range, _)| range.contains(&number));
    for (number, names) in &tests {
        println!("{number:3}  {}", names.join(", "));
    }
    for (range, what) in &LATER {
        println!("{}-{}  later: {what}", range.start(), range.end());
    }
    let missing: Vec<u32> = (1..=103).filter(|n| !is_later(*n) && !tests.contains_key(n)).collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
}
