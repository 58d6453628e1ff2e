//! The answer for few: over HTTP and, inside the house, over NATS.

use super::{
    desk::{Desk, GateError, Question},
    review, runs,
};
use chassis::HandleError;
use contracts::{
    Code, EntryId,
    gate::{CheckGate, GateAnswer, GateAnswers},
};
use gate::{
    AsOf, Filter, Finding, Format, Mode, Settings, Word,
    filing::{Ground, Statement, Unfiled},
    filter::{Judge, Plan},
    split::{Chunk, Row},
};
use privacy_seal::Purpose;

/// Rows of one question.
pub const ROWS_MAX: usize = 100;

/// What was found.
#[derive(Debug)]
pub struct Few {
    /// As of when.
    pub as_of: AsOf,
    /// What the receipt record needs; or why nothing may be received.
    pub ground: Result<Ground, Unfiled>,
    /// Of each row that does not pass; by line, from 1.
    pub findings: Vec<Finding>,
}

/// Checks rows: one JSON object each. Possible matches are put before two people.
///
/// # Errors
/// The database does not answer: then nothing may be used.
pub async fn few(desk: &Desk, asker: &Code, question: &Question, rows: &[Vec<u8>]) -> Result<Few, GateError> {
    let as_of = desk.follow().await?;
    let admitted = match desk.admit(question) {
        Ok(admitted) => admitted,
        Err(why) => {
            let ground = Ground { supplier: question.supplier.clone(), ..Ground::default() };
            let run = runs::begin(desk, asker, question, as_of, &ground).await?;
            runs::refused(desk, run, why.as_str()).await?;
            return Ok(Few { as_of, ground: Err(why), findings: vec![] });
        }
    };
    let mut chunk = Chunk::default();
    for (row, line) in rows.iter().zip(1u64..) {
        let start = chunk.bytes.len();
        chunk.bytes.extend_from_slice(row);
        chunk.rows.push(Row { start, end: chunk.bytes.len(), line, bad: None });
    }
    let settings = Settings::new(Format::Ndjson, Mode::Remove);
    let done = desk.with(|index| {
        let judge =
            Judge { rules: &desk.rules, key: desk.keys.memory(), index, ask: admitted.ask, terms: admitted.terms };
        Filter { settings: &settings, judge }.chunk(&Plan::default(), &chunk)
    });
    // What nobody is found by leaves nothing behind: a check that finds nothing is not a record about a person.
    if !done.findings.is_empty() {
        let run = runs::begin(desk, asker, question, as_of, &admitted.ground).await?;
        runs::keep(desk, run, asker, question, &done.findings).await?;
        runs::complete(desk, run, &done.counts, None).await?;
        review::raise(desk, asker, question, &done.findings).await?;
    }
    Ok(Few { as_of, ground: Ok(admitted.ground), findings: done.findings })
}

/// `req.optout.gate`.
///
/// # Errors
/// The database does not answer.
pub async fn inside(desk: &Desk, asked: CheckGate) -> Result<GateAnswers, HandleError> {
    let refused = |as_of: AsOf, reason: Code| GateAnswers {
        epoch: as_of.epoch,
        position: as_of.position,
        rules: desk.rules.version.clone(),
        refused: Some(reason),
        answers: vec![],
    };
    let nowhere = AsOf { epoch: desk.bus.epoch(), position: 0 };
    let Ok(flow) = asked.flow.as_str().parse() else { return Ok(refused(nowhere, Code::of("unknown-flow"))) };
    let Some(rows) = desk.register.open(asked.question.as_bytes(), &asked.rows.0) else {
        return Ok(refused(nowhere, Code::of("sealed-to-another-key")));
    };
    let rows: Vec<Vec<u8>> = rows
        .disclose(Purpose::FindPerson)
        .split(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    if rows.is_empty() || rows.len() > ROWS_MAX {
        return Ok(refused(nowhere, Code::of("one-to-100-rows")));
    }
    let question = Question {
        flow,
        track: asked.track,
        supplier: asked.supplier,
        statement: asked.notified_through.map(|day| Statement { notified_through: day, acquired: None }),
        rows_say_when: false,
    };
    let found = few(desk, &asked.asker, &question, &rows).await.map_err(|e| HandleError::Unavailable(e.to_string()))?;
    if let Err(why) = found.ground {
        return Ok(refused(found.as_of, code(why.as_str())));
    }
    let mut answers = vec![answer(desk, None); rows.len()];
    for finding in &found.findings {
        if let Some(slot) = answers.get_mut(finding.line as usize - 1) {
            *slot = answer(desk, Some(finding));
        }
    }
    let AsOf { epoch, position } = found.as_of;
    Ok(GateAnswers { epoch, position, rules: desk.rules.version.clone(), refused: None, answers })
}

fn answer(desk: &Desk, finding: Option<&Finding>) -> GateAnswer {
    let word = finding.map_or(Word::NoMatch, |f| f.word);
    GateAnswer {
        answer: code(word.as_str()),
        why: if let Word::Bad(bad) = word { Some(code(bad.code())) } else { None },
        entry: finding.and_then(|f| f.entry).map(EntryId),
        key: finding.and_then(|f| f.rule).and_then(|n| desk.rules.keys.get(usize::from(n))).map(|k| k.word.clone()),
    }
}

/// A word of the gate's closed lists.
pub fn code(word: &'static str) -> Code {
    Code::of(word)
}
