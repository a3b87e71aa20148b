//! An answer of the homeserver as it came, of which only what is asked for is read.
//!
//! Knows that what cannot be read of one member, event or field costs that one alone. Refuses to judge what is missing: for
//! whoever asks there is nothing. Source: seen from homeservers that let others' profiles and events through unchecked.

use std::collections::BTreeMap;

use ruma::OwnedUserId;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// A part of an answer, of any kind and depth.
#[derive(Debug, Clone)]
pub(crate) struct Answer(Box<RawValue>);

impl Answer {
    /// Reads the outermost form; `None` for what is no JSON at all: no homeserver said that. Bytes that are no text cost the
    /// text that they stand in.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        RawValue::from_string(String::from_utf8_lossy(body).into_owned()).ok().map(Self)
    }

    /// The whole as this type, where it is one.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// The field of this name; `None` where there is none, or nothing that has fields.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        self.read::<BTreeMap<String, Box<RawValue>>>()?.remove(name).map(Self)
    }

    /// The text under this name.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.field(name)?.read()
    }

    /// The users who have a field of their own under this name.
    pub(crate) fn users(&self, name: &str) -> Vec<OwnedUserId> {
        let fields = self.field(name).and_then(|fields| fields.read::<BTreeMap<String, Box<RawValue>>>());
        fields.unwrap_or_default().into_keys().filter_map(|user| OwnedUserId::try_from(user).ok()).collect()
    }

    /// What a list under this name holds; nothing where there is no list.
    pub(crate) fn items(&self, name: &str) -> Vec<Self> {
        let items = self.field(name).and_then(|list| list.items_of_all());
        items.unwrap_or_default()
    }

    /// What the list that this is holds; `None` where it is none.
    pub(crate) fn items_of_all(&self) -> Option<Vec<Self>> {
        Some(self.read::<Vec<Box<RawValue>>>()?.into_iter().map(Self).collect())
    }

    /// As it came.
    pub(crate) fn raw(&self) -> &RawValue {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        Answer::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_cannot_be_read_of_one_costs_that_one_alone() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let members = answer(&format!(
            r#"{{"joined": {{"@a:x": {{"display_name": 7}}, "@b:x": {deep}, "@c:x": "odd",
                "@d:x": {{"display_name": "\ud800"}}, "@e:x": {{"display_name": "Eve"}}}}}}"#
        ));
        let joined = members.field("joined").unwrap();
        let name = |user: &str| joined.field(user).and_then(|member| member.text("display_name"));
        assert_eq!(["@a:x", "@b:x", "@c:x", "@d:x", "@f:x"].map(name), [None, None, None, None, None]);
        assert_eq!(name("@e:x").as_deref(), Some("Eve"));
        let odd = answer(r#"{"joined": {"no user": 7, "@a:x": null, "": {}}, "left": [7]}"#);
        assert_eq!(odd.users("joined"), ["@a:x"]);
        assert_eq!([odd.users("left"), odd.users("none")], [[], []] as [[OwnedUserId; 0]; 2]);
    }

    #[test]
    fn bytes_that_are_no_text_cost_the_text_that_they_stand_in() {
        let answer = Answer::parse(b"{\"a\": \"\xff\", \"b\": \"whole\"}").unwrap();
        assert_eq!(
            (answer.text("a").as_deref(), answer.text("b").as_deref()),
            (Some("\u{fffd}"), Some("whole"))
        );
    }

    #[test]
    fn a_list_is_read_one_by_one_and_no_list_holds_nothing() {
        let page = answer(r#"{"chunk": [{"a": 1}, null, 7, {"a": "x"}], "end": 5, "odd": {}}"#);
        let texts: Vec<_> = page.items("chunk").iter().map(|item| item.text("a")).collect();
        assert_eq!(texts, [None, None, None, Some("x".into())]);
        assert_eq!((page.items("odd").len(), page.items("none").len(), page.text("end")), (0, 0, None));
        for odd in ["[]", "7", "null", "\"x\""] {
            assert!(answer(odd).field("chunk").is_none(), "{odd}");
        }
    }

    #[test]
    fn a_page_of_a_proxy_is_no_answer() {
        for page in ["", "<html>502</html>", "{\"a\": "] {
            assert!(Answer::parse(page.as_bytes()).is_none(), "{page}");
        }
    }
}
