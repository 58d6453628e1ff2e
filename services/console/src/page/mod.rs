//! The pages: plain HTML, no script. One file per page; this one holds what they have in common.

mod answer;
mod arrivals;
mod bank;
mod case;
mod cases;
mod contract_form;
mod download;
mod duties;
mod entry;
mod entry_orders;
mod evidence;
mod faults;
mod files;
mod filing;
mod gate;
mod guard;
mod incidents;
mod mails;
mod opened;
mod operator_end;
mod orders;
mod parked;
mod preview;
mod recipient;
mod recipients;
mod review;
mod show;
mod sign_in;
mod slip;
mod staff;
mod supervision;
mod tasks;
mod upload;

use crate::{
    access::{Access, AccessError, Staff},
    command::Commands,
    config::Settings,
    text::{Lang, Texts},
};
use askama::Template;
use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chassis::{Clock, Db, DbError, http::HttpLimits};
use contracts::{Date, Timestamp};
use jiff::tz::TimeZone;
use privacy::ServiceKey;
use std::{ops::Deref, str::FromStr, sync::Arc};

/// What the pages work with.
pub struct Inner {
    /// The read model and the accounts.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// Accounts and sessions.
    pub access: Access,
    /// Orders and questions.
    pub commands: Commands,
    /// The key that disclosed values are sealed to.
    pub key: ServiceKey,
    /// Times on pages.
    pub zone: TimeZone,
    /// Where staff reach the console, without a slash at the end.
    pub base_url: String,
    /// `[letters]`: who writes.
    pub letters: crate::config::Letters,
    /// Who makes evidence files; none where services run apart.
    pub evidence: Option<Arc<dyn crate::evidence::Exporter>>,
    /// Evidence files that are made at the same time.
    pub exports: tokio::sync::Semaphore,
}

/// The same, cheap to clone.
#[derive(Clone)]
pub struct App(pub Arc<Inner>);

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// Whether browsers reach it over TLS.
    pub fn is_https(&self) -> bool {
        self.base_url.starts_with("https://")
    }
    /// The session cookie's name: with TLS, the prefix by which browsers bind it to this host.
    pub fn session_cookie(&self) -> &'static str {
        if self.is_https() { "__Host-madoguchi-session" } else { "madoguchi-session" }
    }
    /// The cookie that the sign-in form's token is made of.
    pub fn visit_cookie(&self) -> &'static str {
        if self.is_https() { "__Host-madoguchi-visit" } else { "madoguchi-visit" }
    }
    /// A `Set-Cookie` value; empty text ends the cookie.
    pub fn cookie(&self, name: &str, value: &str) -> HeaderValue {
        let end = if value.is_empty() { "; Max-Age=0" } else { "" };
        let secure = if self.is_https() { "; Secure" } else { "" };
        // Names are ours, values are base64url: always a header value.
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{end}"))
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// What every page shows around its own content.
pub struct Page {
    /// Language.
    pub lang: Lang,
    /// Who is signed in.
    pub staff: Option<Staff>,
    /// The token that forms carry.
    pub csrf: String,
    /// Where the language links lead.
    pub path: String,
    /// The part of the console that this page belongs to.
    pub section: &'static str,
    zone: TimeZone,
}

impl Page {
    /// Its words.
    pub fn texts(&self) -> &'static Texts {
        self.lang.texts()
    }
    /// The text of a key.
    pub fn t<'a>(&self, key: &'a str) -> &'a str {
        let texts: &'static Texts = self.lang.texts();
        texts.t(key)
    }
    /// The words of a code.
    pub fn word(&self, group: &str, code: &str) -> String {
        self.texts().word(group, code)
    }
    /// Date and time in the console's zone.
    pub fn when(&self, at: &Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }
    /// With seconds, for timelines.
    pub fn exactly(&self, at: &Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
    /// A day.
    pub fn day(&self, at: &Date) -> String {
        at.to_string()
    }
    /// Thousands apart: `4,000`.
    pub fn yen(&self, amount: &i64) -> String {
        let digits = amount.unsigned_abs().to_string();
        let mut out = String::from(if *amount < 0 { "-" } else { "" });
        for (i, c) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                out.push(',');
            }
            out.push(c);
        }
        out
    }
    /// Whether the reader may manage accounts.
    pub fn is_administrator(&self) -> bool {
        self.staff.as_ref().is_some_and(|s| s.administrator)
    }
}

