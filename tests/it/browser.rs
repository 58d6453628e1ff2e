//! The pages as people use them, in Chromium: the public form and the status page in both languages, the console from
//! the one-time link to a confirmed identity. Every page on the way is looked over for what would shut somebody out
//! ([`access`]).
//!
//! Chromium is nobody's dependency but this module's; where it is missing, the tests say so and how to get it.

mod access;
mod arrivals;
mod chrome;
mod console;
mod duties;
mod mails;
mod opt_out;
mod public;
mod supervision;
mod words;

use crate::journey::{desk::Desk, incoming};
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
    public::reads_easy_words(&chrome, &desk.public_url).await;
    chrome.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_set_a_password_open_a_case_and_confirm_who_asks() {
    let Some(chrome) = Chrome::open().await else { return };
    let desk = Desk::open().await;
    console::from_the_link_to_a_confirmed_identity(&chrome, &desk).await;
    chrome.close().await;
}

/// The whole opt-out, clicked through: who will be told, identity, instructions, a report that staff deal with, evidence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_take_a_stop_from_the_dry_run_to_its_evidence() {
    let Some(chrome) = Chrome::open().await else { return };
    let desk = Desk::open().await;
    opt_out::from_the_case_to_the_evidence(&chrome, &desk).await;
    opt_out::the_developers_pages(&chrome, &desk).await;
    chrome.close().await;
}

/// A mail that arrived, from the list to what a person makes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_open_a_mail_destroy_a_file_of_it_and_settle_it() {
    let Some(chrome) = Chrome::open().await else { return };
    let desk = Desk::with(incoming::plan()).await;
    mails::from_the_list_to_a_settled_mail(&chrome, &desk).await;
    chrome.close().await;
}

/// A letter and a call in the book of arrivals, and requests that staff file from a letter and from a mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_log_a_letter_file_it_and_send_the_slip() {
    let Some(chrome) = Chrome::open().await else { return };
    let desk = Desk::with(incoming::plan()).await;
    arrivals::from_an_envelope_to_a_slip(&chrome, &desk).await;
    chrome.close().await;
}

/// A page with one of every mistake: none of them is overlooked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_shuts_people_out_is_seen() {
    let Some(chrome) = Chrome::open().await else { return };
    let page = "<!doctype html><html lang=fr><head><title> </title></head><body>\
        <h1>a</h1><h1>b</h1><h3>skipped</h3><nav>c</nav><div style='width:400px'>wide</div>\
        <a href='%23nowhere'>d</a><button></button><p id=x>e</p><p id=x aria-describedby=y>f</p>\
        <form><input name=q style='border-color:%23eee;color:%23999' placeholder=g><input name=w aria-invalid=true>\
        <label><input type=radio name=r>h</label><label><input type=radio name=r>i</label></form>\
        <p style='color:%23777;opacity:.99'>grey</p><p style='background:linear-gradient(red,blue)'>picture</p>\
        <button style='width:9px;height:9px;padding:0'>s</button><a href=x tabindex=2>j</a><img src=x>\
        <table><tr><th>k</th></tr></table></body></html>";
    chrome.goto(&format!("data:text/html,{page}")).await;
    let found = access::faults(&chrome, "en").await;
    for fault in [
        "wide: html lang is fr",
        "wide: no title",
        "wide: 2 h1",
        "wide: a heading is skipped before <h3>",
        "wide: 0 main",
        "wide: no banner",
        "wide: outside of all landmarks: <div",
        "wide: a nav without a name",
        "wide: no link that skips",
        "wide: two of id x",
        "wide: aria-describedby=\"y\" leads nowhere",
        "wide: leads nowhere: <a href=\"#nowhere\"",
        "wide: without a name: <button>",
        "wide: without a label: <input name=\"q\"",
        "wide: a choice without a legend",
        "wide: wrong, and nothing says why",
        "wide: a heading of nothing",
        "wide: an order of its own",
        "wide: a picture without words",
        "wide: too small to hit: <button style",
        "wide: contrast 4.48 of text: <p style",
        "wide: text over a picture",
        "wide: contrast 2.85 of what is typed",
        "wide: contrast 1.16 of the edge",
        "narrow: scrolls sideways",
        "narrow: sticks out: <div",
    ] {
        assert!(found.iter().any(|line| line.starts_with(fault)), "{fault}: {found:#?}");
    }
    chrome.close().await;
}
