//! The changes of one session: those that wait, and the one under way, step by step.
//!
//! Knows which step a reply belongs to and what it leaves behind in the lists. Refuses to know the rules of a change and
//! the words of a step. Replies differ from server to server, so what was asked for is applied, not what is said (§3.3).

use std::collections::VecDeque;
use std::time::Instant;

use super::plan::Planner;
use super::step::{Account, Step};
use super::{Change, ChangeFailure, ChangeHandle};
use crate::msn::command::{ErrorCode, ListKind};
use crate::msn::ids::{Email, GroupId};
use crate::msn::session::notification::channel::{Channel, Request};
use crate::msn::session::notification::event::NotificationEvent as Event;
use crate::msn::session::notification::lists::Lists;

/// Changes waiting for the one under way; one more is refused.
const MAX_WAITING: usize = 128;

#[derive(Debug)]
struct UnderWay {
    handle: ChangeHandle,
    steps: VecDeque<Step>,
    /// The step whose reply is awaited.
    current: Option<Step>,
}

/// The changes of one session.
#[derive(Debug)]
pub(in crate::msn::session::notification) struct Changes {
    own: Email,
    next: u64,
    waiting: VecDeque<(ChangeHandle, Change)>,
    under_way: Option<UnderWay>,
}

impl Changes {
    pub(in crate::msn::session::notification) fn new(own: Email) -> Self {
        Self { own, next: 0, waiting: VecDeque::new(), under_way: None }
    }

    /// Asks for a change; [`Event::ChangeDone`] says what became of it.
    pub(in crate::msn::session::notification) fn push(
        &mut self,
        now: Instant,
        change: Change,
        lists: &mut Lists,
        channel: &mut Channel,
    ) -> ChangeHandle {
        let handle = ChangeHandle(self.next);
        self.next += 1;
        if self.waiting.len() >= MAX_WAITING {
            let result = Err(ChangeFailure::Impossible("too many changes are waiting"));
            channel.emit(Event::ChangeDone { handle, result });
            return handle;
        }
        self.waiting.push_back((handle, change));
        self.send_next(now, lists, channel);
        handle
    }

    /// The reply to the step under way has come; what it says of lists was applied already. `id` is a new group's.
    pub(in crate::msn::session::notification) fn step_done(
        &mut self,
        now: Instant,
        id: Option<GroupId>,
        lists: &mut Lists,
        channel: &mut Channel,
    ) {
        if let Some(step) = self.under_way.as_mut().and_then(|under_way| under_way.current.take()) {
            apply(step, id, lists, channel);
        }
        self.send_next(now, lists, channel);
    }

    pub(in crate::msn::session::notification) fn step_failed(
        &mut self,
        now: Instant,
        code: ErrorCode,
        lists: &mut Lists,
        channel: &mut Channel,
    ) {
        let Some(under_way) = &mut self.under_way else { return };
        match under_way.current.take() {
            Some(step) if step.is_so_already(code) => apply(step, None, lists, channel),
            _ => self.finish(Err(ChangeFailure::Refused(code)), channel),
        }
        self.send_next(now, lists, channel);
    }

    pub(in crate::msn::session::notification) fn step_unanswered(
        &mut self,
        now: Instant,
        lists: &mut Lists,
        channel: &mut Channel,
    ) {
        let Some(under_way) = &mut self.under_way else { return };
        match under_way.current.take() {
            Some(step) if step.may_go_unanswered() => apply(step, None, lists, channel),
            _ => self.finish(Err(ChangeFailure::NoAnswer), channel),
        }
        self.send_next(now, lists, channel);
    }

    /// Sends the next command, if nothing is awaited.
    fn send_next(&mut self, now: Instant, lists: &Lists, channel: &mut Channel) {
        loop {
            if self.under_way.is_none() && !self.begin_next(lists, channel) {
                return;
            }
            let Some(under_way) = &mut self.under_way else { continue };
            if under_way.current.is_some() {
                return;
            }
            let Some(step) = under_way.steps.pop_front() else {
                self.finish(Ok(()), channel);
                continue;
            };
            under_way.current = Some(step.clone());
            let trid = channel.pending.expect(now, Request::Change);
            match step.command(trid, self.account(lists, channel)) {
                Ok(command) => channel.wire.send(&command),
                Err(why) => {
                    channel.pending.take(trid);
                    self.finish(Err(ChangeFailure::Impossible(why)), channel);
                }
            }
        }
    }

