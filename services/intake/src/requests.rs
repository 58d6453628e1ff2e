//! What intake answers: personal values and searches, and the orders of the staff. An order's reason is kept before the
//! order is obeyed.

use crate::{
    case::{Author, Case, Input},
    person::Persons,
    store::{self, Order},
};
use chassis::{Bus, Cause, HandleError, Home, Outcome};
use contracts::{
    CaseId, Code,
    request::{Disclose, EraseCase, Revive, SearchCases, StaffCommand, StaffReply, Withdraw},
};
use std::sync::Arc;

/// Answers until the process stops.
pub fn answer(bus: &Arc<Bus>, home: &Home<Case>, persons: &Persons) {
    let p = persons.clone();
    bus.answer::<Disclose, _, _>(move |asked| {
        let p = p.clone();
        async move { p.disclose(asked).await }
    });
    let p = persons.clone();
    bus.answer::<SearchCases, _, _>(move |asked| {
        let p = p.clone();
        async move { p.search(asked).await }
    });
    let desk = Desk { bus: bus.clone(), home: home.clone(), persons: persons.clone() };
    let d = desk.clone();
    bus.answer::<StaffCommand<Withdraw>, _, _>(move |command| {
        let d = d.clone();
        async move { d.withdraw(command).await }
    });
    let d = desk.clone();
    bus.answer::<StaffCommand<Revive>, _, _>(move |command| {
        let d = d.clone();
        async move { d.revive(command).await }
    });
    bus.answer::<StaffCommand<EraseCase>, _, _>(move |command| {
        let d = desk.clone();
        async move { d.erase(command).await }
    });
}

/// The staff's orders.
#[derive(Clone)]
pub struct Desk {
    bus: Arc<Bus>,
    home: Home<Case>,
    persons: Persons,
}

impl Desk {
    /// Puts the parts together.
    pub const fn new(bus: Arc<Bus>, home: Home<Case>, persons: Persons) -> Self {
        Self { bus, home, persons }
    }

    /// 取下げ on the person's behalf.
    ///
    /// # Errors
    /// A database is away: nothing was done.
    pub async fn withdraw(&self, command: StaffCommand<Withdraw>) -> Result<StaffReply, HandleError> {
        let input = Input::Withdraw { at: self.bus.clock().now(), by: Author::Staff(command.staff) };
        self.obey(&command, command.order.case, "withdraw", input).await.map(|obeyed| obeyed.reply)
    }

    /// 失効の取消し.
    ///
    /// # Errors
    /// As [`Desk::withdraw`].
    pub async fn revive(&self, command: StaffCommand<Revive>) -> Result<StaffReply, HandleError> {
        let input = Input::Revive { at: self.bus.clock().now(), by: command.staff };
        self.obey(&command, command.order.case, "revive", input).await.map(|obeyed| obeyed.reply)
    }

    /// 消去: orders it, destroys the key, and says `erased`; `erasing` when the key database is away just now (the due row
    /// does it later).
    ///
    /// # Errors
    /// As [`Desk::withdraw`].
    pub async fn erase(&self, command: StaffCommand<EraseCase>) -> Result<StaffReply, HandleError> {
        let case = command.order.case;
        let input = Input::Erase { at: self.bus.clock().now(), by: command.staff };
        let obeyed = self.obey(&command, case, "erase", input).await?;
        if !obeyed.done {
            return Ok(obeyed.reply);
        }
        match self.persons.destroy(&self.home, case).await {
            Ok(outcome) => Ok(outcome.reply(case.0)),
            Err(error) => {
                tracing::error!(case.id = %case, %error, "the key of an erased case could not be destroyed now; it is tried again");
                Ok(obeyed.reply)
            }
        }
    }

    async fn obey<T>(
        &self,
        command: &StaffCommand<T>,
        case: CaseId,
        verb: &'static str,
        input: Input,
    ) -> Result<Obeyed, HandleError> {
        if self.home.read(case.0).await?.is_none() {
            return Ok(Obeyed::refused("case-unknown"));
        }
        // Every order has a reason; of an erased case none is kept, and the machine says what is left to say.
        let why = match self.persons.custody().why(command) {
            Ok(why) => self.persons.reseal_why(case.0, &why).await?,
            Err(reply) => return Ok(Obeyed { reply, done: false }),
        };
        let at = self.bus.clock().now();
        let order = Order { token: command.token, case: case.0, verb, staff: command.staff.0, why, at };
        store::write_order(self.bus.db(), order).await?;
        let outcome = self.home.handle(case.0, Cause::Person(command.token), input).await?;
        let done = matches!(outcome, Outcome::Done { .. });
        Ok(Obeyed { reply: outcome.reply(case.0), done })
    }
}

struct Obeyed {
    reply: StaffReply,
    done: bool,
}

impl Obeyed {
    fn refused(why: &'static str) -> Self {
        Self { reply: StaffReply::Refused { reason: Code::of(why), at: None }, done: false }
    }
}