/// Where a list goes on: after the row of this time and id (`time_id`); anything else is its beginning.
fn place_in_list<Id: FromStr>(text: &str) -> Option<(Timestamp, Id)> {
    let (at, id) = text.split_once('_')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

/// A page as a response.
pub fn html(status: StatusCode, template: impl Template) -> Response {
    match template.render() {
        Ok(body) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Something behind the page failed; nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Oops {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Accounts.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl From<sqlx::Error> for Oops {
    fn from(e: sqlx::Error) -> Self {
        Self::Db(e.into())
    }
}

#[derive(Template)]
#[template(path = "oops.html")]
struct OopsPage;

impl IntoResponse for Oops {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "a page could not be made");
        html(StatusCode::SERVICE_UNAVAILABLE, OopsPage)
    }
}

/// The longest that an evidence file may take, in seconds: a service signs its log once a minute.
const EVIDENCE_SECONDS: u64 = 120;

/// What a handler gives back.
pub type Answer = Result<Response, Oops>;

/// 通知先: who is told, how each stands, and how it is supervised.
fn recipient_pages() -> Router<App> {
    Router::new()
        .route("/recipients", get(recipients::page).post(recipients::register))
        .route("/recipients/{recipient}", get(recipient::page))
        .route("/recipients/{recipient}/files", get(files::page))
        .route("/recipients/{recipient}/files/export", post(files::export))
        .route("/recipients/{recipient}/supervision", get(supervision::page))
        .route("/recipients/{recipient}/supervision/{order}", post(supervision::order))
        .route("/operator/end", get(operator_end::page).post(operator_end::end))
        .route("/recipients/{recipient}/{order}", post(recipient::order))
        .route("/tasks/{task}/{choice}", post(recipient::task))
}

/// 受付簿, mails, and requests that staff file.
fn arrival_pages() -> Router<App> {
    Router::new()
        .route("/arrivals", get(arrivals::list).post(arrivals::log))
        .route("/arrivals/new", get(arrivals::form))
        .route("/arrivals/{arrival}", get(arrivals::page))
        .route("/arrivals/{arrival}/show", post(arrivals::show))
        .route("/arrivals/{arrival}/settle", post(arrivals::settle))
        .route("/arrivals/{arrival}/file", post(filing::from_arrival))
        .route("/mails", get(mails::list))
        .route("/mails/{mail}", get(mails::page))
        .route("/mails/{mail}/show", post(mails::show))
        .route("/mails/{mail}/settle", post(mails::settle))
        .route("/mails/{mail}/files/{number}/destroy", post(mails::destroy))
        .route("/mails/{mail}/file", post(filing::from_mail))
        .route("/filings", post(filing::file))
}

/// The router with its limits. Bank files have a limit of their own.
pub fn router(app: App, settings: &Settings) -> Router {
    let timeout_seconds = settings.timeout_seconds;
    let pages = Router::new()
        .route("/", get(|| async { axum::response::Redirect::to("/cases") }))
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/link/{token}", get(sign_in::link_form).post(sign_in::use_link))
        .route("/cases", get(cases::list))
        .route("/cases/search", post(cases::search))
        .route("/cases/{case}", get(case::page))
        .route("/cases/{case}/show", post(show::personal))
        .route("/cases/{case}/slip", post(slip::letter))
        .route("/cases/{case}/slip/handed-over", post(slip::handed_over))
        .route("/cases/{case}/history/{service}", get(show::history))
        .route("/cases/{case}/order/{order}", post(orders::order))
        .route("/register/{entry}", get(entry::page))
        .route("/register/{entry}/{order}", post(entry_orders::order))
        .merge(arrival_pages())
        .route("/tasks", get(tasks::page))
        .route("/gate", get(gate::page))
        .route("/gate/runs", get(gate::runs))
        .route("/gate/filings", get(gate::filings).post(gate::keep))
        .route("/gate/reviews/{review}", get(review::page))
        .route("/gate/reviews/{review}/show", post(review::show))
        .route("/gate/reviews/{review}/{word}", post(review::decide))
        .route("/bank", get(bank::page))
        .merge(recipient_pages())
        .route("/parked", get(parked::page))
        .route("/parked/{service}/{choice}", post(parked::choose))
        .route("/incidents", get(incidents::page))
        .route("/duties", get(duties::waiting))
        .route("/duties/{entry}", get(duties::page))
        .route("/duties/{entry}/{order}", post(duties::order))
        .route("/complaints/{complaint}/told", post(duties::told))
        .route("/staff", get(staff::page).post(staff::add))
        .route("/staff/{staff}/{what}", post(staff::change))
        .route("/assets/console.css", get(css))
        .route("/assets/icon.svg", get(icon))
        .fallback(guard::not_found)
        .with_state(app.clone());
    let pages = chassis::http::limited(pages, HttpLimits { body_max: settings.body_max, timeout_seconds });
    let upload = Router::new()
        .route("/bank/import", post(bank::import))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(app.clone());
    // The file, and the few bytes of form around it.
    let body_max = crate::command::STATEMENT_MAX + 64 * 1024;
    let upload = chassis::http::limited(upload, HttpLimits { body_max, timeout_seconds });
    let carried = Router::new()
        .route("/recipients/{recipient}/files/import", post(files::import))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(app.clone());
    let body_max = crate::command::files::BACK_MAX + 64 * 1024;
    let carried = chassis::http::limited(carried, HttpLimits { body_max, timeout_seconds });
    // An evidence file waits until every service has signed its log.
    let evidence = Router::new().route("/cases/{case}/evidence", post(evidence::export)).with_state(app.clone());
    let evidence = chassis::http::limited(
        evidence,
        HttpLimits { body_max: settings.body_max, timeout_seconds: timeout_seconds.max(EVIDENCE_SECONDS) },
    );
    let https = app.is_https();
    pages
        .merge(evidence)
        .merge(upload)
        .merge(carried)
        .layer(middleware::from_fn(move |request, next| headers(https, request, next)))
}

const CSP: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Headers of every response, and the language cookie where `?lang=` chose one.
async fn headers(https: bool, request: Request, next: Next) -> Response {
    let lang = guard::query_lang(request.uri().query().unwrap_or_default());
    let asset = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("permissions-policy", HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    let keep = if asset { "public, max-age=3600" } else { "no-store" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if https {
        headers
            .insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
    if let Some(lang) = lang {
        let secure = if https { "; Secure" } else { "" };
        let cookie = format!("madoguchi-lang={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}", lang.tag());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
    response
}

async fn css() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../assets/console.css")).into_response()
}

async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("../../assets/icon.svg")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::MailId;

    #[test]
    fn the_place_in_a_list_reads_back_and_anything_else_is_the_beginning() {
        let (at, mail): (Timestamp, _) = ("2026-06-01T00:00:00.123456Z".parse().unwrap(), MailId::default());
        assert_eq!(place_in_list(&format!("{at}_{mail}")), Some((at, mail)));
        for other in ["", "_", "x_y", "2026-06-01T00:00:00Z"] {
            assert_eq!(place_in_list::<MailId>(other), None, "{other}");
        }
    }
}
