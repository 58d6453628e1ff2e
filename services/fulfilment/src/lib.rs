//! fulfilment: search, decision with its legal ground, answer (検索・決定・交付).

pub mod answer;
pub mod decision;
pub mod ticket;
