//! 三つの回答: what the person is told when identifiers were corrected because a contractor could not find them.

use super::{
    contractors::{pulls, says_to},
    desk::{Desk, Filed},
    people::{Person, opt_out_until_confirmed},
};
use console::{By, Ground};
use contracts::{
    Code, EndedAs, EntryId, Measure, ReportOutcome, Step,
    recipient::ReportStage,
    register::{EntryReply, TaskRow},
    standing::InstructionStanding,
};
use evidence::{file::Copy, verify};
use launcher::evidence::export;
use testkit::eventually;

/// The instructions about an entry, as the register shows them.
async fn instructions(desk: &Desk, entry: EntryId) -> Result<Vec<InstructionStanding>, String> {
    match desk.commands.entry(entry).await.map_err(|e| e.to_string())? {
        EntryReply::Found(detail) => Ok(detail.standing.map(|s| s.instructions).unwrap_or_default()),
        EntryReply::Unknown => Err("unknown".to_owned()),
    }
}

async fn waiting_task(desk: &Desk) -> TaskRow {
    eventually("a task waits for staff", || async {
        let list = desk.commands.tasks().await.map_err(|e| e.to_string())?;
        list.tasks.into_iter().next().ok_or("none".to_owned())
    })
    .await
}

/// Which measure each measure's report counts for in the answer, once `confirmed` instructions are.
async fn counting(desk: &Desk, entry: EntryId, confirmed: usize) -> Vec<(Measure, Option<Measure>)> {
    eventually("the register counts the reports", || async {
        let all = instructions(desk, entry).await?;
        let done = all.iter().filter(|one| one.confirmed.is_some()).count();
        let counts: Vec<_> = all.iter().map(|one| (one.measure, one.counts)).collect();
        // The entry hears of it a moment after the instruction.
        let heard = all.iter().any(|one| one.counts.is_some());
        if done == confirmed && heard { Ok(counts) } else { Err(format!("{all:?}")) }
    })
    .await
}

async fn until_ended(desk: &Desk, filed: &Filed) -> Vec<(ReportOutcome, u32)> {
    let end = desk.until(filed, "the three-part answer", |s| s.step == Step::Ended && !s.answer.is_empty()).await;
    assert_eq!(end.ended_as, Some(EndedAs::Stopped));
    end.answer.iter().map(|part| (part.outcome, part.recipients)).collect()
}

/// A contractor cannot find the person; the identifiers are corrected, and then it can. Staff let the first report stand as
/// what it was. The person is told that the use has stopped, the console shows the same, and the evidence has both reports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_that_finds_the_person_is_what_the_person_is_told() {
    let desk = Desk::open().await;
    let core = pulls(&desk, "core-data").await;
    let filed = opt_out_until_confirmed(&desk, &Person::number(4)).await;
    let entry = EntryId::derived(filed.case.0, "entry");
    let cannot = ReportStage::Reported { outcome: ReportOutcome::CannotIdentify, ground: None };
    says_to(&desk, &core, Measure::Stop, cannot).await;
    let task = waiting_task(&desk).await;
    assert_eq!(task.outcome, Some(ReportOutcome::CannotIdentify));

    let by = By::new(desk.staff, "the certificate shows the former name");
    let received_at = desk.clock().now();
    desk.obeyed("identifiers are corrected", || {
        let on = Ground { case: filed.case, basis: Code::of("act-52-1-and-57-1"), received_at };
        desk.commands.correct_identifiers(by, entry, on)
    })
    .await;
    let found = ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None };
    says_to(&desk, &core, Measure::Correct, found).await;
    let by = By::new(desk.staff, "they found the person by the corrected name");
    desk.obeyed("the first report stands", || desk.commands.close_task(by, task.task, true)).await;

    assert_eq!(until_ended(&desk, &filed).await, [(ReportOutcome::Applied, 1)]);
    let wanted = [(Measure::Stop, None), (Measure::Correct, Some(Measure::Stop))];
    assert_eq!(counting(&desk, entry, 2).await, wanted);
    let key = launcher::evidence::key(desk.rt.keys_dir()).unwrap().verifier();
    let file = export(&desk.rt, filed.case, Copy::Full).await.unwrap();
    let said = verify(&file, Some(&key)).unwrap_or_else(|e| panic!("{e}")).lines.join("\n");
    for text in ["core-data (contractor): cannot-identify", "core-data (contractor): applied"] {
        assert!(said.contains(text), "`{text}` is not in\n{said}");
    }
}
