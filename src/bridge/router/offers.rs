//! Files that are taken only if somebody says so: the question, and its answer.

use super::Router;
use crate::bridge::BridgeError;
use crate::bridge::body::{Answer, Body};
use crate::bridge::event::{Author, Ghost, LocalCommand};
use crate::bridge::ids::{LoginId, PortalKey};
use crate::bridge::port::delivery::Content;
use crate::bridge::port::network::Request;
use crate::bridge::port::storage::Batch;

/// A file that somebody offers.
pub(super) struct Offered {
    pub(super) sender: Ghost,
    pub(super) number: u32,
    /// "the file «a.png» (3.0 MB)".
    pub(super) what: String,
    pub(super) minutes: u64,
}

impl Router {
    /// Asks in the conversation.
    pub(super) async fn file_offered(
        &mut self,
        key: &PortalKey,
        offered: &Offered,
    ) -> Result<(), BridgeError> {
        let Offered { sender, number, what, minutes } = offered;
        let sides = &self.around.sides;
        let text = format!(
            "{} offers {what}. Say «{}» to take it or «{}», or react with 👍 or 👎. \
             Unanswered, it is declined after {minutes} minutes.",
            sender.name,
            sides.in_conversation(&format!("file accept {number}")),
            sides.in_conversation(&format!("file decline {number}")),
        );
        let answer = |sign: &str, word: &str| Answer {
            sign: sign.to_owned(),
            command: format!("file {word} {number}"),
        };
        let answers = vec![answer("👍", "accept"), answer("👎", "decline")];
        let mut entry =
            self.entry(key, Author::Bridge, Content::Said { body: Body::Question { text, answers } }, None);
        entry.legs.retain(|leg| leg.is_frontend());
        self.append(key, entry, Batch::default()).await
    }

    /// What is wrong with the answer is for whoever gave it.
    pub(super) fn answer_file(
        &mut self,
        given: &LocalCommand,
        id: LoginId,
        accept: bool,
        number: Option<u32>,
    ) -> Result<(), String> {
        if given.portal.management_user().is_some() && number.is_none() {
            let sides = &self.around.sides;
            let (accept, decline) =
                (sides.in_conversation("file accept"), sides.in_conversation("file decline"));
            return Err(format!("Use this in a conversation: {accept}, or {decline}."));
        }
        let done = if accept { "The file is coming." } else { "The file was declined." };
        let conversation = given.portal.conversation.clone();
        self.request(given, id, Request::AnswerFile { conversation, number, accept }, done.into());
        Ok(())
    }
}
