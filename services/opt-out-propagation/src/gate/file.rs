//! `POST /partner/v1/gate/file`: a file in, the file that may be used out, in bounded memory whatever its size.
//!
//! The answer begins with the first rows and before the last were read. So the run says at its end whether what was written
//! may be used: `complete`, and both digests. A body that is not the one signed, or is cut off, breaks the answer off.

use super::{
    desk::{Admitted, Desk, Question},
    http::{self, Asked, OfBody, contractor},
    lawful, review, runs,
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use chassis::Problem;
use contracts::{Code, Uuid};
use futures::{StreamExt, stream};
use gate::{
    Counts, Filter, Format, Mode, Settings,
    filter::{Done, Encoding, FileRefused, Judge, Plan},
    run::begin,
    split::{Chunk, Splitter},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{io, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Bytes judged at a time.
const CHUNK: usize = 256 * 1024;
/// Pieces of the answer that wait for the asker.
const WAITING: usize = 2;
/// The longest pause between two pieces of the body, and the longest that the asker may leave a piece of the answer.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct How {
    mode: Mode,
    #[serde(default)]
    encoding: Encoding,
}

/// Takes a file.
///
/// # Errors
/// Who asks, what is asked, or the first line of the file.
pub async fn take(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let me = super::keys::user(contractor(&desk, &method, &uri, &headers).await?);
    let OfBody { digest } = http::query(&uri)?;
    let How { mode, encoding } = http::query(&uri)?;
    let question = http::query::<Asked>(&uri)?.question();
    let format = format_of(&headers)?;
    let Ok(permit) = desk.files.clone().try_acquire_owned() else {
        return Err(Problem::away().detail("Two files are in work already. Send it again in a few seconds."));
    };
    let as_of = desk.follow().await.map_err(|e| http::unusable(&e))?;
    let away = |_| Problem::away();
    let mut admitted = match desk.admit(&question) {
        Ok(admitted) => admitted,
        Err(why) => {
            let run = runs::begin(&desk, &me, &question, as_of, &Default::default()).await.map_err(away)?;
            runs::refused(&desk, run, why.as_str()).await.map_err(away)?;
            return Err(http::unfiled(why, as_of));
        }
    };
    admitted.ask.lawful = lawful::in_force(&desk, &me, digest.0).await.map_err(away)?;
    let run = runs::begin(&desk, &me, &question, as_of, &admitted.ground).await.map_err(away)?;
    let settings = Settings { encoding, ..Settings::new(format, mode) };
    let work = Work { desk, me, question, run, admitted: Arc::new(admitted), settings: Arc::new(settings) };
    let answered = work.answer(body, digest.0, permit).await?;
    let mut response = answered.into_response();
    let headers = response.headers_mut();
    let text = if format == Format::Csv { "text/csv" } else { "application/x-ndjson" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(text));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in
        [("madoguchi-gate-run", run.to_string()), ("madoguchi-as-of", format!("{}.{}", as_of.epoch, as_of.position))]
    {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

fn format_of(headers: &HeaderMap) -> Result<Format, Problem> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match text.split(';').next().unwrap_or_default().trim() {
        "text/csv" => Ok(Format::Csv),
        "application/x-ndjson" => Ok(Format::Ndjson),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unknown-format",
            "The file is neither CSV nor NDJSON",
        )
        .detail("Say text/csv or application/x-ndjson.")),
    }
}

fn refused(why: &FileRefused) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "file-refused", "The file cannot be checked").detail(why.to_string())
}

struct Work {
    desk: Arc<Desk>,
    me: Code,
    question: Question,
    run: Uuid,
    admitted: Arc<Admitted>,
    settings: Arc<Settings>,
}

/// How far a file is.
struct Progress {
    body: axum::body::BodyDataStream,
    splitter: Option<Splitter>,
    plan: Option<Arc<Plan>>,
    counts: Counts,
    read: Sha256,
    written: Sha256,
}

/// Why a file did not end.
enum Broken {
    Refused(FileRefused),
    CutOff,
    Away,
}

impl Work {
    /// The first rows decide whether there is an answer at all; a task goes on with the others.
    async fn answer(self, body: Body, digest: [u8; 32], permit: OwnedSemaphorePermit) -> Result<Body, Problem> {
        let mut progress = Progress {
            body: body.into_data_stream(),
            splitter: Some(Splitter::new(self.settings.format, self.settings.record_max)),
            plan: None,
            counts: Counts::default(),
            read: Sha256::new(),
            written: Sha256::new(),
        };
        let first = match self.step(&mut progress).await {
            Ok(first) => first,
            Err(broken) => {
                let (word, problem) = match &broken {
                    Broken::Refused(why) => ("file-refused", refused(why)),
                    Broken::CutOff => ("cut-off", http::wrong_digest()),
                    Broken::Away => ("away", Problem::away()),
                };
                // The asker gets the problem; the run says the same if it can be written.
                let _ = runs::refused(&self.desk, self.run, word).await;
                return Err(problem);
            }
        };
        let (out, rest) = mpsc::channel::<io::Result<Bytes>>(WAITING);
        let stop = self.desk.bus.stopping();
        stop.spawn("gate file", async move {
            let _permit = permit;
            self.go_on(first, progress, digest, out).await;
        });
        let rest = stream::unfold(rest, |mut rest| async move { rest.recv().await.map(|piece| (piece, rest)) });
        Ok(Body::from_stream(rest))
    }

