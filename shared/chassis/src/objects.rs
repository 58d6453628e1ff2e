//! The object store: sealed files, named by an opaque id. Files never cross NATS; a message carries id and digest.
//!
//! What is put in is sealed already (the receiver of a file seals it to its owner's public key); the store sees
//! ciphertext only, and a test greps it for what must not be there.

use contracts::ObjectId;
use std::{io, path::PathBuf, sync::Arc};

/// The largest sealed file, in bytes.
pub const OBJECT_MAX: usize = 32 * 1024 * 1024;

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
        if sealed.len() > OBJECT_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("a sealed file over {OBJECT_MAX} bytes")));
        }
        let path = self.path(id);
        tokio::task::spawn_blocking(move || {
            let folder = path.parent().map(PathBuf::from).unwrap_or_default();
            std::fs::create_dir_all(&folder)?;
            let unfinished = path.with_extension("part");
            let mut file = std::fs::File::create(&unfinished)?;
            io::Write::write_all(&mut file, &sealed)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)?;
            std::fs::File::open(&folder)?.sync_all()
        })
        .await
        .unwrap_or_else(|_| Err(io::Error::other("writing a sealed file panicked")))
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
}
