//! The conformance list: `tests/conformance.md` names the tests that show each rule, and the tree has just these.

use std::collections::BTreeMap;
use std::path::Path;

/// A test, by its file and its name.
type Test = (String, String);

/// The last rule of MSNP8 to MSNP12, which are whole, and the last of the later dialects, whose rules are listed as they are
/// built.
const RULES: u32 = 103;
const LATER: u32 = 153;

fn sources(root: &Path, directory: &Path, out: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(root, &path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            out.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
}

/// The tests of the tree, by the number in their name.
fn in_tree(root: &Path) -> BTreeMap<u32, Vec<Test>> {
    let mut texts = Vec::new();
    ["src", "tests/it"].iter().for_each(|directory| sources(root, &root.join(directory), &mut texts));
    let mut tests: BTreeMap<u32, Vec<Test>> = BTreeMap::new();
    for (file, text) in &texts {
        for rest in text.split("fn conf_").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let Some(number) = name.get(..3).and_then(|digits| digits.parse().ok()) else { continue };
            tests.entry(number).or_default().push((file.clone(), format!("conf_{name}")));
        }
    }
    tests.values_mut().for_each(|tests| tests.sort());
    tests
}

/// The rules of the list and the tests that it names for each.
fn in_list(text: &str) -> BTreeMap<u32, Vec<Test>> {
    let (mut number, mut file) = (0, String::new());
    let mut rules: BTreeMap<u32, Vec<Test>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rule) = line.split_once(". (").and_then(|(digits, _)| digits.parse().ok()) {
            number = rule;
            rules.entry(number).or_default();
        } else if let Some(path) = line.strip_prefix("   - ") {
            path.clone_into(&mut file);
        } else if let Some(name) = line.strip_prefix("     `").and_then(|name| name.strip_suffix('`')) {
            rules.entry(number).or_default().push((file.clone(), name.to_owned()));
        }
    }
    rules.values_mut().for_each(|tests| tests.sort());
    rules
}

#[test]
fn every_rule_names_its_tests_and_they_are_those_of_the_tree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = in_list(&std::fs::read_to_string(root.join("tests/conformance.md")).unwrap());
    let tree = in_tree(root);
    let numbers: Vec<u32> = list.keys().copied().collect();
    let (whole, later): (Vec<u32>, Vec<u32>) = numbers.into_iter().partition(|number| *number <= RULES);
    assert_eq!(whole, (1..=RULES).collect::<Vec<_>>(), "every rule is there");
    assert!(later.iter().all(|number| *number <= LATER), "rules that nobody knows: {later:?}");
    for (number, tests) in &list {
        assert!(!tests.is_empty(), "no test for rule {number}");
        assert_eq!(Some(tests), tree.get(number), "the tests of rule {number}");
    }
    let unknown: Vec<u32> = tree.keys().filter(|number| !list.contains_key(number)).copied().collect();
    assert!(unknown.is_empty(), "tests for rules that are not in the list: {unknown:?}");
}

/// Every section that the code quotes can be looked up.
#[test]
fn every_section_that_is_quoted_is_in_the_wire_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = std::fs::read_to_string(root.join("src/msn/protocol.md")).unwrap();
    let titles = reference.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let known: Vec<&str> = titles.filter_map(|title| title.split(' ').next()).collect();
    let mut texts = Vec::new();
    ["src", "tests/it"].iter().for_each(|directory| sources(root, &root.join(directory), &mut texts));
    let mut quoted = 0;
    for (file, text) in &texts {
        for rest in text.split('§').skip(1) {
            let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            let number = number.trim_end_matches('.');
            if number.is_empty() {
                continue;
            }
            quoted += 1;
            let is_there = known.iter().any(|title| title.trim_end_matches('.') == number);
            assert!(is_there, "{file} quotes §{number}, which is not in src/msn/protocol.md");
        }
    }
    assert!(quoted > 100, "the code quotes its source: {quoted}");
}