    async fn go_on(
        self,
        first: Option<Bytes>,
        mut progress: Progress,
        digest: [u8; 32],
        out: mpsc::Sender<io::Result<Bytes>>,
    ) {
        let mut next = Ok(first);
        let ended = loop {
            match next {
                Ok(Some(bytes)) => {
                    let given = tokio::time::timeout(PAUSE, out.send(Ok(bytes))).await;
                    if !matches!(given, Ok(Ok(()))) {
                        break Err("cut-off");
                    }
                }
                Ok(None) if <[u8; 32]>::from(progress.read.clone().finalize()) == digest => break Ok(()),
                Ok(None) => break Err("digest-mismatch"),
                Err(Broken::CutOff) => break Err("cut-off"),
                Err(Broken::Refused(_) | Broken::Away) => break Err("away"),
            }
            next = self.step(&mut progress).await;
        };
        let kept = match ended {
            Ok(()) => {
                let digests = Some((digest, progress.written.finalize().into()));
                runs::complete(&self.desk, self.run, &progress.counts, digests).await
            }
            Err(why) => runs::refused(&self.desk, self.run, why).await,
        };
        if ended.is_err() || kept.is_err() {
            // Without this the answer would look whole.
            let _ = out.send(Err(io::Error::other("the file was not taken to its end"))).await;
        }
    }

    /// The next piece of the answer; `None`: the end.
    async fn step(&self, progress: &mut Progress) -> Result<Option<Bytes>, Broken> {
        loop {
            let Some(chunk) = self.next(progress).await? else {
                if progress.plan.is_none() {
                    self.judged(progress, Chunk::default()).await?;
                }
                return Ok(None);
            };
            let done = self.judged(progress, chunk).await?;
            progress.counts.add(&done.counts);
            progress.written.update(&done.out);
            let (desk, me, question) = (&self.desk, &self.me, &self.question);
            runs::keep(desk, self.run, me, question, &done.findings).await.map_err(|_| Broken::Away)?;
            review::raise(desk, me, question, &done.findings).await.map_err(|_| Broken::Away)?;
            if !done.out.is_empty() {
                return Ok(Some(done.out.into()));
            }
        }
    }

    async fn next(&self, progress: &mut Progress) -> Result<Option<Chunk>, Broken> {
        loop {
            let Some(splitter) = &mut progress.splitter else { return Ok(None) };
            if let Some(chunk) = splitter.take(CHUNK) {
                return Ok(Some(chunk));
            }
            match tokio::time::timeout(PAUSE, progress.body.next()).await {
                Err(_) | Ok(Some(Err(_))) => return Err(Broken::CutOff),
                Ok(None) => return Ok(progress.splitter.take().and_then(Splitter::finish)),
                Ok(Some(Ok(bytes))) => {
                    progress.read.update(&bytes);
                    splitter.feed(&bytes);
                }
            }
        }
    }

    /// Judges off the threads that wait for the network.
    async fn judged(&self, progress: &mut Progress, mut chunk: Chunk) -> Result<Done, Broken> {
        let (desk, admitted, settings) = (self.desk.clone(), self.admitted.clone(), self.settings.clone());
        let plan = progress.plan.clone();
        let judged = tokio::task::spawn_blocking(move || {
            desk.with(|index| {
                let judge = Judge {
                    rules: &desk.rules,
                    key: desk.keys.memory(),
                    index,
                    ask: admitted.ask.clone(),
                    terms: admitted.terms,
                };
                let filter = Filter { settings: &settings, judge };
                let (plan, mut out) = match plan {
                    Some(plan) => (plan, vec![]),
                    None => begin(&filter, &mut chunk).map(|(plan, line)| (Arc::new(plan), line))?,
                };
                let mut done = filter.chunk(&plan, &chunk);
                out.append(&mut done.out);
                Ok::<_, FileRefused>((plan, Done { out, ..done }))
            })
        });
        let (plan, done) = judged.await.map_err(|_| Broken::Away)?.map_err(Broken::Refused)?;
        progress.plan = Some(plan);
        Ok(done)
    }
}
