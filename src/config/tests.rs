use super::*;
use crate::bridge::ids::UserId;
use crate::bridge::port::frontend::{Level, Permissions};

const MINIMAL: &str = "
homeserver: {url: 'http://127.0.0.1:8008', server_name: example.org}
appservice: {as_token: a, hs_token: h}
msn: {server: 'm.example.org:1863', nexus: 'https://m.example.org/rdr/pprdr.asp'}
permissions: {'@alice:example.org': user, friends.org: user}
";

fn load(text: &str) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bridge.yaml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file)
}

#[test]
fn a_minimal_file_is_enough_and_paths_are_beside_it() {
    let config = load(MINIMAL).unwrap();
    let checked = config.check().unwrap();
    assert_eq!(checked.matrix.bot, "@msnbot:example.org");
    assert!(config.store.directory.is_absolute());
    assert!(checked.permissions.may_use(&UserId::new("@alice:example.org")));
    assert!(checked.permissions.may_use(&UserId::new("@anyone:friends.org")));
    assert!(!checked.permissions.may_use(&UserId::new("@bob:example.org")));
}

#[test]
fn the_closest_permission_counts() {
    let text = MINIMAL.replace(
        "{'@alice:example.org': user, friends.org: user}",
        "{'@alice:friends.org': none, '@root:friends.org': admin, friends.org: user, '*': relay}",
    );
    let permissions = load(&text).unwrap().check().unwrap().permissions;
    for (user, level) in [
        ("@alice:friends.org", Level::None),
        ("@root:friends.org", Level::Admin),
        ("@bob:friends.org", Level::User),
        ("@bob:example.org", Level::Relay),
    ] {
        assert_eq!(permissions.level(&UserId::new(user)), level, "{user}");
    }
    assert!(!permissions.may_use(&UserId::new("@bob:example.org")));
}

#[test]
fn mistakes_are_named_with_key_value_and_what_is_allowed() {
    for (from, to, expected) in [
        ("m.example.org:1863", "nowhere", "msn.server: \"nowhere\" is not allowed; it must be host:port"),
        ("example.org}", "'ex ample'}", "homeserver.server_name"),
        ("as_token: a,", "", "appservice.as_token is missing"),
        ("friends.org: user", "friends.org: king", "permissions.friends.org: \"king\""),
        ("as_token: a,", "as_token: a, bot_avatar: /nowhere.png,", "appservice.bot_avatar"),
        (
            "as_token: a,",
            "as_token: a, bot_avatar: 'mxc://nothing',",
            "appservice.bot_avatar: \"mxc://nothing\"",
        ),
        ("msn: {", "msn: {relay: '{text}', ", "msn.relay: \"{text}\""),
        ("msn: {", "msn: {token_service: 'https://m.example.org/login', ", "msn.token_service: \"https"),
        ("msn: {", "msn: {token_service: 'ftp://m.example.org/RST.srf', ", "msn.token_service: \"ftp"),
        ("permissions:", "matrix: {rooms: none}\npermissions:", "matrix.rooms: \"none\""),
        (
            "permissions:",
            "matrix: {double_puppet: {'@ann:elsewhere.org': {token: x}}}\npermissions:",
            "matrix.double_puppet: \"@ann:elsewhere.org\"",
        ),
        (
            "permissions:",
            "matrix: {double_puppet: {example.org: {}}}\npermissions:",
            "matrix.double_puppet.example.org.token is missing",
        ),
        ("permissions:", "files: {direct: {allow: [here]}}\npermissions:", "files.direct.allow: \"here\""),
        ("permissions:", "files: {direct: {announce: [me]}}\npermissions:", "files.direct.announce: \"me\""),
        ("permissions:", "files: {direct: {ports: 9-1}}\npermissions:", "files.direct.ports: \"9-1\""),
        ("permissions:", "files: {max_total_bytes: 5}\npermissions:", "files.max_bytes: \"104857600\""),
        ("permissions:", "files: {links: {url: 'ftp://x'}}\npermissions:", "files.links.url: \"ftp://x\""),
        ("permissions:", "files: {links: {url: 'http://x', hours: 0}}\npermissions:", "files.links.hours"),
        (
            "permissions:",
            "files: {max_bytes: 5, max_total_bytes: 9, links: {url: 'http://x'}}\npermissions:",
            "files.links.max_bytes",
        ),
    ] {
        let text = MINIMAL.replacen(from, to, 1);
        let error = load(&text).unwrap().check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let unknown = load(&MINIMAL.replace("msn: {", "msn: {colour: red, ")).unwrap_err().to_string();
    assert!(unknown.contains("colour"), "{unknown}");
    let wrong =
        load(&MINIMAL.replace("msn: {", "msn: {allow_insecure_login: maybe, ")).unwrap_err().to_string();
    assert!(wrong.contains("maybe"), "{wrong}");
    assert!(matches!(Config::load(Path::new("/nonexistent/x.yaml")), Err(ConfigError::Missing { .. })));
}

#[test]
fn tokens_are_asked_for_where_the_nexus_is_unless_another_address_is_named() {
    let address = |text: &str| {
        let checked = load(text).unwrap().check().unwrap();
        checked.msn.token_service.map(|url| url.to_string())
    };
    assert_eq!(address(MINIMAL).as_deref(), Some("https://m.example.org/RST.srf"));
    let other = "https://login.example.net:8443//live/RST2.srf";
    let named = MINIMAL.replace("msn: {", &format!("msn: {{token_service: '{other}', "));
    assert_eq!(address(&named).as_deref(), Some(other));
    let nowhere = MINIMAL.replace("https://m.example.org/rdr/pprdr.asp", "m.example.org");
    assert_eq!(address(&nowhere), None);
}

/// Every key of a value, as a path; lists by their first element.
fn paths(value: &serde_json::Value, at: &str, out: &mut BTreeMap<String, serde_json::Value>) {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, inner)| paths(inner, &format!("{at}.{key}"), out));
        }
        serde_json::Value::Array(list) if list.first().is_some_and(serde_json::Value::is_object) => {
            paths(&list[0], &format!("{at}[]"), out);
        }
        other => drop(out.insert(at.to_owned(), other.clone())),
    }
}

