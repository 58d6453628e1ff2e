//! Which requests are answered, and by what.

use crate::{duties::Duties, files::Files, orders::Orders, recipients::Recipients};
use chassis::{Bus, HandleError};
use contracts::{
    alert::SetContact,
    books::{ReplayRecipient, ShowBooks},
    carried::{ExportFile, ImportFile},
    duty::{
        AnswerComplaint, AttestErasure, BringWorkOrder, ComplaintTold, EndOperator, ForwardComplaint, HospitalStopped,
        IssueStopDocument, ListComplaints, ListOverdue, ListProcessorIncidents, PreviewEndOperator, Print,
        RecordConsent, RecordDisagreement, RecordIncident, RecordRelay, ShowDuties, ShowSupervision, Supervise,
    },
    endpoint_test::TestEndpoint,
    register::{
        AttestReport, Certify, ChangeEndpoint, ChangeScope, CloseTask, ConfirmMatch, CorrectIdentifiers,
        EndCertification, FoundAt, HospitalReceived, ListTasks, RemoveRecipient, ResumeRecipient, ResumeUse,
        RotateKeys, ScanReturn, SetContract, ShowEntry, ShowRecipient, SuspendRecipient, SuspendUse, WithdrawStop,
    },
    request::{ListRecipients, RegisterRecipient, Request, StaffCommand},
    standing::PreviewStop,
};
use std::{future::Future, sync::Arc};

fn answer<R: Request, S, F, Fut>(bus: &Arc<Bus>, by: &Arc<S>, how: F)
where
    S: Send + Sync + 'static,
    F: Fn(Arc<S>, R) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R::Reply, HandleError>> + Send + 'static,
{
    let by = by.clone();
    bus.answer::<R, _, _>(move |request| how(by.clone(), request));
}

/// About recipients and tasks.
pub(crate) fn recipients(bus: &Arc<Bus>, by: &Arc<Recipients>) {
    answer(bus, by, |r, c: StaffCommand<RegisterRecipient>| async move { r.register(c).await });
    answer(bus, by, |r, c: StaffCommand<SetContract>| async move { r.set_contract(c).await });
    answer(bus, by, |r, c: StaffCommand<Certify>| async move { r.certify(c).await });
    answer(bus, by, |r, c: StaffCommand<EndCertification>| async move { r.end_certification(c).await });
    answer(bus, by, |r, c: StaffCommand<RotateKeys>| async move { r.rotate_keys(c).await });
    answer(bus, by, |r, c: StaffCommand<ChangeEndpoint>| async move { r.change_endpoint(c).await });
    answer(bus, by, |r, c: StaffCommand<SuspendRecipient>| async move { r.suspend(c).await });
    answer(bus, by, |r, c: StaffCommand<ResumeRecipient>| async move { r.resume(c).await });
    answer(bus, by, |r, c: StaffCommand<RemoveRecipient>| async move { r.remove(c).await });
    answer(bus, by, |r, q: ListRecipients| async move { r.list(q).await });
    answer(bus, by, |r, q: ShowRecipient| async move { r.show(q).await });
    answer(bus, by, |r, q: ShowBooks| async move { r.books(q).await });
    answer(bus, by, |r, c: StaffCommand<ReplayRecipient>| async move { r.replay(c).await });
    answer(bus, by, |r, c: StaffCommand<TestEndpoint>| async move { r.test_endpoint(c).await });
    answer(bus, by, |r, c: StaffCommand<SetContact>| async move { r.set_contact(c).await });
    answer(bus, by, |r, q: ListTasks| async move { r.tasks(q).await });
}

/// About duties towards persons, hospitals and processors.
pub(crate) fn duties(bus: &Arc<Bus>, by: &Arc<Duties>) {
    answer(bus, by, |d, c: StaffCommand<RecordConsent>| async move { d.record_consent(c).await });
    answer(bus, by, |d, c: StaffCommand<BringWorkOrder>| async move { d.bring(c).await });
    answer(bus, by, |d, c: StaffCommand<HospitalStopped>| async move { d.hospital_stopped(c).await });
    answer(bus, by, |d, c: StaffCommand<IssueStopDocument>| async move { d.issue(c).await });
    answer(bus, by, |d, c: StaffCommand<Print>| async move { d.print(c).await });
    answer(bus, by, |d, c: StaffCommand<RecordDisagreement>| async move { d.disagree(c).await });
    answer(bus, by, |d, c: StaffCommand<RecordRelay>| async move { d.relay(c).await });
    answer(bus, by, |d, q: ShowDuties| async move { d.show(q).await });
    answer(bus, by, |d, c: StaffCommand<Supervise>| async move { d.supervise(c).await });
    answer(bus, by, |d, q: ShowSupervision| async move { d.supervision(q).await });
    answer(bus, by, |d, q: ListOverdue| async move { d.overdue(q).await });
    answer(bus, by, |d, c: StaffCommand<EndOperator>| async move { d.end_operator(c).await });
    answer(bus, by, |d, q: PreviewEndOperator| async move { d.preview_end(q).await });
    answer(bus, by, |d, c: StaffCommand<RecordIncident>| async move { d.record_incident(c).await });
    answer(bus, by, |d, q: ListProcessorIncidents| async move { d.incidents(q).await });
    answer(bus, by, |d, c: StaffCommand<ForwardComplaint>| async move { d.forward(c).await });
    answer(bus, by, |d, c: StaffCommand<AnswerComplaint>| async move { d.answer_complaint(c).await });
    answer(bus, by, |d, c: StaffCommand<ComplaintTold>| async move { d.complaint_told(c).await });
    answer(bus, by, |d, q: ListComplaints| async move { d.complaints(q).await });
}

/// About entries, instructions and tasks.
pub(crate) fn orders(bus: &Arc<Bus>, by: &Arc<Orders>) {
    answer(bus, by, |o, c: StaffCommand<CloseTask>| async move { o.close_task(c).await });
    answer(bus, by, |o, c: StaffCommand<AttestReport>| async move { o.attest(c).await });
    answer(bus, by, |o, c: StaffCommand<AttestErasure>| async move { o.attest_erasure(c).await });
    answer(bus, by, |o, c: StaffCommand<ConfirmMatch>| async move { o.confirm_match(c).await });
    answer(bus, by, |o, c: StaffCommand<ChangeScope>| async move { o.change_scope(c).await });
    answer(bus, by, |o, c: StaffCommand<CorrectIdentifiers>| async move { o.correct(c).await });
    answer(bus, by, |o, c: StaffCommand<WithdrawStop>| async move { o.withdraw(c).await });
    answer(bus, by, |o, c: StaffCommand<HospitalReceived>| async move { o.hospital_received(c).await });
    answer(bus, by, |o, c: StaffCommand<FoundAt>| async move { o.found_at(c).await });
    answer(bus, by, |o, c: StaffCommand<ScanReturn>| async move { o.scan_return(c).await });
    answer(bus, by, |o, c: StaffCommand<SuspendUse>| async move { o.suspend_use(c).await });
    answer(bus, by, |o, c: StaffCommand<ResumeUse>| async move { o.resume_use(c).await });
    answer(bus, by, |o, q: ShowEntry| async move { o.show(q).await });
    answer(bus, by, |o, q: PreviewStop| async move { o.preview(q).await });
}

/// About files that are carried by hand.
pub(crate) fn files(bus: &Arc<Bus>, by: &Arc<Files>) {
    answer(bus, by, |f, c: StaffCommand<ExportFile>| async move { f.export(c).await });
    answer(bus, by, |f, c: StaffCommand<ImportFile>| async move { f.import(c).await });
}
