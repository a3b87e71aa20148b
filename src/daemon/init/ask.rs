//! What the options leave open, asked of the person at the terminal.
//!
//! Knows the questions and what an answer must look like. Refuses to ask where nobody sits: there it names the options.

use std::io::IsTerminal;

use anyhow::{Context, bail};
use dialoguer::Input;
use ruma::ServerName;

use super::Answers;
use crate::daemon::args::InitOptions;
use crate::msn::ids::HostPort;

/// One question: the option that answers it, its words, and what is wrong with an answer.
pub(super) struct Question {
    option: &'static str,
    prompt: &'static str,
    judge: fn(&str) -> Result<(), &'static str>,
}

const SERVER_NAME: Question = Question {
    option: "--server-name",
    prompt: "The homeserver's name, as in @user:NAME",
    judge: |answer| ServerName::parse(answer).map(drop).map_err(|_| "a name as in example.org"),
};
const MSN_SERVER: Question = Question {
    option: "--msn-server",
    prompt: "The MSN server, host:port, or «embedded» for one in this program",
    judge: |answer| match answer == "embedded" || answer.parse::<HostPort>().is_ok() {
        true => Ok(()),
        false => Err("host:port, as in messenger.example.org:1863, or embedded"),
    },
};
const NEXUS: Question = Question {
    option: "--nexus",
    prompt: "The MSN server's nexus, as in https://nexus.example.org/rdr/pprdr.asp",
    judge: |answer| match reqwest::Url::parse(answer) {
        Ok(url) if url.has_host() => Ok(()),
        _ => Err("an address, as in https://nexus.example.org/rdr/pprdr.asp"),
    },
};
const ALLOW: Question = Question {
    option: "--allow",
    prompt: "Who may use the bridge: users, server names or *, with blanks between; nothing for nobody yet",
    judge: |_| Ok(()),
};

/// Somebody who answers, or nobody.
pub(super) type Asked<'a> = Option<Box<dyn FnMut(&Question) -> anyhow::Result<String> + 'a>>;

/// The person at the terminal, if one sits there.
pub(super) fn terminal() -> Asked<'static> {
    std::io::stdin().is_terminal().then(|| Box::new(ask_at_terminal) as Box<_>)
}

/// Asks until the answer is right.
fn ask_at_terminal(question: &Question) -> anyhow::Result<String> {
    let judge = question.judge;
    let input = Input::<String>::new()
        .with_prompt(question.prompt)
        .allow_empty(question.option == ALLOW.option)
        .validate_with(move |answer: &String| judge(answer.trim()));
    Ok(input.interact_text().context("nothing was answered")?.trim().to_owned())
}

/// What was given, and what is asked for because it was not.
///
/// # Errors
/// Something is missing and nobody can be asked.
pub(super) fn complete(options: &InitOptions, asked: &mut Asked<'_>) -> anyhow::Result<Answers> {
    let is_asking = options.server_name.is_none() || options.msn_server.is_none();
    let server_name = answer(&SERVER_NAME, options.server_name.as_ref(), asked)?;
    let msn_server = answer(&MSN_SERVER, options.msn_server.as_ref(), asked)?;
    let nexus = match (&options.nexus, msn_server == "embedded") {
        (None, true) => String::new(),
        (given, _) => answer(&NEXUS, given.as_ref(), asked)?,
    };
    let mut allow = options.allow.clone();
    if let Some(ask) = asked.as_mut().filter(|_| is_asking && allow.is_empty()) {
        allow = ask(&ALLOW)?.split_whitespace().map(str::to_owned).collect();
    }
    Ok(Answers { server_name, msn_server, nexus, allow })
}

/// The option's value, or the person's.
fn answer(question: &Question, given: Option<&String>, asked: &mut Asked<'_>) -> anyhow::Result<String> {
    match (given, asked) {
        (Some(given), _) => Ok(given.clone()),
        (None, Some(ask)) => ask(question),
        (None, None) => bail!("{} is missing: {}", question.option, question.prompt),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::options;
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let mut questions = Vec::new();
        let mut asked: Asked<'_> = Some(Box::new(|question| {
            questions.push(question.option);
            let answer = match question.option {
                "--msn-server" => "m.example.org:1863",
                "--nexus" => "https://n.example.org/",
                _ => "@ann:example.org example.net",
            };
            (question.judge)(answer).map_err(anyhow::Error::msg)?;
            Ok(answer.to_owned())
        }));
        let answers = complete(&options(&["--server-name", "example.org"]), &mut asked).unwrap();
        drop(asked);
        assert_eq!(answers.allow, ["@ann:example.org", "example.net"]);
        assert_eq!((&*answers.server_name, &*answers.msn_server), ("example.org", "m.example.org:1863"));
        assert_eq!(questions, ["--msn-server", "--nexus", "--allow"]);
    }

    #[test]
    fn an_answer_is_judged_before_it_is_taken() {
        for (question, wrong, right) in [
            (SERVER_NAME, "example org", "example.org"),
            (MSN_SERVER, "messenger", "embedded"),
            (NEXUS, "nexus.example.org", "https://nexus.example.org/rdr/pprdr.asp"),
        ] {
            assert!((question.judge)(wrong).is_err(), "{wrong}");
            assert!((question.judge)(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_option_where_nobody_can_be_asked() {
        let error = complete(&options(&["--server-name", "example.org"]), &mut None).err().unwrap();
        assert!(error.to_string().starts_with("--msn-server is missing"), "{error}");
    }
}
