use super::*;
use crate::bridge::ids::UserId;
use crate::bridge::ports::Permissions;

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
fn mistakes_are_named_with_key_value_and_what_is_allowed() {
    for (from, to, expected) in [
        ("m.example.org:1863", "nowhere", "msn.server: \"nowhere\" is not allowed; it must be host:port"),
        ("example.org}", "'ex ample'}", "homeserver.server_name"),
        ("as_token: a,", "", "appservice.as_token is missing"),
        ("friends.org: user", "friends.org: king", "permissions.friends.org: \"king\""),
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