    /// Begins the change that waits longest, or tells why it cannot be made; false where none waits.
    fn begin_next(&mut self, lists: &Lists, channel: &mut Channel) -> bool {
        let Some((handle, change)) = self.waiting.pop_front() else { return false };
        match (Planner { account: self.account(lists, channel) }).steps(change) {
            Ok(steps) => self.under_way = Some(UnderWay { handle, steps: steps.into(), current: None }),
            Err(failure) => channel.emit(Event::ChangeDone { handle, result: Err(failure) }),
        }
        true
    }

    fn account<'a>(&'a self, lists: &'a Lists, channel: &Channel) -> Account<'a> {
        Account { own: &self.own, roster: &lists.roster, dialect: channel.dialect() }
    }

    fn finish(&mut self, result: Result<(), ChangeFailure>, channel: &mut Channel) {
        if let Some(under_way) = self.under_way.take() {
            channel.emit(Event::ChangeDone { handle: under_way.handle, result });
        }
    }
}

/// What a step that was done leaves behind.
fn apply(step: Step, id: Option<GroupId>, lists: &mut Lists, channel: &mut Channel) {
    let roster = &mut lists.roster;
    match step {
        Step::Onto { list, email, group } => {
            roster.add(list, &email, None, None);
            if let Some(group) = group {
                roster.put_into_group(&email, group);
            }
        }
        Step::Off { list, email, group: None } => {
            roster.remove(list, email.as_str());
            if list == ListKind::Forward {
                channel.emit(Event::Unlisted { email });
            }
        }
        Step::Off { email, group: Some(group), .. } => roster.take_out_of_group(&email, &group),
        Step::Rename { email, name } => lists.called(&email, name.decode(), channel),
        Step::OwnName(name) => lists.learn_name(&name, channel),
        Step::CreateGroup(name) => {
            if let Some(id) = id {
                roster.name_group(id, name.decode());
            }
        }
        Step::RenameGroup(group, name) => roster.name_group(group, name.decode()),
        Step::RemoveGroup(group) => roster.remove_group(&group),
        Step::Strangers(allowed) => roster.settings.strangers_allowed = Some(allowed),
        Step::Ask(ask) => roster.settings.asks = Some(ask),
        Step::Property(name, value) => roster.settings.set(name, value.map(|v| v.decode())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::dialect::Dialect;
    use crate::msn::session::roster::Roster;

    #[test]
    fn one_change_is_under_way_at_a_time_and_a_refused_step_ends_only_its_own() {
        let now = Instant::now();
        let own = Email::parse("own@e.c").unwrap();
        let mut channel = Channel::new(Dialect::Msnp11);
        let mut lists = Lists::new(own.clone(), Roster::default());
        let mut changes = Changes::new(own);
        let first = changes.push(now, Change::AskAboutAdditions(true), &mut lists, &mut channel);
        let second = changes.push(now, Change::Strangers { allowed: false }, &mut lists, &mut channel);
        assert_eq!(channel.wire.poll_output().unwrap(), b"GTC 1 A\r\n");
        assert_eq!(channel.wire.poll_output(), None);
        changes.step_failed(now, ErrorCode(500), &mut lists, &mut channel);
        let result = Err(ChangeFailure::Refused(ErrorCode(500)));
        assert_eq!(channel.events.pop_front(), Some(Event::ChangeDone { handle: first, result }));
        assert_eq!(channel.wire.poll_output().unwrap(), b"BLP 2 BL\r\n");
        // The server says that it is so already.
        changes.step_failed(now, ErrorCode::ALREADY_IN_MODE, &mut lists, &mut channel);
        assert_eq!(channel.events.pop_front(), Some(Event::ChangeDone { handle: second, result: Ok(()) }));
        assert_eq!(lists.roster.settings.strangers_allowed, Some(false));
    }
}
