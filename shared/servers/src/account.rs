//! The user that servers run as when we are root, and what that user can reach.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use rustix::process::geteuid;

use crate::Error;

/// An unprivileged user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
}

/// `None` when we are not root: then the servers run as we do.
pub(crate) fn unprivileged() -> Option<Account> {
    if !geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(nobody(&passwd).unwrap_or(Account { uid: 65_534, gid: 65_534 }))
}

/// The entry `nobody` of a passwd file.
fn nobody(passwd: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.starts_with("nobody:"))?;
    let mut fields = line.split(':').skip(2);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then_some(Account { uid, gid })
}

/// Checks that `account` may enter every folder down to `path` (a folder). Looks at modes; access lists are not seen.
pub(crate) fn reachable(path: &Path, account: Option<Account>, setting: &'static str) -> Result<(), Error> {
    let Some(account) = account else { return Ok(()) };
    let real = path.canonicalize().map_err(Error::io("cannot use the folder", path))?;
    let mut folders: Vec<_> = real.ancestors().collect();
    folders.reverse();
    for folder in folders {
        let meta = fs::metadata(folder).map_err(Error::io("cannot look at", folder))?;
        if !may_enter(&account, meta.uid(), meta.gid(), meta.mode()) {
            return Err(Error::Unreachable {
                needed: path.to_owned(),
                blocked: folder.to_owned(),
                uid: account.uid,
                setting,
            });
        }
    }
    Ok(())
}

fn may_enter(account: &Account, owner: u32, group: u32, mode: u32) -> bool {
    let bit = if owner == account.uid {
        0o100
    } else if group == account.gid {
        0o010
    } else {
        0o001
    };
    mode & bit != 0
}

/// Makes a folder (one level) with this mode and, as root, this owner.
pub(crate) fn make_folder(path: &Path, mode: u32, owner: Option<Account>) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::Io { what: "cannot make the folder", path: path.to_owned(), source: error });
        }
        _ => {}
    }
    set_mode(path, mode)?;
    give(path, owner)
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(Error::io("cannot set the mode of", path))
}

/// Gives a file or folder to the unprivileged user.
pub(crate) fn give(path: &Path, owner: Option<Account>) -> Result<(), Error> {
    let Some(owner) = owner else { return Ok(()) };
    chown(path, Some(owner.uid), Some(owner.gid)).map_err(Error::io("cannot change the owner of", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_looked_up_and_never_root() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:99:98:n:/:/usr/sbin/nologin\n";
        assert_eq!(nobody(passwd), Some(Account { uid: 99, gid: 98 }));
        assert_eq!(nobody("nobody:x:0:0::/:"), None);
        assert_eq!(nobody("somebody:x:1:1::/:"), None);
    }

    #[test]
    fn a_folder_that_does_not_let_the_user_through_is_named() {
        let dir = tempfile::tempdir().unwrap();
        set_mode(dir.path(), 0o700).unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let stranger = Account { uid: 4_000_000, gid: 4_000_000 };
        let text = reachable(&inner, Some(stranger), "--data").unwrap_err().to_string();
        let blocked = dir.path().canonicalize().unwrap().display().to_string();
        assert!(text.contains(&format!("but {blocked} does not")) && text.contains("chmod o+x"), "{text}");
        reachable(&inner, None, "--data").unwrap();
        set_mode(dir.path(), 0o711).unwrap();
        set_mode(&inner, 0o711).unwrap();
        reachable(&inner, Some(stranger), "--data").unwrap();
    }

    #[test]
    fn the_bit_that_counts_is_the_most_specific() {
        let account = Account { uid: 7, gid: 8 };
        assert!(may_enter(&account, 7, 0, 0o700));
        assert!(!may_enter(&account, 7, 0, 0o077));
        assert!(may_enter(&account, 0, 8, 0o710));
        assert!(!may_enter(&account, 0, 8, 0o701));
        assert!(may_enter(&account, 0, 0, 0o711));
        assert!(!may_enter(&account, 0, 0, 0o700));
    }
}
