//! 返信票の読取り: a return form that two members of staff scan in, the way of every paper.

use super::{Orders, refused};
use crate::return_form;
use chassis::HandleError;
use contracts::{
    Code,
    register::{AttestReport, ScanReturn},
    request::{StaffCommand, StaffReply},
};

impl Orders {
    /// `req.optout.scan-return`: the same as attesting the report of the instruction that the form's code names.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn scan_return(&self, command: StaffCommand<ScanReturn>) -> Result<StaffReply, HandleError> {
        let StaffCommand { token, staff, why, traceparent, order } = command;
        let ScanReturn { code, outcome, ground } = order;
        let Some(instruction) = return_form::instruction_of(&code) else {
            return refused(Code::of("return-code-misread"));
        };
        let order = AttestReport { instruction, outcome, ground };
        self.attest(StaffCommand { token, staff, why, traceparent, order }).await
    }
}
