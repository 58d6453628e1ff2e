//! The pages as people use them, in Chromium: the public form and the status page in both languages, the console from the
//! one-time link to a confirmed identity. Every page on the way is looked over for what would shut somebody out
//! ([`access`]).
//!
//! Chromium is nobody's dependency but this module's; where it is missing, the tests say so and how to get it.

mod access;
mod chrome;
mod console;
mod public;
mod words;

use crate::journey::desk::Desk;
use chrome::Chrome;
use words::Words;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_asks_for_a_stop_reads_how_it_stands_and_takes_it_back_in_both_languages() {
    let Some(chrome) = Chrome::open().await else { return };
    let desk = Desk::open().await;
    // What this browser prefers is Japanese; English is a link away.
    chrome.goto(&desk.public_url).await;
    public::asks_and_withdraws(&chrome, &Words::of_the_desk("ja"), &public::HANAKO).await;
    chrome.goto(&desk.public_url).await;
    chrome.press("nav a[hreflang=en]").await;
    public::asks_and_withdraws(&chrome, &Words::of_the_desk("en"), &public::JOHN).await;
    chrome.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_set_a_password_open_a_case_and_confirm_who_asks() {
    let Some(chrome) = Chrome::open().await else { return };
    let desk = Desk::open().await;
    console::from_the_link_to_a_confirmed_identity(&chrome, &desk).await;
    chrome.close().await;
}
