//! `demo`: the desk with two example contractors, and the story of two people told hop by hop.

use crate::{
    Up, UpArgs,
    story::{self, Contractor, Desk, Receipt},
    up,
};
use anyhow::{Context, ensure};
use console::command::{By, Commands};
use contracts::{CaseId, Code, DecisionOutcome, EndedAs, RecipientId, StaffId, Step};
use recipient_kit::run::Running;
use serde_json::Value;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Marks a folder as the demo's own, so that no other is ever emptied.
const MARK: &str = "this-is-a-madoguchi-demo";

/// Runs the story; without `exit` the desk stays open afterwards.
pub(crate) async fn run(args: UpArgs, exit: bool) -> anyhow::Result<()> {
    banner();
    let folder = up::folder(&args, "demo")?;
    empty_folder(&folder).await?;
    // Its contractors listen on this machine; elsewhere that is refused.
    let more = [("optout.allow_private_endpoints".to_owned(), "true".to_owned())];
    let up = Up::start(&args, &folder, &more, &up::say).await?;
    let told = Story::begin(&up).await?.tell().await;
    let result = match told {
        Ok(_running) if exit => Ok(()),
        Ok(_running) => {
            if let Some(path) = &args.ready_file {
                up::write_ready_file(path, &up.addresses)?;
            }
            banner();
            up::tell(&up.addresses, &up.place.folder);
            up.until_asked().await;
            Ok(())
        }
        Err(error) => Err(error.context("the story did not come to its end")),
    };
    up::say("stopping");
    up.stop().await?;
    result
}

fn banner() {
    println!();
    println!("  ┌──────────────────────────────────────────────────────────────────────────┐");
    println!("  │  DEMO: invented people, example contractors, data of its own.            │");
    println!("  │  デモ: 架空の人物と例示の受託事業者です。実際の請求には使えません。      │");
    println!("  └──────────────────────────────────────────────────────────────────────────┘");
    println!();
}

/// A demo always begins from nothing; only a folder that a demo made is emptied.
async fn empty_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() && folder.read_dir()?.next().is_some() {
        ensure!(
            folder.join(MARK).exists(),
            "`--data` {}: this folder was not made by a demo, and a demo begins by emptying its folder. Name another.",
            folder.display()
        );
        // The servers of a demo that was killed end here, before their data goes; one that still runs is an error.
        drop(servers::DataDir::open(folder, &up::say).await?);
        std::fs::remove_dir_all(folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(MARK), "")?;
    Ok(())
}

struct Story<'a> {
    up: &'a Up,
    desk: Desk,
    commands: Commands,
    console: chassis::Db,
    staff: StaffId,
    folder: PathBuf,
    seen: std::collections::HashSet<Uuid>,
}

impl<'a> Story<'a> {
    async fn begin(up: &'a Up) -> anyhow::Result<Self> {
        Ok(Self {
            up,
            desk: Desk::new(&up.addresses.desk)?,
            commands: up.commands().await?,
            console: up.console_db().await?,
            staff: StaffId::new(),
            folder: up.place.folder.join("contractors"),
            seen: std::collections::HashSet::new(),
        })
    }

    async fn tell(mut self) -> anyhow::Result<Vec<Running>> {
        let contractors = self.contractors().await?;
        self.opt_out(&contractors).await?;
        self.disclosure().await?;
        println!();
        println!("  Every step happened. The mails lie in {}.", self.up.place.folder.join("mail").display());
        Ok(contractors)
    }

    async fn contractors(&self) -> anyhow::Result<Vec<Running>> {
        chapter("Two contractors join");
        let nats =
            Contractor::open(&self.folder.join("core-data"), RecipientId::new(), Code::of("core-data-contractor"))?;
        let web = Contractor::open(&self.folder.join("analysis"), RecipientId::new(), Code::of("analysis-contractor"))?;
        let mut one = story::join_over_nats(self.up, &self.commands, self.staff, &nats).await?;
        step(&format!("{} pulls from its own NATS account, with its own credentials", nats.label));
        let mut two = story::join_by_webhook(self.up, &self.commands, self.staff, &web).await?;
        step(&format!("{} listens for webhooks", web.label));
        for running in [&mut one, &mut two] {
            running.keeps_books(&self.up.addresses.partner)?;
        }
        Ok(vec![one, two])
    }

