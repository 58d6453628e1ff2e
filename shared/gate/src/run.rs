//! A whole file through the gate, in bounded memory: one thread reads and cuts, others judge, the caller's writes in order.

use crate::{
    filter::{self, Counts, Done, FileRefused, Filter, Finding, Format, Plan},
    part::Part,
    split::{Chunk, Splitter},
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    sync::{Mutex, mpsc},
};

/// Bytes of a chunk.
const CHUNK: usize = 256 * 1024;
/// Chunks that wait to be judged, per judging thread.
const WAITING: usize = 2;

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// How many rows of each answer.
    pub counts: Counts,
    /// Bytes read.
    pub bytes_in: u64,
    /// SHA-256 of what was read.
    pub sha256_in: [u8; 32],
    /// SHA-256 of what was written.
    pub sha256_out: [u8; 32],
}

/// Why it did not end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The whole file is refused; nothing was written.
    #[error(transparent)]
    Refused(#[from] FileRefused),
    /// Reading or writing failed; what was written is not to be used.
    #[error("reading or writing: {0}; what was written so far is not to be used")]
    Io(#[from] io::Error),
}

/// Takes the first chunk of a file apart: plan, header to write, and the chunk without the header.
///
/// # Errors
/// See [`FileRefused`].
pub fn begin(filter: &Filter<'_>, chunk: &mut Chunk) -> Result<(Plan, Vec<u8>), FileRefused> {
    if filter.settings.format == Format::Ndjson {
        return Ok((Plan::default(), vec![]));
    }
    if chunk.rows.is_empty() {
        return Err(FileRefused::Header("empty"));
    }
    let first = chunk.rows.remove(0);
    if let Some(bad) = first.bad {
        return Err(FileRefused::Header(bad.code()));
    }
    let (plan, line) = filter::header(filter.settings, filter.judge.rules, &chunk.bytes[first.start..first.end])?;
    if filter.judge.terms.is_some() && !plan.has(Part::NotifiedOn) {
        return Err(FileRefused::ColumnMissing(Part::NotifiedOn));
    }
    Ok((plan, line))
}

/// Takes a file through. `finding` is called in order of lines, `progress` after each chunk with rows and bytes so far.
///
/// # Errors
/// See [`RunError`].
pub fn run(
    filter: &Filter<'_>,
    threads: usize,
    from: &mut (dyn Read + Send),
    to: &mut dyn Write,
    finding: &mut dyn FnMut(&Finding) -> io::Result<()>,
    progress: &mut dyn FnMut(&Counts, u64),
) -> Result<Ended, RunError> {
    let mut source = Source::new(filter, from);
    let Some(mut first) = source.next()? else {
        // An empty CSV has no columns, an empty NDJSON no rows.
        begin(filter, &mut Chunk::default())?;
        return Ok(Sink::new(to).ended(&source));
    };
    let (plan, header) = begin(filter, &mut first)?;
    let mut sink = Sink::new(to);
    sink.write(&header)?;
    let threads = threads.clamp(1, 64);
    let (give, take) = mpsc::sync_channel::<(u64, Chunk)>(threads * WAITING);
    let (hand, got) = mpsc::sync_channel::<(u64, u64, Done)>(threads * WAITING);
    let take = Mutex::new(take);
    std::thread::scope(|scope| {
        let (plan, take, source_in) = (&plan, &take, &mut source);
        let reader = scope.spawn(move || -> io::Result<()> {
            let (mut n, mut next) = (0, Some(first));
            while let Some(chunk) = next {
                if give.send((n, chunk)).is_err() {
                    // The writer failed and says so itself.
                    return Ok(());
                }
                n += 1;
                next = source_in.next()?;
            }
            Ok(())
        });
        for _ in 0..threads {
            let hand = hand.clone();
            scope.spawn(move || {
                loop {
                    let Ok((n, chunk)) = take.lock().map_err(drop).and_then(|t| t.recv().map_err(drop)) else { return };
                    if hand.send((n, chunk.bytes.len() as u64, filter.chunk(plan, &chunk))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(hand);
        let written = sink.take(got, finding, progress);
        // Nobody takes chunks any more: a reader that still has some must not wait for ever.
        if let Ok(mut t) = take.lock() {
            *t = mpsc::sync_channel(0).1;
        }
        let read = reader.join().unwrap_or_else(|_| Err(io::Error::other("the reading thread panicked")));
        written.and(read)
    })?;
    Ok(sink.ended(&source))
}

struct Source<'a> {
    from: &'a mut (dyn Read + Send),
    splitter: Option<Splitter>,
    buffer: Vec<u8>,
    hash: Sha256,
    bytes: u64,
}

impl<'a> Source<'a> {
    fn new(filter: &Filter<'_>, from: &'a mut (dyn Read + Send)) -> Self {
        let splitter = Splitter::new(filter.settings.format, filter.settings.record_max);
        Self { from, splitter: Some(splitter), buffer: vec![0; CHUNK / 4], hash: Sha256::new(), bytes: 0 }
    }

    fn next(&mut self) -> io::Result<Option<Chunk>> {
        loop {
            let Some(splitter) = &mut self.splitter else { return Ok(None) };
            if let Some(chunk) = splitter.take(CHUNK) {
                return Ok(Some(chunk));
            }
            let n = match self.from.read(&mut self.buffer) {
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if n == 0 {
                return Ok(self.splitter.take().and_then(Splitter::finish));
            }
            self.hash.update(&self.buffer[..n]);
            self.bytes += n as u64;
            splitter.feed(&self.buffer[..n]);
        }
    }
}

struct Sink<'a> {
    to: &'a mut dyn Write,
    hash: Sha256,
    counts: Counts,
}

impl<'a> Sink<'a> {
    fn new(to: &'a mut dyn Write) -> Self {
        Self { to, hash: Sha256::new(), counts: Counts::default() }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.to.write_all(bytes)
    }

    /// In the order of the file. What is ahead waits here: at most what the channels and the threads hold.
    fn take(
        &mut self,
        got: mpsc::Receiver<(u64, u64, Done)>,
        finding: &mut dyn FnMut(&Finding) -> io::Result<()>,
        progress: &mut dyn FnMut(&Counts, u64),
    ) -> io::Result<()> {
        let (mut waiting, mut next, mut bytes) = (BTreeMap::new(), 0, 0);
        for (n, length, done) in got {
            waiting.insert(n, (length, done));
            while let Some((length, done)) = waiting.remove(&next) {
                self.write(&done.out)?;
                for one in &done.findings {
                    finding(one)?;
                }
                self.counts.add(&done.counts);
                (next, bytes) = (next + 1, bytes + length);
                progress(&self.counts, bytes);
            }
        }
        self.to.flush()
    }

    fn ended(self, source: &Source<'_>) -> Ended {
        Ended {
            counts: self.counts,
            bytes_in: source.bytes,
            sha256_in: source.hash.clone().finalize().into(),
            sha256_out: self.hash.finalize().into(),
        }
    }
}
