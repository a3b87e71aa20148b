//! Switchboards: calls, who is in them, who was rung, and the cookies that let people in (§6).
//!
//! Knows boards and cookies, and how many and how long. Refuses to know lines; the directory and presence say who can be
//! called.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::directory::Directory;
use super::ids::{BoardId, ConnId};
use super::presence::PresenceTable;
use super::random::Random;
use super::rules::COOKIE_LIFE;
use crate::msn::command::{ErrorCode, ListKind};
use crate::msn::ids::{Cookie, Email, SessionId};

/// Most people in one call, those who were rung among them (§6.3).
const MAX_MEMBERS: usize = 20;
/// What a call that is not there is answered.
const NO_BOARD: ErrorCode = ErrorCode(280);
/// What is answered where a call is full.
const TOO_MANY: ErrorCode = ErrorCode(713);

/// Somebody in a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    /// Their connection to the switchboard, not their session.
    pub(super) conn: ConnId,
    pub(super) email: Email,
}

/// What a cookie opens, once, for one account.
#[derive(Debug)]
struct Pass {
    email: Email,
    /// `None`: a new board.
    board: Option<BoardId>,
    until: Instant,
}

/// One call.
#[derive(Debug)]
struct Board {
    members: Vec<Member>,
    /// Rung and not yet there, until their cookie runs out.
    rung: Vec<(Email, Instant)>,
    last_traffic: Instant,
}

impl Board {
    /// In the call, or on the way into it.
    fn expects(&self, now: Instant, email: &Email) -> bool {
        let inside = self.members.iter().any(|member| member.email == *email);
        inside || self.rung.iter().any(|(rung, until)| rung == email && *until > now)
    }
}

/// Every call, and every cookie that is still good.
#[derive(Debug, Default)]
pub(super) struct Switchboards {
    boards: BTreeMap<BoardId, Board>,
    passes: HashMap<String, Pass>,
}

impl Switchboards {
    /// A cookie for `email`: ten digits, a dot, nine more. It opens a board, or a new one, once.
    pub(super) fn issue_cookie(
        &mut self,
        now: Instant,
        email: &Email,
        board: Option<BoardId>,
        random: &mut Random,
    ) -> Cookie {
        let text = format!("{}.{}", random.digits(10), random.digits(9));
        self.passes.insert(text.clone(), Pass { email: email.clone(), board, until: now + COOKIE_LIFE });
        Cookie::new(text)
    }

    /// What a cookie opens for `email`; it is used up whether or not it fits.
    fn take_pass(&mut self, now: Instant, email: &Email, cookie: &Cookie) -> Option<Option<BoardId>> {
        let pass = self.passes.remove(cookie.expose())?;
        (pass.email == *email && pass.until > now).then_some(pass.board)
    }

    /// Opens a call, under the number that `id` gives, with the one who begins it in it.
    ///
    /// # Errors
    /// 911 for a cookie that is not one for a new call of this account.
    pub(super) fn open(
        &mut self,
        now: Instant,
        member: Member,
        cookie: &Cookie,
        id: impl FnOnce() -> BoardId,
    ) -> Result<BoardId, ErrorCode> {
        if self.take_pass(now, &member.email, cookie) != Some(None) {
            return Err(ErrorCode::AUTHENTICATION);
        }
        let id = id();
        self.boards.insert(id, Board { members: vec![member], rung: Vec::new(), last_traffic: now });
        Ok(id)
    }

    /// Lets somebody who was rung into the call, and gives who was there before.
    ///
    /// # Errors
    /// 911 for a cookie that is not one of this call and account, and for a call that has ended.
    pub(super) fn join(
        &mut self,
        now: Instant,
        member: Member,
        cookie: &Cookie,
        session: &SessionId,
    ) -> Result<(BoardId, Vec<Member>), ErrorCode> {
        let id = self.take_pass(now, &member.email, cookie).flatten();
        let id = id.filter(|id| id.0.to_string() == session.0).ok_or(ErrorCode::AUTHENTICATION)?;
        let board = self.boards.get_mut(&id).ok_or(ErrorCode::AUTHENTICATION)?;
        let before = board.members.clone();
        board.rung.retain(|(rung, _)| *rung != member.email);
        board.members.push(member);
        board.last_traffic = now;
        Ok((id, before))
    }

