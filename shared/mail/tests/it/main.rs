//! Mails as they are found in the world, mails that want to kill, and the process apart.

mod apart;
mod corpus;
mod kinds;
mod made;
