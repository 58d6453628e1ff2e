//! The book of arrivals: what is shown, and what is said when it cannot be.

use crate::{desk::Desk, orders::other_end, story};
use contracts::{
    ArrivalId, ArrivalState, Channel, Sealed, Service, StaffId,
    arrival::{ArrivalReply, ArrivalRow, ShowArrival},
    request::Request,
};

fn row(id: ArrivalId) -> ArrivalRow {
    ArrivalRow {
        id,
        channel: Channel::Post,
        arrived_at: story::at(0),
        postal_class: None,
        postmarked_on: None,
        cash: true,
        state: ArrivalState::Open,
        logged: (StaffId::new(), story::at(0)),
        outcome: None,
        settled: None,
        case: None,
    }
}

/// Values that do not open are a fault of this house and never "erased": nobody goes on as if there were nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_is_said_to_be_unreadable_and_what_is_erased_to_be_erased() {
    let desk = Desk::start(&[]).await;
    let browser = desk.signed_in().await;
    let id = ArrivalId::new();
    let garbled = ArrivalReply::Found { row: Box::new(row(id)), particulars: Some(Sealed(vec![7; 100])) };
    let erased = ArrivalReply::Found { row: Box::new(row(id)), particulars: None };
    let replies = [&garbled, &garbled, &erased, &ArrivalReply::Unknown].map(|r| serde_json::to_vec(r).unwrap());
    let _asked = other_end(&desk, Service::Intake, ShowArrival::ENTRY.subject(), replies.to_vec()).await;
    let csrf = browser.get("/arrivals/new").await.csrf();
    let form = [("csrf", csrf.as_str())];
    for path in [format!("/arrivals/{id}/show"), format!("/arrivals/{id}/file")] {
        let page = browser.post(&path, &form).await;
        assert_eq!(page.status, 503, "{path}: {}", page.body);
        page.has("The values that came cannot be opened.");
    }
    let page = browser.post(&format!("/arrivals/{id}/show"), &form).await;
    assert_eq!(page.status, 200, "{}", page.body);
    page.has("What it said was erased with its case.");
    page.has("Count it with a second person");
    assert_eq!(browser.post(&format!("/arrivals/{id}/show"), &form).await.status, 404);
    let looks: i64 = desk.one("select count(*) from console.view_audit where purpose = 'arrival'").await;
    assert_eq!(looks, 4, "each was written down before it was asked for");
}