    async fn opt_out(&mut self, contractors: &[Running]) -> anyhow::Result<()> {
        chapter("Hanako wants her data to be used no more (提供停止)");
        let person = story::person("見本 花子", "ミホン ハナコ", "1980-02-29", "hanako@mail.example");
        let (receipt, case) = self.file("an opt-out", &story::opt_out_of(&person)).await?;
        self.desk.until(&receipt, "the provisional block", |s| s.blocked_since.is_some()).await?;
        step("the gate refuses her records already: a provisional block, before anybody looked at papers");
        self.hops(case).await?;
        story::confirm(&self.commands, self.staff, case).await?;
        step("staff confirmed her identity in the console's way: one command over NATS");
        let end = self.desk.until(&receipt, "every contractor's report", |s| s.step == Step::Ended).await?;
        self.hops(case).await?;
        ensure!(end.ended_as == Some(EndedAs::Stopped), "the opt-out ended as {:?}", end.ended_as);
        for running in contractors {
            let counts = running.contractor.until(|c| c.applied == 1 && c.open == 0).await;
            ensure!(counts.accepted >= 1, "a contractor's report was not accepted");
        }
        step("both contractors verified, opened, applied and reported; the desk verified both signatures");
        self.mails(case, 2).await
    }

    async fn disclosure(&mut self) -> anyhow::Result<()> {
        chapter("Taro asks what is held about him (開示)");
        let person = story::person("見本 太郎", "ミホン タロウ", "1975-07-07", "taro@mail.example");
        let (receipt, case) = self.file("a disclosure", &story::disclosure_to(&person)).await?;
        let asked = self.desk.until(&receipt, "the fee", |s| s.fee.is_some()).await?;
        let fee = asked.fee.context("no fee")?;
        step(&format!(
            "he is asked for {} yen with the reference {}, due on {}",
            fee.amount.0,
            fee.reference.as_str(),
            fee.due_on
        ));
        story::confirm(&self.commands, self.staff, case).await?;
        step("staff confirmed his identity");
        let today = chassis::Clock::system().now().to_zoned(jiff::tz::TimeZone::get("Asia/Tokyo")?).date();
        let file = story::bank_file(fee.reference.as_str(), fee.amount.0, today);
        let by = By::new(self.staff, "bank file of the day");
        story::done(self.commands.import_statement(by, file, Code::of("zengin-01-a")).await?)?;
        step("the bank's file was imported: four records of 200 bytes, one of them his 4,000 yen");
        self.desk.until(&receipt, "identity and payment together", |s| s.step == Step::Answering).await?;
        self.hops(case).await?;
        let by = By::new(self.staff, "searched; everything may be disclosed");
        story::done(self.commands.decide(by, case, DecisionOutcome::Full, Code::of("appi-33-2"), None, None).await?)?;
        step("staff decided: full disclosure, APPI article 33(2)");
        let end = self.desk.until(&receipt, "the end of the disclosure", |s| s.step == Step::Ended).await?;
        self.hops(case).await?;
        ensure!(end.ended_as == Some(EndedAs::Decided), "the disclosure ended as {:?}", end.ended_as);
        self.mails(case, 2).await
    }

    async fn file(&self, what: &str, body: &Value) -> anyhow::Result<(Receipt, CaseId)> {
        let receipt = self.desk.file(&Uuid::now_v7().to_string(), body).await?;
        step(&format!(
            "filed {what} through the public API: receipt number {}, access code {}",
            receipt.receipt_number, receipt.access_code
        ));
        let case = story::case_of(&self.console, &receipt).await?;
        Ok((receipt, case))
    }

    /// What the house said since the last time, as the console heard it.
    async fn hops(&mut self, case: CaseId) -> anyhow::Result<()> {
        type Row = (Uuid, String, String, String, Option<String>);
        let rows: Vec<Row> = sqlx::query_as("select message_id, service, word, to_char(at at time zone 'Asia/Tokyo', 'HH24:MI:SS.MS'), traceparent from fact_view where case_id = $1 order by at, seq")
            .bind(case.0)
            .fetch_all(self.console.pool())
            .await?;
        for (id, service, word, at, trace) in rows {
            if self.seen.insert(id) {
                let trace = trace.as_deref().and_then(|t| t.get(3..35)).unwrap_or("-").to_owned();
                println!("      {at}  {service:<13}{word:<24} trace {trace}");
            }
        }
        Ok(())
    }

    async fn mails(&self, case: CaseId, at_least: i64) -> anyhow::Result<()> {
        let begun = tokio::time::Instant::now();
        loop {
            let sent: i64 =
                sqlx::query_scalar("select count(*) from fact_view where case_id = $1 and word = 'notice-sent'")
                    .bind(case.0)
                    .fetch_one(self.console.pool())
                    .await?;
            if sent >= at_least {
                step(&format!("{sent} mails went out: receipt number and link, nothing else"));
                return Ok(());
            }
            ensure!(begun.elapsed() < std::time::Duration::from_secs(60), "only {sent} of {at_least} mails went out");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

fn chapter(text: &str) {
    println!();
    println!("  ── {text}");
}

fn step(text: &str) {
    println!("   ▸ {text}");
}