    /// Rings somebody: the cookie with which they come, and the session that hears the ring.
    ///
    /// # Errors
    /// 208 for no address, 215 for somebody who is there or was rung, 216 for somebody who does not allow the caller, 217
    /// for somebody who is not seen online, 280 for a call that has ended, 713 for a full one.
    #[expect(clippy::too_many_arguments, reason = "a call, both sides of the ring, and who can be reached")]
    pub(super) fn ring(
        &mut self,
        now: Instant,
        id: BoardId,
        caller: &Email,
        target: &Email,
        directory: &Directory,
        presence: &PresenceTable,
        random: &mut Random,
    ) -> Result<(Cookie, ConnId), ErrorCode> {
        let board = self.boards.get_mut(&id).ok_or(NO_BOARD)?;
        if !target.is_address() {
            return Err(ErrorCode::INVALID_ACCOUNT);
        }
        if board.expects(now, target) {
            return Err(ErrorCode::ALREADY_THERE);
        }
        let session = reach(caller, target, directory, presence)?;
        if board.members.len() + board.rung.len() >= MAX_MEMBERS {
            return Err(TOO_MANY);
        }
        board.rung.push((target.clone(), now + COOKIE_LIFE));
        Ok((self.issue_cookie(now, target, Some(id), random), session))
    }

    /// Somebody speaks: gives the others, who are to hear it. Nothing where the call has ended.
    pub(super) fn speak(&mut self, now: Instant, id: BoardId, conn: ConnId) -> Option<Vec<Member>> {
        let board = self.boards.get_mut(&id)?;
        board.last_traffic = now;
        Some(board.members.iter().filter(|member| member.conn != conn).cloned().collect())
    }

    /// Somebody leaves: gives who is left. A call that nobody is left in ends.
    pub(super) fn leave(&mut self, id: BoardId, conn: ConnId) -> Vec<Member> {
        let Some(board) = self.boards.get_mut(&id) else { return Vec::new() };
        board.members.retain(|member| member.conn != conn);
        let left = board.members.clone();
        if left.is_empty() {
            self.boards.remove(&id);
        }
        left
    }

    /// The first member of each call of two or more without traffic for so long: they are to be dropped, and those who are
    /// left can call them again (§6.3). Counts as traffic, so that the next one's time begins.
    pub(super) fn idle(&mut self, now: Instant, limit: Duration) -> Vec<(BoardId, Member)> {
        let idle = |board: &Board| now.saturating_duration_since(board.last_traffic) >= limit;
        let idle = self.boards.iter_mut().filter(|(_, board)| idle(board) && board.members.len() > 1);
        idle.filter_map(|(id, board)| {
            board.last_traffic = now;
            Some((*id, board.members.first()?.clone()))
        })
        .collect()
    }

    /// Forgets the cookies whose time is up.
    pub(super) fn expire(&mut self, now: Instant) {
        self.passes.retain(|_, pass| pass.until > now);
    }
}

/// The session of somebody whom `caller` may ring.
fn reach(
    caller: &Email,
    target: &Email,
    directory: &Directory,
    presence: &PresenceTable,
) -> Result<ConnId, ErrorCode> {
    let account = directory.get(target).ok_or(ErrorCode::NOT_ONLINE)?;
    if account.lists(caller).has(ListKind::Block) || !account.allows(caller) {
        return Err(ErrorCode::NOT_ON_LIST);
    }
    presence.session(target).filter(|_| presence.is_visible(target)).ok_or(ErrorCode::NOT_ONLINE)
}

#[cfg(test)]
mod tests {
    use super::super::directory::parse_accounts;
    use super::*;
    use crate::msn::command::Status;

    /// A call of Alice's, and 25 accounts that are online.
    struct Called {
        now: Instant,
        boards: Switchboards,
        directory: Directory,
        presence: PresenceTable,
        random: Random,
        id: BoardId,
    }

