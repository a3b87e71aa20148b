use tokio::sync::{oneshot, watch};

use super::*;

/// A speech and what is heard of it.
struct Ears {
    reply: oneshot::Receiver<Outcome>,
    confirmed: watch::Receiver<usize>,
}

impl Ears {
    fn outcome(&mut self) -> Option<Outcome> {
        self.reply.try_recv().ok()
    }
}

fn say(outbox: &mut Outbox, target: &str, lines: std::ops::Range<usize>) -> Ears {
    let lines =
        lines.map(|n| Line::Message { target: target.into(), text: format!("{target} {n}"), cut: None });
    let (speech, reply, confirmed) = Speech::new(lines.collect());
    outbox.add(speech);
    Ears { reply, confirmed }
}

/// Writes what may be written; gives the texts and the tokens of the pings.
fn write(outbox: &mut Outbox) -> (Vec<String>, Vec<String>) {
    let (mut texts, mut tokens) = (Vec::new(), Vec::new());
    while outbox.has_next() {
        for outgoing in outbox.next(Instant::now()) {
            match outgoing.command {
                Command::PRIVMSG(_, text) => texts.push(text),
                Command::PING(token, _) => tokens.push(token),
                other => panic!("{other:?}"),
            }
        }
    }
    (texts, tokens)
}