#[test]
fn the_example_names_every_key_with_its_default() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("bridge.example.yaml")).unwrap();
    let example = load(&text).unwrap();
    example.check().unwrap();
    // What is written in the file, before defaults are filled in.
    let raw: serde_json::Value = config::Config::builder()
        .add_source(config::File::from_str(&text, config::FileFormat::Yaml))
        .build()
        .and_then(config::Config::try_deserialize)
        .unwrap();
    let (mut written, mut all) = Default::default();
    paths(&raw, "", &mut written);
    paths(&serde_json::to_value(&example).unwrap(), "", &mut all);
    let missing: Vec<&String> = all.keys().filter(|key| !written.contains_key(*key)).collect();
    assert!(missing.is_empty(), "not in the example: {missing:?}");

    // The same without every key that has a default: nothing may change.
    let minimal = "
homeserver: {url: 'http://127.0.0.1:8008', server_name: example.org}
appservice: {as_token: 'the as_token of registration.yaml', hs_token: 'the hs_token of registration.yaml'}
msn: {server: 'messenger.example.org:1863', nexus: 'https://nexus.example.org/rdr/pprdr.asp'}
permissions: {'@you:example.org': user}
logins: [{account: you@example.com, owner: '@you:example.org', password: 'a password'}]
irc:
  networks: {libera: {server: irc.libera.example, port: 6697}}
  relays: [{network: libera, channel: '#friends', login: you@example.com, contact: alice@example.com}]
  people: [{network: libera, mask: 'you!*@your-host.example.org', user: '@you:example.org'}]
";
    let mut defaults = BTreeMap::new();
    paths(&serde_json::to_value(load(minimal).unwrap()).unwrap(), "", &mut defaults);
    for (key, value) in &all {
        let is_path = key.starts_with(".store.directory") || key.starts_with(".store.key_file");
        assert!(
            is_path || defaults.get(key) == Some(value),
            "{key}: {value} is not the default {:?}",
            defaults.get(key)
        );
    }
}