    fn email(name: &str) -> Email {
        Email::parse(&format!("{name}@b.c")).unwrap()
    }

    fn member(name: &str, conn: u64) -> Member {
        Member { conn: ConnId(conn), email: email(name) }
    }

    impl Called {
        fn new() -> Self {
            let people: String = (0..25).map(|n| format!("p{n}@b.c,pw\n")).collect();
            let directory = Directory::new(parse_accounts(&format!("alice@b.c,pw\n{people}")).unwrap());
            let (now, mut boards, mut random) = (Instant::now(), Switchboards::default(), Random::seeded(1));
            let mut presence = PresenceTable::default();
            for n in 0..25 {
                presence.begin(&email(&format!("p{n}")), ConnId(1000 + n));
                presence.change(&email(&format!("p{n}")), Status::Online, None, None);
            }
            let cookie = boards.issue_cookie(now, &email("alice"), None, &mut random);
            let id = boards.open(now, member("alice", 1), &cookie, || BoardId(7)).unwrap();
            Self { now, boards, directory, presence, random, id }
        }

        fn ring(&mut self, name: &str) -> Result<Cookie, ErrorCode> {
            let (alice, target) = (email("alice"), email(name));
            let Self { now, boards, directory, presence, random, id } = self;
            let rung = boards.ring(*now, *id, &alice, &target, directory, presence, random);
            rung.map(|(cookie, session)| {
                assert_eq!(Some(session), presence.session(&target));
                cookie
            })
        }

        fn join(&mut self, name: &str, cookie: &Cookie, session: &str) -> Result<Vec<Member>, ErrorCode> {
            let session = SessionId(session.to_owned());
            self.boards.join(self.now, member(name, 2), cookie, &session).map(|(_, before)| before)
        }
    }

    #[test]
    fn a_cookie_works_once_in_time_and_only_for_its_account_and_call() {
        let mut called = Called::new();
        let cookie = called.ring("p0").unwrap();
        assert_eq!(called.ring("p0").err(), Some(ErrorCode::ALREADY_THERE), "on the way");
        assert_eq!(called.join("p0", &cookie, "7"), Ok(vec![member("alice", 1)]));
        let refused = Err(ErrorCode::AUTHENTICATION);
        assert_eq!(called.join("p0", &cookie, "7"), refused, "once");
        let cookie = called.ring("p1").unwrap();
        assert_eq!(called.join("p2", &cookie, "7"), refused, "another account");
        let cookie = called.ring("p2").unwrap();
        assert_eq!(called.join("p2", &cookie, "8"), refused, "another call");
        let cookie = called.ring("p3").unwrap();
        called.now += COOKIE_LIFE;
        assert_eq!(called.join("p3", &cookie, "7"), refused, "too late");
        assert!(called.ring("p3").is_ok(), "can be rung again");
    }

    #[test]
    fn a_call_is_full_with_those_on_their_way_and_ends_with_its_last_member() {
        let mut called = Called::new();
        for n in 0..19 {
            called.ring(&format!("p{n}")).unwrap();
        }
        assert_eq!(called.ring("p19").err(), Some(TOO_MANY));
        assert_eq!(called.boards.leave(called.id, ConnId(1)), []);
        assert_eq!(called.ring("p20").err(), Some(NO_BOARD));
        assert_eq!(called.boards.speak(called.now, called.id, ConnId(1)), None);
    }

    #[test]
    fn a_call_of_one_never_idles_and_of_two_drops_one_at_a_time() {
        let (mut called, limit) = (Called::new(), Duration::from_secs(300));
        let later = called.now + limit;
        assert_eq!(called.boards.idle(later, limit), []);
        let cookie = called.ring("p0").unwrap();
        called.join("p0", &cookie, "7").unwrap();
        assert_eq!(called.boards.idle(later - Duration::from_secs(1), limit), []);
        assert_eq!(called.boards.idle(later, limit), [(called.id, member("alice", 1))]);
        assert_eq!(called.boards.idle(later, limit), [], "the other's time begins");
        assert_eq!(called.boards.speak(later, called.id, ConnId(2)), Some(vec![member("alice", 1)]));
    }
}
