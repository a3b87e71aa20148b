//! What the process may do and what nobody may see of it: limits, the mask of new files, dumps of its memory.
//!
//! Each of these is asked for and none is relied on: where the system refuses, the bridge runs all the same.

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, set_dumpable_behavior, setrlimit, umask,
};
use tokio::signal::unix::{SignalKind, signal};

/// Descriptors below which an administrator is told that they are few: each session and each call takes one.
const FEW: u64 = 4096;

/// Before anything is read or written: new files are their user's alone, and no dump holds what is in memory.
pub(super) fn hide() {
    umask(Mode::RWXG | Mode::RWXO);
    // The system may not know the one and refuse the other: each is a lock of its own.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Takes as many descriptors as the system gives.
pub(super) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::info!(%error, "the number of file descriptors was not raised");
        }
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if descriptors < FEW {
        tracing::warn!(
            descriptors,
            "few file descriptors: each MSN session and conversation takes one; raise LimitNOFILE"
        );
    } else {
        tracing::debug!(descriptors, "file descriptors");
    }
}

/// A file that may not grow any further is an error of the disk, which is acted on; by itself it would end the process and
/// everything that is not written yet.
///
/// # Errors
/// The runtime's own.
pub(super) fn outlive_full_files() -> std::io::Result<()> {
    // The handler stays for as long as the process, whatever becomes of the stream.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_34_no_dump_is_made_and_new_files_are_private() {
        let before = umask(Mode::empty());
        umask(before);
        // Where a core file is allowed, as many systems have it.
        let core = getrlimit(Resource::Core);
        setrlimit(Resource::Core, Rlimit { current: core.maximum.or(Some(1 << 30)), ..core }).unwrap();
        hide();
        assert_eq!(rustix::process::dumpable_behavior().ok(), Some(DumpableBehavior::NotDumpable));
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(umask(before), Mode::RWXG | Mode::RWXO);
    }

    #[test]
    fn fault_33_descriptors_are_raised_as_far_as_the_system_lets_us() {
        let limit = getrlimit(Resource::Nofile);
        let few = Rlimit { current: limit.current.map(|now| now - 1), maximum: limit.maximum };
        setrlimit(Resource::Nofile, few).unwrap();
        raise_descriptors();
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    }
}
