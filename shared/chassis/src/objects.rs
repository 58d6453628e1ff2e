//! The object store: sealed files, named by an opaque id. Files never cross NATS; a message carries id and digest.
//!
//! What is put in is sealed already (the receiver of a file seals it to its owner's public key); the store sees
//! ciphertext only, and a test greps it for what must not be there.

use contracts::{ObjectId, Timestamp, Uuid};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::io::AsyncWriteExt;

/// The largest sealed file, in bytes.
pub const OBJECT_MAX: usize = 32 * 1024 * 1024;
/// What a file is called until it is whole.
const UNFINISHED: &str = "part";

/// A folder of sealed files, two levels deep. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects(Arc<PathBuf>);

impl Objects {
    /// Over a folder, which is made when it is absent.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder)?;
        Ok(Self(Arc::new(folder)))
    }

    fn path(&self, id: ObjectId) -> PathBuf {
        // The last hexadecimal digits are random in a version 7 id; the first ones are the time.
        let name = id.0.simple().to_string();
        self.0.join(&name[30..]).join(name)
    }

    /// Writes a sealed file: whole or not at all, and on the disk when this returns.
    pub async fn put(&self, id: ObjectId, sealed: Vec<u8>) -> io::Result<()> {
        let mut file = self.create(id).await?;
        file.write(&sealed).await?;
        file.finish().await
    }

    /// Begins a sealed file that is written while it arrives; it is there for others when [`Unfinished::finish`] returns. Two who
    /// write the same id at the same time write two files, and the last one that is whole stays.
    pub async fn create(&self, id: ObjectId) -> io::Result<Unfinished> {
        let path = self.path(id);
        tokio::fs::create_dir_all(folder_of(&path)).await?;
        let unfinished = path.with_extension(format!("{}.{UNFINISHED}", Uuid::now_v7().simple()));
        let file = tokio::fs::File::create_new(&unfinished).await?;
        Ok(Unfinished { file, unfinished, path, length: 0, whole: false })
    }

    /// Files, whole or not, whose id was made before that: at most `most` of them.
    pub async fn made_before(&self, before: Timestamp, most: usize) -> io::Result<Vec<ObjectId>> {
        let root = self.0.clone();
        tokio::task::spawn_blocking(move || older(&root, before, most))
            .await
            .unwrap_or_else(|_| Err(io::Error::other("looking for old files panicked")))
    }

    /// Reads a sealed file.
    pub async fn get(&self, id: ObjectId) -> io::Result<Vec<u8>> {
        let path = self.path(id);
        let size = tokio::fs::metadata(&path).await?.len();
        if size > OBJECT_MAX as u64 {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a sealed file over the limit"));
        }
        tokio::fs::read(path).await
    }

    /// Removes a sealed file; one that is not there is no error.
    pub async fn remove(&self, id: ObjectId) -> io::Result<()> {
        match tokio::fs::remove_file(self.path(id)).await {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Removes what killed processes left of a sealed file that never became whole. Nobody may be writing it.
    pub async fn remove_unfinished(&self, id: ObjectId) -> io::Result<()> {
        let path = self.path(id);
        let beginning = format!("{}.", id.0.simple());
        let mut entries = match tokio::fs::read_dir(folder_of(&path)).await {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        while let Some(entry) = entries.next_entry().await? {
            if entry.file_name().to_string_lossy().starts_with(&beginning) {
                tokio::fs::remove_file(entry.path()).await?;
            }
        }
        Ok(())
    }
}

/// A sealed file that is being written. Dropped before its end, it is gone.
#[derive(Debug)]
pub struct Unfinished {
    file: tokio::fs::File,
    unfinished: PathBuf,
    path: PathBuf,
    length: usize,
    whole: bool,
}

impl Unfinished {
    /// Appends.
    ///
    /// # Errors
    /// Over [`OBJECT_MAX`], or what the disk says.
    pub async fn write(&mut self, sealed: &[u8]) -> io::Result<()> {
        self.length += sealed.len();
        if self.length > OBJECT_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("a sealed file over {OBJECT_MAX} bytes")));
        }
        self.file.write_all(sealed).await
    }

    /// Whole, on the disk, and there under its name.
    ///
    /// # Errors
    /// What the disk says; the file is gone then.
    pub async fn finish(mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        tokio::fs::rename(&self.unfinished, &self.path).await?;
        self.whole = true;
        tokio::fs::File::open(folder_of(&self.path)).await?.sync_all().await
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.whole {
            // At worst it stays for the sweep.
            let _ = std::fs::remove_file(&self.unfinished);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn older(root: &Path, before: Timestamp, most: usize) -> io::Result<Vec<ObjectId>> {
    let mut found = vec![];
    for folder in std::fs::read_dir(root)? {
        // Two hexadecimal digits; what else stands here is not ours.
        let folder = folder?;
        if folder.file_name().len() != 2 {
            continue;
        }
        for file in std::fs::read_dir(folder.path())? {
            let name = file?.file_name();
            let name = name.to_string_lossy();
            let Ok(id) = Uuid::parse_str(name.split('.').next().unwrap_or_default()) else { continue };
            // The ids carry their time (UUID version 7).
            if id.get_timestamp().is_some_and(|at| (at.to_unix().0 as i64) < before.as_second()) {
                found.push(ObjectId(id));
            }
            if found.len() == most {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> ObjectId {
        ObjectId(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, second, 0)))
    }

    async fn made_before(objects: &Objects, second: i64) -> Vec<ObjectId> {
        objects.made_before(Timestamp::from_second(second).unwrap(), 10).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_is_there_when_it_is_whole_and_gone_when_it_was_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(folder.path()).unwrap();
        let (whole, given_up) = (at(100), at(101));
        let mut file = objects.create(whole).await.unwrap();
        file.write(b"first ").await.unwrap();
        assert!(objects.get(whole).await.is_err(), "not before its end");
        file.write(b"second").await.unwrap();
        file.finish().await.unwrap();
        assert_eq!(objects.get(whole).await.unwrap(), b"first second");

        let mut file = objects.create(given_up).await.unwrap();
        file.write(b"first").await.unwrap();
        drop(file);
        assert!(objects.get(given_up).await.is_err());
        assert_eq!(made_before(&objects, 200).await, [whole]);
        assert_eq!(made_before(&objects, 100).await, []);
        objects.remove(whole).await.unwrap();
        assert_eq!(made_before(&objects, 200).await, []);
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_found_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(folder.path()).unwrap();
        let left = at(100);
        let mut file = objects.create(left).await.unwrap();
        file.write(b"half").await.unwrap();
        file.file.flush().await.unwrap();
        std::mem::forget(file);
        std::fs::create_dir(folder.path().join("inbound")).unwrap();
        assert_eq!(made_before(&objects, 200).await, [left]);
        objects.remove(left).await.unwrap();
        assert_eq!(made_before(&objects, 200).await, [left], "what is whole and what is not are two things");
        objects.remove_unfinished(left).await.unwrap();
        assert_eq!(made_before(&objects, 200).await, []);
        objects.remove_unfinished(at(999)).await.unwrap();
    }

    #[tokio::test]
    async fn two_who_write_the_same_file_do_not_write_into_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(folder.path()).unwrap();
        let id = at(1);
        let (mut first, mut second) = (objects.create(id).await.unwrap(), objects.create(id).await.unwrap());
        first.write(b"first ").await.unwrap();
        second.write(b"other").await.unwrap();
        first.write(b"to its end").await.unwrap();
        first.finish().await.unwrap();
        assert_eq!(objects.get(id).await.unwrap(), b"first to its end");
        second.finish().await.unwrap();
        assert_eq!(objects.get(id).await.unwrap(), b"other");
    }

    #[tokio::test]
    async fn nothing_grows_over_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Objects::open(folder.path()).unwrap().create(at(1)).await.unwrap();
        file.length = OBJECT_MAX;
        assert_eq!(file.write(b"x").await.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