#[tokio::test(start_paused = true)]
async fn fault_10_a_paste_of_any_length_is_confirmed_ten_lines_at_a_time() {
    for length in [1, 9, 10, 11, 75, 76, 2_000] {
        let mut outbox = Outbox::new(Tempo::new(Duration::from_secs(2)));
        let mut events_tx = say(&mut outbox, "#c", 0..length);
        let mut all = Vec::new();
        while outbox.has_next() {
            let (texts, tokens) = write(&mut outbox);
            assert!(texts.len() <= WINDOW, "{length}: {}", texts.len());
            assert_eq!(tokens.len(), 1);
            // However long each takes, the whole is never late: 70 s a line here.
            tokio::time::advance(Duration::from_secs(70)).await;
            assert!(!outbox.is_overdue(Instant::now()));
            all.extend(texts);
            outbox.answered(&tokens[0], Instant::now());
            assert_eq!(*events_tx.confirmed.borrow(), all.len());
        }
        let expected: Vec<String> = (0..length).map(|n| format!("#c {n}")).collect();
        assert_eq!(all, expected);
        assert_eq!(events_tx.outcome(), Some(Ok(())));
        assert_eq!(outbox.deadline(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn fault_10_a_server_that_stops_answering_leaves_the_confirmed_lines_confirmed() {
    let mut outbox = Outbox::new(Tempo::new(Duration::from_secs(2)));
    let mut events_tx = say(&mut outbox, "#c", 0..35);
    let (_, tokens) = write(&mut outbox);
    outbox.answered(&tokens[0], Instant::now());
    write(&mut outbox);
    tokio::time::advance(CONFIRMATION + Duration::from_secs(19)).await;
    assert!(!outbox.is_overdue(Instant::now()));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(outbox.is_overdue(Instant::now()));
    outbox.lost_all("gone");
    assert_eq!(events_tx.outcome(), Some(Err(SayFailure::Lost("gone".into()))));
    assert_eq!(*events_tx.confirmed.borrow(), 10);
}

#[test]
fn fault_10_a_paste_holds_up_nobody_else_on_the_same_connection() {
    let mut outbox = Outbox::new(Tempo::new(Duration::ZERO));
    let _paste = say(&mut outbox, "#long", 0..500);
    let (_, tokens) = write(&mut outbox);
    let mut short = say(&mut outbox, "#short", 0..1);
    outbox.answered(&tokens[0], Instant::now());
    let (texts, tokens) = write(&mut outbox);
    assert!(texts.contains(&"#short 0".to_owned()), "{texts:?}");
    tokens.iter().for_each(|token| outbox.answered(token, Instant::now()));
    assert_eq!(short.outcome(), Some(Ok(())));
}

#[test]
fn a_long_answer_to_one_person_goes_behind_what_channels_are_told() {
    let mut outbox = Outbox::new(Tempo::new(Duration::ZERO));
    let _answer = say(&mut outbox, "annie", 0..9);
    let _other = say(&mut outbox, "dan", 0..1);
    let _words = say(&mut outbox, "#c", 0..4);
    let _more = say(&mut outbox, "#d", 0..1);
    let mut all = Vec::new();
    while outbox.has_next() {
        let (texts, tokens) = write(&mut outbox);
        tokens.iter().for_each(|token| outbox.answered(token, Instant::now()));
        all.extend(texts);
    }
    assert!(all[..5].iter().all(|text| text.starts_with('#')), "{all:?}");
    assert!(all[5..].contains(&"dan 0".to_owned()) && all.len() == 15, "{all:?}");
}

#[test]
fn an_answer_with_a_label_is_of_its_line_alone() {
    let mut outbox = Outbox::new(Tempo::new(Duration::ZERO));
    outbox.abilities = Abilities { echoes: true, labels: true, ..Abilities::default() };
    let (mut first, mut second) = (say(&mut outbox, "#c", 0..1), say(&mut outbox, "#c", 1..2));
    let mut labels = Vec::new();
    while outbox.has_next() {
        labels.extend(outbox.next(Instant::now()).into_iter().map(|outgoing| outgoing.tags));
    }
    labels.retain(|tags| !tags.is_empty());
    let label = |at: usize| labels[at].strip_prefix("label=").unwrap();
    // The second is refused: by its target alone that would be the first.
    assert!(outbox.refused_label(label(1), "no"));
    assert!(matches!(second.outcome(), Some(Err(SayFailure::Refused(_)))));
    assert_eq!(first.outcome(), None);
    outbox.acknowledged(label(0));
    assert_eq!(first.outcome(), None, "it was taken and shown to nobody");
    outbox.labeled(label(0));
    assert_eq!(first.outcome(), Some(Ok(())));
    assert!(!outbox.refused_label("l99", "no") && !outbox.refused_label("", "no"));
}

#[test]
fn lines_of_one_speech_are_one_message_where_the_server_takes_that() {
    let mut outbox = Outbox::new(Tempo::new(Duration::ZERO));
    outbox.abilities.multiline = Some((4, 4_096));
    let mut whole = say(&mut outbox, "#c", 0..6);
    let mut other = say(&mut outbox, "#c", 6..7);
    let mut lines = Vec::new();
    while outbox.has_next() {
        for Outgoing { tags, command } in outbox.next(Instant::now()) {
            let tags = if tags.is_empty() { tags } else { format!("@{tags} ") };
            lines.push(format!("{tags}{}", String::from(&command)));
        }
    }
    let name = |at: usize| lines[at].strip_prefix("BATCH +").unwrap().split(' ').next().unwrap().to_owned();
    let (four, two) = (name(0), name(6));
    assert!(lines[0].ends_with(" draft/multiline #c"), "{lines:?}");
    let said = |at: usize, name: &str| lines[at].starts_with(&format!("@batch={name} PRIVMSG #c "));
    assert!((1..5).all(|at| said(at, &four)) && lines[5] == format!("BATCH -{four}"), "{lines:?}");
    assert!((7..9).all(|at| said(at, &two)) && lines[9] == format!("BATCH -{two}"), "{lines:?}");
    assert!(lines[10].starts_with("PRIVMSG ") && lines.len() == 12, "{lines:?}");
    let token = lines.last().unwrap().strip_prefix("PING ").unwrap().to_owned();
    outbox.answered(&token, Instant::now());
    assert_eq!((whole.outcome(), other.outcome()), (Some(Ok(())), Some(Ok(()))));
    assert_eq!(*whole.confirmed.borrow(), 6);
    // Never more bytes than it takes.
    outbox.abilities.multiline = Some((24, 12));
    let _said = say(&mut outbox, "#c", 0..3);
    let together = outbox.next(Instant::now());
    let lines = together.iter().filter(|outgoing| outgoing.tags.starts_with("batch=")).count();
    assert_eq!(lines, 2, "{together:?}");
}

#[test]
fn the_rest_of_a_line_is_joined_to_it_in_a_message_and_a_line_of_its_own_elsewhere() {
    let line = |text: &str, cut| Line::Message { target: "#c".into(), text: text.into(), cut };
    let lines = vec![line("a", None), line("b", Some(" ")), line("c", Some("")), line("d", None)];
    let said = |multiline| {
        let mut outbox = Outbox::new(Tempo::new(Duration::ZERO));
        outbox.abilities.multiline = multiline;
        outbox.add(Speech::new(lines.clone()).0);
        let mut said = Vec::new();
        while outbox.has_next() {
            let words = outbox.next(Instant::now()).into_iter().filter_map(|Outgoing { tags, command }| {
                let Command::PRIVMSG(_, text) = command else { return None };
                Some((tags.contains("draft/multiline-concat"), text))
            });
            said.extend(words);
        }
        said
    };
    let words = |all: [(bool, &str); 4]| all.map(|(rest, text)| (rest, text.to_owned())).to_vec();
    assert_eq!(said(Some((9, 999))), words([(false, "a"), (true, " b"), (true, "c"), (false, "d")]));
    // The first of a message has nothing before it.
    assert_eq!(said(Some((2, 999))), words([(false, "a"), (true, " b"), (false, "c"), (false, "d")]));
    assert_eq!(said(None), words([(false, "a"), (false, "b"), (false, "c"), (false, "d")]));
}

#[test]
fn what_is_refused_is_told_and_its_other_errors_are_nobody_elses() {
    let mut outbox = Outbox::new(Tempo::new(Duration::ZERO));
    let (mut first, mut second) = (say(&mut outbox, "#c", 0..3), say(&mut outbox, "#C", 3..4));
    let (texts, tokens) = write(&mut outbox);
    assert_eq!(texts.len(), 4);
    for _ in 0..3 {
        outbox.refused("#c", "no");
    }
    tokens.iter().for_each(|token| outbox.answered(token, Instant::now()));
    assert!(matches!(first.outcome(), Some(Err(SayFailure::Refused(_)))));
    assert_eq!(second.outcome(), Some(Ok(())));
    // About nobody: nothing happens.
    outbox.refused("#c", "no");
}

#[tokio::test(start_paused = true)]
async fn fault_10_an_echo_confirms_its_line_and_a_line_that_is_not_shown_is_refused() {
    let mut outbox = Outbox::new(Tempo::new(Duration::ZERO));
    outbox.abilities.echoes = true;
    let mut events_tx = say(&mut outbox, "#c", 0..4);
    let (_, tokens) = write(&mut outbox);
    outbox.echoed("#C", "#c 0");
    outbox.echoed("#c", "#c 2");
    assert_eq!(*events_tx.confirmed.borrow(), 1, "line 1 is not known to have arrived");
    outbox.echoed("#c", "without its colours");
    assert_eq!(*events_tx.confirmed.borrow(), 3);
    outbox.answered(&tokens[0], Instant::now());
    assert_eq!(events_tx.outcome(), None, "a bouncer answers before its network does");
    tokio::time::advance(ECHO).await;
    assert!(!outbox.is_overdue(Instant::now()));
    assert!(matches!(events_tx.outcome(), Some(Err(SayFailure::Refused(_)))));
    assert_eq!(outbox.deadline(), None);
}

#[test]
fn fault_10_a_channel_that_is_left_fails_its_speeches_and_no_others() {
    let mut outbox = Outbox::new(Tempo::new(Duration::ZERO));
    let (mut gone, mut stays) = (say(&mut outbox, "#gone", 0..30), say(&mut outbox, "#stays", 0..2));
    // Of one of its speeches nothing is written yet.
    let mut unwritten = say(&mut outbox, "#GONE", 30..31);
    // In the middle of a batch.
    outbox.next(Instant::now());
    outbox.lost("#Gone", "kicked");
    for events_tx in [&mut gone, &mut unwritten] {
        assert_eq!(events_tx.outcome(), Some(Err(SayFailure::Lost("kicked".into()))));
    }
    let (texts, tokens) = write(&mut outbox);
    assert_eq!(texts, ["#stays 0", "#stays 1"]);
    tokens.iter().for_each(|token| outbox.answered(token, Instant::now()));
    assert_eq!(stays.outcome(), Some(Ok(())));
    assert!(outbox.batches.is_empty() && outbox.turns.is_empty());
}

proptest::proptest! {
    /// Whatever the server does, each speech ends once, no line is written twice, and no more than the window is open.
    #[test]
    fn every_speech_ends_and_the_window_holds(steps in proptest::collection::vec((0u8..7, 0u8..3, 1usize..25), 1..80)) {
        let mut outbox = Outbox::new(Tempo::new(Duration::ZERO));
        let mut all = Vec::new();
        let (mut tokens, mut written) = (VecDeque::new(), std::collections::HashSet::new());
        for (number, (what, target, lines)) in steps.into_iter().enumerate() {
            let target = format!("#{target}");
            match what {
                0 | 1 => all.push(say(&mut outbox, &target, number * 100..number * 100 + lines)),
                2 | 3 => for Outgoing { command, .. } in outbox.next(Instant::now()) {
                    match command {
                        Command::PING(token, _) => tokens.push_back(token),
                        Command::PRIVMSG(_, text) => proptest::prop_assert!(written.insert(text)),
                        _ => {}
                    }
                },
                4 => if let Some(token) = tokens.pop_front() { outbox.answered(&token, Instant::now()) },
                5 => outbox.refused(&target, "no"),
                _ => outbox.lost(&target, "kicked"),
            }
            let open: usize = outbox.batches.iter().map(|batch| batch.lines.len()).sum();
            proptest::prop_assert!(open <= WINDOW);
        }
        for _ in 0..10_000 {
            for Outgoing { command, .. } in outbox.next(Instant::now()) {
                if let Command::PING(token, _) = command { tokens.push_back(token) }
            }
            if let Some(token) = tokens.pop_front() { outbox.answered(&token, Instant::now()) }
        }
        proptest::prop_assert!(outbox.waiting.is_empty() && outbox.batches.is_empty());
        for events_tx in &mut all {
            proptest::prop_assert!(events_tx.outcome().is_some());
        }
    }
}
