//! Files and directories that only the user who runs the bridge can read, whatever the umask says.
//!
//! Knows modes of files and directories. Refuses to loosen one that is tighter.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes a directory, and those above it, where they are missing.
///
/// # Errors
/// The disk's own.
pub(super) fn create_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Makes a file, or empties one that is there.
///
/// # Errors
/// The disk's own.
pub fn create_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // One that was there keeps the mode that it had.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Takes from others what a library, or an earlier version, let them read. What belongs to somebody else is left alone.
pub(super) fn restrict(directory: &Path) {
    let narrow = |path: &Path, mode: u32| {
        if let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(mode)) {
            tracing::warn!(path = %path.display(), %error, "others may be able to read this");
        }
    };
    narrow(directory, 0o700);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => narrow(&entry.path(), 0o700),
            Ok(kind) if kind.is_file() => narrow(&entry.path(), 0o600),
            _ => {}
        }
    }
}
