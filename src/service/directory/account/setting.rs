//! Names, phone numbers and settings of an account (§3.3, §4.4): what may be set, and what others may know of it.
//!
//! Knows one account and the limits of its values. Refuses to know who is signed in to be told.

use super::Account;
use crate::msn::command::{ErrorCode, ServerCommand};
use crate::msn::ids::{ContactId, Email};
use crate::msn::wire::UrlText;

/// Longest display name, percent-encoded (§1.5).
const MAX_NAME: usize = 387;
/// Longest value of another property, percent-encoded.
const MAX_VALUE: usize = 95;
/// Most properties of one account; a further one is answered and not kept.
const MAX_PROPERTIES: usize = 16;
/// The properties that contacts are told of: three phones, whether pages are taken, and whether there is a blog.
const PUBLIC: [&str; 5] = ["PHH", "PHW", "PHM", "MOB", "HSB"];
/// The property that is a display name, the own one or a contact's.
pub(in crate::service) const NAME: &str = "MFN";

/// Whether contacts are told of a property.
pub(in crate::service) fn is_public(property: &str) -> bool {
    PUBLIC.contains(&property)
}

impl Account {
    /// Changes the own name, or the one that a contact has on these lists.
    ///
    /// # Errors
    /// 209 for a name of more than 387 bytes, 216 for somebody on no list.
    pub(in crate::service) fn rename(&mut self, target: &Email, name: UrlText) -> Result<(), ErrorCode> {
        check_name(&name)?;
        if self.email == *target {
            self.name = name;
        } else {
            self.listed.get_mut(&target.to_key()).ok_or(ErrorCode::NOT_ON_LIST)?.name = name;
        }
        Ok(())
    }

    /// Sets a property, the own name among them; without a value the property is forgotten, which a name cannot be.
    ///
    /// # Errors
    /// 201 for a value of more than 95 bytes, 209 for a name of more than 387 or for none.
    pub(in crate::service) fn set_property(
        &mut self,
        property: &str,
        value: Option<&UrlText>,
    ) -> Result<(), ErrorCode> {
        match (property, value) {
            (NAME, Some(name)) => {
                check_name(name)?;
                self.name = name.clone();
            }
            (NAME, None) => return Err(ErrorCode::NAME_NOT_ALLOWED),
            (_, Some(value)) if value.wire_len() > MAX_VALUE => return Err(ErrorCode::INVALID_PARAMETER),
            (_, Some(value)) if self.properties.len() < MAX_PROPERTIES => {
                self.properties.insert(property.to_owned(), value.clone());
            }
            (_, Some(_)) => {}
            (_, None) => drop(self.properties.remove(property)),
        }
        Ok(())
    }

    /// Sets `GTC`.
    ///
    /// # Errors
    /// 218 for the setting that there is.
    pub(in crate::service) fn set_prompt(&mut self, setting: &str) -> Result<(), ErrorCode> {
        if self.prompt == setting {
            return Err(ErrorCode::ALREADY_IN_MODE);
        }
        self.prompt = setting.to_owned();
        Ok(())
    }

    /// Sets `BLP`, and gives whether it was another: old clients say it at each sign-in, and msn-pecan ends its session
    /// over an error.
    ///
    /// # Errors
    /// 201 for anything but `AL` and `BL`.
    pub(in crate::service) fn set_privacy(&mut self, setting: &str) -> Result<bool, ErrorCode> {
        if !matches!(setting, "AL" | "BL") {
            return Err(ErrorCode::INVALID_PARAMETER);
        }
        let changed = self.privacy != setting;
        self.privacy = setting.to_owned();
        Ok(changed)
    }

    /// Sets what these lists say of a contact: the name they have here. Every other property is taken and not kept.
    ///
    /// # Errors
    /// 209 for a name of more than 387 bytes, 216 for an id on no list.
    pub(in crate::service) fn set_contact_property(
        &mut self,
        contact: &ContactId,
        property: &str,
        value: Option<&UrlText>,
    ) -> Result<(), ErrorCode> {
        let listed = self.listed.values_mut().find(|listed| listed.id == *contact);
        let listed = listed.ok_or(ErrorCode::NOT_ON_LIST)?;
        if let Some(name) = value.filter(|_| property == NAME) {
            check_name(name)?;
            listed.name = name.clone();
        }
        Ok(())
    }

    /// The `BPR` lines about this account (§4.4): with the address and a list version where they stand alone, without
    /// behind its `LST`; without the values where the viewer may not know them.
    pub(in crate::service) fn phones(
        &self,
        viewer: &Email,
        named: Option<Option<u32>>,
    ) -> Vec<ServerCommand> {
        let allowed = self.allows(viewer);
        let line = |(property, value): (&String, &UrlText)| ServerCommand::Bpr {
            version: named.flatten(),
            email: named.map(|_| self.email.clone()),
            property: property.clone(),
            value: allowed.then(|| value.clone()),
        };
        self.properties.iter().filter(|(name, _)| is_public(name)).map(line).collect()
    }
}

fn check_name(name: &UrlText) -> Result<(), ErrorCode> {
    if name.wire_len() > MAX_NAME { Err(ErrorCode::NAME_NOT_ALLOWED) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::account;
    use super::*;

    #[test]
    fn phones_have_values_only_for_those_who_may_know_them() {
        let (mut alice, bob) = (account("alice"), account("bob").email);
        let value = UrlText::from_wire("555");
        alice.set_property("PHM", Some(&value)).unwrap();
        alice.set_property("XYZ", Some(&value)).unwrap();
        let line =
            |email, version, value| ServerCommand::Bpr { version, email, property: "PHM".into(), value };
        assert_eq!(alice.phones(&bob, None), [line(None, None, Some(value))]);
        alice.set_privacy("BL").unwrap();
        let hidden = line(Some(alice.email.clone()), Some(4), None);
        assert_eq!(alice.phones(&bob, Some(Some(4))), [hidden]);
    }

    #[test]
    fn values_are_bounded_and_a_name_cannot_be_forgotten() {
        let mut alice = account("alice");
        let long = |length: usize| UrlText::from_wire(&"x".repeat(length));
        assert_eq!(alice.set_property("PHM", Some(&long(96))), Err(ErrorCode::INVALID_PARAMETER));
        assert_eq!(alice.set_property("PHM", Some(&long(95))), Ok(()));
        assert_eq!(alice.set_property(NAME, Some(&long(388))), Err(ErrorCode::NAME_NOT_ALLOWED));
        assert_eq!(alice.set_property(NAME, None), Err(ErrorCode::NAME_NOT_ALLOWED));
        for n in 0..20 {
            alice.set_property(&format!("P{n}"), Some(&long(1))).unwrap();
        }
        assert_eq!(alice.properties.len(), MAX_PROPERTIES);
    }
}
